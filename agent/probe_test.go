package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/fsx"
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

// Of a large outbox the probe counts the files alone. What is ready there the worker has seen,
// and since when.
func TestProbeReadsNoLargeOutbox(t *testing.T) {
	a := notStarted(t, nil)
	b := a.setup().boxes[0]
	for i := range probeLarge + 1 {
		file := filepath.Join(b.partner.Folder, "outbox", fmt.Sprintf("INV-%d.xml", i))
		if err := errors.Join(os.WriteFile(file, []byte("<Invoice/>"), 0o600), os.Chtimes(file, noon, noon)); err != nil {
			t.Fatal(err)
		}
	}
	var p probe
	must(t, p.ask(t.Context(), b, nil, noon))
	if s, _ := p.status(noon); s.files != probeLarge+1 || s.ready != 0 {
		t.Errorf("nobody has looked: %+v", s)
	}
	began := a.now()
	must(t, p.ask(t.Context(), b, &readyBatches{17, began}, noon))
	if s, _ := p.status(noon); s.files != probeLarge+1 || s.ready != 17 || !s.oldest.Equal(began) {
		t.Errorf("the worker has looked: %+v", s)
	}
}

// A look that panics ends neither the agent nor the looks: the next one is made.
func TestProbeThatPanics(t *testing.T) {
	b := *notStarted(t, nil).setup().boxes[0]
	sound := b.folder
	b.folder = unlucky{sound}
	var p probe
	if err := p.ask(t.Context(), &b, nil, noon); err == nil || !strings.Contains(err.Error(), "probe_test.go") {
		t.Errorf("%v", err)
	}
	if s, hangs := p.status(noon); s.fault != "the look at it panicked: no luck" || !hangs.IsZero() {
		t.Errorf("%+v, hangs since %v", s, hangs)
	}
	b.folder = sound
	if err := p.ask(t.Context(), &b, nil, noon); err != nil {
		t.Error(err)
	}
	if s, _ := p.status(noon); s.fault != "" {
		t.Errorf("afterwards: %+v", s)
	}
}

type unlucky struct{ fsx.FS }

func (unlucky) Free() (uint64, error) { panic("no luck") }

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
