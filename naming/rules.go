package naming

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Rule says when a batch is complete.
type Rule string

const (
	Quiet      Rule = "quiet"
	Marker     Rule = "marker"
	Count      Rule = "count"
	References Rule = "references"
)

// Resend says what happens to a second document of a key that is still in flight.
type Resend string

const (
	ResendHold Resend = "hold" // it waits until the first one is settled
	ResendSend Resend = "send" // it becomes a batch of its own at once
)

// Config is what an operator may say about names. DefaultConfig is a good start;
// empty pattern lists mean the defaults for the rule.
type Config struct {
	Documents   []string // patterns
	Attachments []string // patterns
	// Regular expressions with a group key that take the place of the patterns.
	DocumentExpr, AttachmentExpr string

	Ignore     []string      // shell patterns of names that are never ready, besides the built-in ones
	Complete   Rule          // empty means Quiet
	Quiet      time.Duration // used as given: 0 takes files at first sight
	Marker     string        // pattern; empty means {key}.ready
	AllowEmpty bool          // files without a byte may travel
	FoldCase   bool          // names that differ only in case are the same
	Resend     Resend        // empty means ResendHold
}

// DefaultConfig is the convention of the README: quiet for five seconds.
func DefaultConfig() Config {
	return Config{Complete: Quiet, Quiet: 5 * time.Second, Resend: ResendHold}
}

const documentExtensions = "{ext:xml|edi|edifact|x12|json|csv|txt}"

// AtFirstSight reports whether a batch may be complete that was seen only once. Who lists
// the folder must then see to it that no member is missing from the listing.
func (r *Rules) AtFirstSight() bool { return r.complete == Marker || r.quiet == 0 }

// Rules is a compiled Config. It is immutable and safe for concurrent use.
type Rules struct {
	documents, attachments []matcher
	marker                 *pattern
	ignore                 []string
	complete               Rule
	quiet                  time.Duration
	allowEmpty, foldCase   bool
	resend                 Resend
	documentHint           string // for people: what a document would have to be called
}

// A Problem is one mistake in a Config.
type Problem struct {
	Field string // name of the Config field
	Index int    // in the list of that field, else 0
	Fact  string
}

// ConfigError lists every mistake in a Config.
type ConfigError []Problem

func (e ConfigError) Error() string {
	facts := make([]string, len(e))
	for i, p := range e {
		facts[i] = p.Field + ": " + p.Fact
	}
	return strings.Join(facts, "; ")
}

// Compile checks a Config. The error, if any, is a ConfigError.
func Compile(c Config) (*Rules, error) {
	var problems ConfigError
	report := func(field string, i int, err error) {
		if err != nil {
			problems = append(problems, Problem{field, i, err.Error()})
		}
	}
	r := &Rules{complete: c.Complete, quiet: c.Quiet, allowEmpty: c.AllowEmpty, foldCase: c.FoldCase, resend: c.Resend, ignore: c.Ignore}
	switch r.complete {
	case "":
		r.complete = Quiet
	case Quiet, Marker, Count, References:
	default:
		report("Complete", 0, fmt.Errorf("%q is none of quiet, marker, count, references", c.Complete))
	}
	switch r.resend {
	case "":
		r.resend = ResendHold
	case ResendHold, ResendSend:
	default:
		report("Resend", 0, fmt.Errorf("%q is none of hold, send", c.Resend))
	}
	if c.Quiet < 0 {
		report("Quiet", 0, fmt.Errorf("%v is negative", c.Quiet))
	}
	documents, attachments := c.Documents, c.Attachments
	number := ""
	if r.complete == Count {
		number = "_{part}of{parts}"
	}
	if len(documents) == 0 {
		documents = []string{"{key}" + number + "." + documentExtensions}
	}
	if len(attachments) == 0 {
		attachments = []string{"{key}" + number + "_{name}.{ext}", "{key}" + number + ".{ext}"}
	}
	r.documents = compileMatchers("Documents", documents, c.DocumentExpr, report)
	r.attachments = compileMatchers("Attachments", attachments, c.AttachmentExpr, report)
	r.documentHint = documents[0]
	if c.DocumentExpr != "" {
		r.documentHint = c.DocumentExpr
	}
	marker := c.Marker
	if marker == "" {
		marker = "{key}.ready"
	}
	p, err := compilePattern(marker)
	report("Marker", 0, err)
	if r.complete == Marker {
		r.marker = p
	}
	for i, g := range c.Ignore {
		_, err := path.Match(g, "x")
		if err != nil {
			err = fmt.Errorf("%q: %w", g, err)
		}
		report("Ignore", i, err)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return r, nil
}

func compileMatchers(field string, patterns []string, expr string, report func(string, int, error)) []matcher {
	if expr != "" {
		e, err := compileExpression(expr)
		report(strings.TrimSuffix(field, "s")+"Expr", 0, err)
		return []matcher{e}
	}
	var ms []matcher
	for i, text := range patterns {
		p, err := compilePattern(text)
		report(field, i, err)
		ms = append(ms, p)
	}
	return ms
}

// InFlight reports whether a document of a key has to wait because of an earlier one that
// is among the claims.
func (r *Rules) InFlight(key string, claims []Claim) bool {
	return r.resend == ResendHold && slices.ContainsFunc(claims, func(c Claim) bool { return c.InFlight && r.fold(c.Key) == r.fold(key) })
}

// fold is the form in which names and keys are compared.
func (r *Rules) fold(s string) string { return Fold(s, r.foldCase) }

// Fold returns the form in which two names are compared: Unicode NFC and, where
// foldCase is set, without regard to case.
func Fold(name string, foldCase bool) string {
	if !foldCase && ascii(name) {
		return name
	}
	name = norm.NFC.String(name)
	switch {
	case foldCase && ascii(name):
		name = strings.ToLower(name) // what folding does to it, in a tenth of the time
	case foldCase:
		name = cases.Fold().String(name)
	}
	return name
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// unfinished reports whether programs write files under such names that are not finished:
// .*, ~$*, *.tmp, *.part, *.filepart, *.crdownload. The Windows Explorer leaves desktop.ini
// and thumbs.db in folders that somebody looked at. Every name is asked about at every look.
func unfinished(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") {
		return true
	}
	switch ext := name[strings.LastIndexByte(name, '.')+1:]; {
	case len(ext) == len(name):
		return false
	case equalFold(ext, "tmp", "part", "filepart", "crdownload"):
		return true
	}
	return equalFold(name, "desktop.ini", "thumbs.db")
}

func equalFold(s string, any ...string) bool {
	return slices.ContainsFunc(any, func(t string) bool { return strings.EqualFold(s, t) })
}

func (r *Rules) ignored(name string) bool {
	if unfinished(name) {
		return true
	}
	for _, g := range r.ignore {
		if ok, _ := path.Match(g, name); ok { // checked by Compile
			return true
		}
	}
	return false
}
