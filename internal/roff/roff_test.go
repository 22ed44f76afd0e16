package roff

import (
	"strings"
	"testing"
)

// Nothing in a text becomes a request, and what is short in the help is whole in the page.
func TestPage(t *testing.T) {
	p := New("as2drop-x", 1, "2026-11-26", `say "hi"`)
	p.Section("NAME")
	p.Line("as2drop-x - try")
	p.Section("DESCRIPTION")
	p.Text("One.\n.SH evil\n'evil\n\nExamples:\n  as2drop 'a' \\n\n  .dot\nAfter.\n\n" + strings.Repeat("word ", 40))
	p.Term("--flag", "=FILE", ".rc and so on")
	const want = `.TH "AS2DROP\-X" 1 "2026-11-26" "say \(dqhi\(dq"
.SH "NAME"
as2drop\-x \- try
.SH "DESCRIPTION"
One. .SH evil \(aqevil
.PP
Examples:
.PP
.RS 4
.nf
as2drop \(aqa\(aq \en
\&.dot
.fi
.RE
.PP
After.
.PP
`
	got := p.String()
	if !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if !strings.HasSuffix(got, ".TP\n\\fB\\-\\-flag\\fR=FILE\n\\&.rc and so on\n") {
		t.Errorf("the term:\n%s", got)
	}
	for line := range strings.SplitSeq(got, "\n") {
		if len(line) > 80 {
			t.Errorf("a long line: %s", line)
		}
	}
}
