package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/status"
)

// A large outbox takes long to read: the folder has answered, and nobody is told that it
// does not. One that takes for ever is told of.
func TestLongLookIsNoSilence(t *testing.T) {
	p := probe{asked: noon}
	if _, hangs := p.status(noon.Add(time.Second)); !hangs.Equal(noon) {
		t.Errorf("nothing has answered, and it hangs since %v", hangs)
	}
	p.answered(folderStatus{free: 7, files: 100_000})
	if s, hangs := p.status(noon.Add(30 * time.Second)); !hangs.IsZero() || s.files != 100_000 || s.free != 7 {
		t.Errorf("its files are being read: %+v, since %v", s, hangs)
	}
	if _, hangs := p.status(noon.Add(2 * time.Minute)); !hangs.Equal(noon) {
		t.Errorf("its files are being read for two minutes, and it hangs since %v", hangs)
	}
}

// While the worker reads a large outbox the probe only counts its files. It makes up for
// that at the next look.
func TestProbeReadsNothingBesideTheWorker(t *testing.T) {
	a := notStarted(t, nil)
	b := a.setup().boxes[0]
	for i := range probeLarge + 1 {
		if err := os.WriteFile(filepath.Join(b.partner.Folder, "outbox", fmt.Sprintf("INV-%d.xml", i)), []byte("<Invoice/>"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(b.partner.Folder, "outbox", fmt.Sprintf("INV-%d.xml", i)), noon, noon); err != nil {
			t.Fatal(err)
		}
	}
	var p probe
	for _, look := range []struct {
		reading bool
		ready   int
	}{{true, 0}, {false, probeLarge + 1}, {false, probeLarge + 1}} {
		p.ask(t.Context(), b, look.reading, noon)
		if s, _ := p.status(noon); s.files != probeLarge+1 || s.ready != look.ready {
			t.Errorf("the worker reads: %v; the probe: %+v", look.reading, s)
		}
	}
}

// Of a folder that has never answered nobody knows how much room there is.
func TestSilentFolderIsNotFull(t *testing.T) {
	a := notStarted(t, nil)
	s := &status.Status{At: noon, Free: 1 << 40, Partners: make([]status.Partner, len(a.setup().boxes))}
	for i := range s.Partners {
		s.Partners[i].Hangs = noon
	}
	conclude(s, a.setup().cfg)
	for _, p := range s.Problems {
		if p.Code == status.CodeSpace {
			t.Error(p)
		}
	}
}
