//go:build peers

package benchpeers

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/as2drop/as2drop/internal/bench/page"
)

// A round does not count if something is missing, changed, there twice, or left behind.
func TestCheck(t *testing.T) {
	p := parcel{round: 1, documents: 3}
	for name, harm := range map[string]func(e *ends){
		"missing": func(e *ends) { must(t, os.Remove(filepath.Join(e.inbox, p.name(1)))) },
		"other bytes": func(e *ends) {
			must(t, os.Truncate(filepath.Join(e.inbox, p.name(2)), 100))
		},
		"twice": func(e *ends) {
			put(t, filepath.Join(e.inbox, "INV-1-000000-1.xml"), func(w io.Writer) error { return p.write(w, 0) })
		},
		"under another name": func(e *ends) {
			must(t, os.Rename(filepath.Join(e.inbox, p.name(0)), filepath.Join(e.inbox, "other.xml")))
		},
		"left": func(e *ends) {
			put(t, filepath.Join(e.outboxes[0], p.name(0)), func(w io.Writer) error { return p.write(w, 0) })
		},
		"": func(*ends) {},
	} {
		e := &ends{product: ours, inbox: t.TempDir(), outboxes: []string{t.TempDir()}}
		for n := range p.documents {
			put(t, filepath.Join(e.inbox, p.name(n)), func(w io.Writer) error { return p.write(w, n) })
		}
		harm(e)
		if err := e.check(p); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Both tables have their place on the page.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(absolute(t, "docs/performance.md"))
	must(t, err)
	for _, name := range []string{"small", "large"} {
		if _, err := page.Replace(string(text), "bench-peers", name, ""); err != nil {
			t.Error(err)
		}
	}
}

// The median is that of the middle, or of the two in the middle.
func TestMedian(t *testing.T) {
	flow := func(r round) float64 { return r.flow }
	if got := median([]round{{flow: 9}, {flow: 1}, {flow: 2}}, flow); got != 2 {
		t.Error(got)
	}
	if got := median([]round{{flow: 9}, {flow: 1}, {flow: 2}, {flow: 4}}, flow); got != 3 {
		t.Error(got)
	}
}
