package checks

import (
	"context"
	"fmt"
	"io"

	"github.com/as2drop/as2drop/internal/filetype"
)

// Rule is one of the rules, as the config names it.
type Rule string

const (
	Types          Rule = "types"
	AttachmentSize Rule = "attachment_size"
	TotalSize      Rule = "total_size"
	Names          Rule = "names"
	UniqueNames    Rule = "unique_names"
	OneDocument    Rule = "one_document"
	WellFormedXML  Rule = "well_formed_xml"
	Envelopes      Rule = "envelopes"
)

// All are the rules in the order in which they are asked.
func All() []Rule {
	return []Rule{Names, UniqueNames, AttachmentSize, TotalSize, Types, OneDocument, WellFormedXML, Envelopes}
}

// Effect is what a finding of a rule leads to.
type Effect string

const (
	Off    Effect = "off"
	Warn   Effect = "warn"   // the batch goes on, with an event
	Refuse Effect = "refuse" // the batch is not sent
)

// Rules are what is asked of the batches of one partner.
type Rules struct {
	Effects       map[Rule]Effect // a rule that is not in it is off
	Types         []filetype.Type // that attachments may have
	Others        []string        // extensions, lower case and without the dot, of further attachments, whatever is in them
	MaxAttachment int64           // bytes
	MaxTotal      int64           // bytes
	Characters    Characters      // of file names
	MaxName       int             // characters
}

// Any reports whether any rule is on.
func (r *Rules) Any() bool {
	for _, rule := range All() {
		if r.on(rule) {
			return true
		}
	}
	return false
}

func (r *Rules) on(rule Rule) bool { e := r.Effects[rule]; return e == Warn || e == Refuse }

// File is one file of a batch.
type File struct {
	Name     string
	Document bool
	Size     int64 // bytes
	Open     func() (io.ReadCloser, error)
}

// Finding is what one rule complains of.
type Finding struct {
	Rule   Rule   `json:"rule"`
	Effect Effect `json:"effect"`
	File   string `json:"file,omitempty"`  // empty for the batch as a whole
	Place  string `json:"place,omitempty"` // in the file; empty for all of it
	Fact   string `json:"fact"`
	Next   string `json:"next"` // what to do
}

func (f Finding) String() string {
	text := string(f.Rule) + ": "
	if f.File != "" {
		text += f.File + ": "
	}
	if f.Place != "" {
		text += f.Place + ": "
	}
	return text + f.Fact
}

// Most is how many findings of each effect are told of one batch.
const Most = 20

// Report is what was found.
type Report struct {
	Findings []Finding // refusals first, else in the order of the rules and files
	More     int       // findings beyond those
	Refused  bool
}

// Batch checks a batch.
func (r *Rules) Batch(ctx context.Context, files []File) (Report, error) {
	c := &checker{rules: r, files: files}
	c.names()
	c.uniqueNames()
	c.sizes()
	contents := make([]content, len(files))
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		var err error
		if contents[i], err = c.read(ctx, f); err != nil {
			return Report{}, fmt.Errorf("%q: %w", f.Name, err)
		}
	}
	c.oneDocument(contents)
	return c.report(), nil
}

// checker collects findings.
type checker struct {
	rules *Rules
	files []File
	found map[Effect][]Finding
	more  map[Effect]int
}

// add tells of a finding, if its rule is on.
func (c *checker) add(rule Rule, file, place, next, format string, args ...any) {
	if !c.rules.on(rule) {
		return
	}
	if c.found == nil {
		c.found, c.more = map[Effect][]Finding{}, map[Effect]int{}
	}
	e := c.rules.Effects[rule]
	if len(c.found[e]) >= Most {
		c.more[e]++
		return
	}
	c.found[e] = append(c.found[e], Finding{rule, e, file, place, fmt.Sprintf(format, args...), next})
}

func (c *checker) report() Report {
	return Report{
		Findings: append(c.found[Refuse], c.found[Warn]...),
		More:     c.more[Refuse] + c.more[Warn],
		Refused:  len(c.found[Refuse]) > 0,
	}
}

// sizes looks at what the files have in bytes.
func (c *checker) sizes() {
	total := int64(0)
	for _, f := range c.files {
		total += f.Size
		if !f.Document && f.Size > c.rules.MaxAttachment {
			c.add(AttachmentSize, f.Name, "", "make it smaller, such as by a lower resolution, or raise max_attachment if the partner takes it",
				"%s, and an attachment may have %s", bytesOf(f.Size), bytesOf(c.rules.MaxAttachment))
		}
	}
	if total > c.rules.MaxTotal {
		c.add(TotalSize, "", "", "send fewer or smaller attachments, or raise max_total if the partner takes it",
			"the %d files have %s together, and may have %s", len(c.files), bytesOf(total), bytesOf(c.rules.MaxTotal))
	}
}

// bytesOf is a size for people, with the exact number where that is not it.
func bytesOf(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.size {
			return fmt.Sprintf("%d bytes (%.1f %s)", n, float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
