// Package roff writes manual pages in the man(7) macros, which man on every Unix
// shows. A Page is text for people in, roff out: nothing in the text can become a
// request of roff. It knows headings, paragraphs, terms with their meaning and examples,
// and no more, because nothing else looks the same everywhere.
package roff

import (
	"fmt"
	"strings"
)

// Page is a manual page that is being written.
type Page struct {
	b     strings.Builder
	first bool // nothing has been written since the last heading, which has a space of its own
}

// width is how long a line of the file may be; how wide it is shown is up to the reader.
const width = 76

// New begins a page: NAME(section), the day it was written (2026-11-26, as it stands; may be empty), and
// what it belongs to.
func New(name string, section int, date, source string) *Page {
	p := &Page{}
	fmt.Fprintf(&p.b, ".TH %s %d %s %s\n", argument(strings.ToUpper(name)), section, `"`+date+`"`, argument(source))
	return p
}

// String is the page.
func (p *Page) String() string { return p.b.String() }

// Section begins a section: a heading in capital letters.
func (p *Page) Section(title string) {
	p.b.WriteString(".SH " + argument(title) + "\n")
	p.first = true
}

// Subsection begins a part of a section.
func (p *Page) Subsection(title string) {
	p.b.WriteString(".SS " + argument(title) + "\n")
	p.first = true
}

// space stands before a paragraph that is not the first one.
func (p *Page) space() {
	if !p.first {
		p.b.WriteString(".PP\n")
	}
	p.first = false
}

// Para writes one paragraph.
func (p *Page) Para(text string) {
	p.space()
	p.b.WriteString(lines(wrap(text)))
}

// Line writes one line without a space before it, such as the one that NAME has.
func (p *Page) Line(text string) {
	p.b.WriteString(lines(text))
	p.first = false
}

// Term writes a term in bold, what follows it (may be empty), and its meaning below.
func (p *Page) Term(term, after, meaning string) {
	p.b.WriteString(".TP\n" + `\fB` + escape(term) + `\fR` + escape(after) + "\n" + lines(wrap(meaning)))
	p.first = false
}

// Example writes lines as they are.
func (p *Page) Example(text string) {
	p.space()
	p.b.WriteString(".RS 4\n.nf\n" + lines(strings.TrimRight(text, "\n")) + ".fi\n.RE\n")
}

// Text writes what the commands print as their help: paragraphs between empty lines, and
// lines that begin with two blanks as an example.
func (p *Page) Text(text string) {
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var plain, example []string
		flush := func() {
			if len(plain) > 0 {
				p.Para(strings.Join(plain, "\n"))
			}
			if len(example) > 0 {
				p.Example(strings.Join(example, "\n"))
			}
			plain, example = nil, nil
		}
		for line := range strings.SplitSeq(block, "\n") {
			if rest, ok := strings.CutPrefix(line, "  "); ok {
				example = append(example, rest)
				continue
			}
			if len(example) > 0 {
				flush()
			}
			plain = append(plain, line)
		}
		flush()
	}
}

// escape makes text that roff prints as it is, within a line.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "\u00a0", " ").Replace(text)
}

// wrap breaks lines where roff may fill them again.
func wrap(text string) string {
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(escape(word)) > width:
			b.WriteString("\n")
			used = 0
		default:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += len(escape(word))
	}
	return b.String()
}

// lines escapes text of several lines: a dot that begins one would be a request.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line = escape(strings.TrimRight(line, " \t"))
		if strings.HasPrefix(line, ".") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// argument is one argument of a request.
func argument(s string) string {
	return `"` + strings.ReplaceAll(escape(strings.ReplaceAll(s, "\n", " ")), `"`, `\(dq`) + `"`
}
