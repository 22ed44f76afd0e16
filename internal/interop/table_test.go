//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// table is what a run found out, as docs/interop.md has it.
type table struct {
	cells map[string]map[string]entry // by case and column
	blame []blame
}

// entry is what stands in a cell.
type entry struct{ text, note string }

// blame says that a peer is at fault in a cell.
type blame struct {
	Case   string // as in the table
	Column string
	Error  string // what the cell ends with, in part
	Fact   string // what the peer does
	Clause string // that it breaks
	Bytes  string // folder under testdata/vectors with what it sent
	Third  string // implementation that agrees with us, and how that was seen
	seen   bool
}

func newTable(t *testing.T) *table {
	b := &table{cells: map[string]map[string]entry{}}
	b.loadBlame(t)
	return b
}

func (b *table) set(c cell, x entry) {
	if b.cells[c.row.name] == nil {
		b.cells[c.row.name] = map[string]entry{}
	}
	b.cells[c.row.name][c.column.String()] = x
}

// cannot enters a cell that a peer cannot play.
func (b *table) cannot(c cell, why string) { b.set(c, entry{note: why}) }

// enter enters what became of a cell: what the receiver said, where there is something to
// say, and a note.
func (b *table) enter(c cell, said, note string, err error) {
	switch {
	case err != nil:
		b.set(c, entry{text: "FAILED: " + err.Error()})
	case said != "":
		b.set(c, entry{"ok: " + said, note})
	default:
		b.set(c, entry{"ok", note})
	}
}

// columns are those of the table, in their order.
var columns = []column{{openAS2, out}, {openAS2, in}, {pyas2, out}, {pyas2, in}}

// String is the page.
func (b *table) String() string {
	var s strings.Builder
	var notes []string
	s.WriteString(intro)
	section := ""
	for _, r := range matrix() {
		if r.section != section {
			section = r.section
			fmt.Fprintf(&s, "\n## %s\n\n| case |", section)
			for _, c := range columns {
				fmt.Fprintf(&s, " %s |", c)
			}
			s.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
		}
		fmt.Fprintf(&s, "| %s |", r.name)
		for _, c := range columns {
			x := b.cells[r.name][c.String()]
			s.WriteString(strings.TrimRight(" "+x.text, " "))
			if x.note != "" {
				if !slices.Contains(notes, x.note) {
					notes = append(notes, x.note)
				}
				fmt.Fprintf(&s, " [%d]", slices.Index(notes, x.note)+1)
			}
			s.WriteString(" |")
		}
		s.WriteString("\n")
	}
	s.WriteString("\n## Notes\n\n")
	for i, n := range notes {
		fmt.Fprintf(&s, "- [%d] %s.\n", i+1, strings.TrimSuffix(n, "."))
	}
	return s.String()
}

// intro stands above the table.
const intro = `# Interoperability

Made by ` + "`make interop`" + `, which fails if it finds anything else than this page says. OpenAS2 2.10.1 and
pyas2-lib 1.4.4 run on loopback; our agent is started as users start it. *To* means that as2drop sends, *from* that the
peer does.

*ok*: the document arrived with the same bytes under the same name; the layers and the receipt request on the wire were
those of the case; our verdict (to), or our receipt (from), was right, and the MIC was compared where there was one; the
peer says so too. Behind *ok:* stands what the receiver answered to a message that must be refused, or the verdict
where it is not plain "accepted": a receipt without a MIC counts only where accept_missing_mic says so. A number refers to the notes. Unless a case says otherwise the message is signed with
sha-256, encrypted with aes-256-cbc, not compressed, and asks for a signed receipt on the same connection.
`

const page = root + "/docs/interop.md"

// compare holds the table against the committed one, and keeps what it found beside
// the logs.
func (b *table) compare(t *testing.T, renew bool) {
	t.Helper()
	got := b.String()
	made := logs + "/../interop.md"
	if err := os.WriteFile(made, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Println(got)
	if renew {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the table differs from docs/interop.md; this one is in %s", made)
	}
	for _, x := range b.blame {
		if !x.seen {
			t.Errorf("%q, %s: the peer is blamed in blame.json, but the cell works or is not there", x.Case, x.Column)
		}
	}
}

// loadBlame reads the committed list.
func (b *table) loadBlame(t *testing.T) {
	t.Helper()
	body, err := os.ReadFile(absolute(t, "testdata/interop/blame.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &b.blame); err != nil {
		t.Fatal(err)
	}
	for _, x := range b.blame {
		if x.Error == "" || x.Fact == "" || x.Clause == "" || x.Third == "" || !*capture && !exists(absolute(t, "testdata/vectors/"+x.Bytes+"/expect.json")) {
			t.Errorf("blame.json: %q, %s: error, fact, clause, third implementation and a vector with the bytes are required", x.Case, x.Column)
		}
	}
}

// blamed enters a cell in which the peer is at fault.
func (b *table) blamed(c cell, err error) bool {
	for i := range b.blame {
		x := &b.blame[i]
		if x.Case == c.row.name && x.Column == c.column.String() && strings.Contains(err.Error(), x.Error) {
			x.seen = true
			b.set(c, entry{"blamed", fmt.Sprintf("%s (%s; bytes in testdata/vectors/%s; %s agrees with us)", x.Fact, x.Clause, x.Bytes, x.Third)})
			return true
		}
	}
	return false
}
