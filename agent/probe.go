package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// probe looks at one partner's folder for the status. A folder that hangs keeps its own
// probe alone: the last answer stands, and since when there is no newer one.
type probe struct {
	mu     sync.Mutex
	asked  time.Time // since when an answer is awaited; zero = none is
	reads  bool      // the folder has answered meanwhile, and its files are being looked at
	answer folderStatus

	ready map[string]time.Time // keys of complete batches, and since when they are seen; of the asker alone
}

// folderStatus is what a probe saw.
type folderStatus struct {
	fault  string
	free   uint64
	volume string
	files  int
	ready  int
	oldest time.Time // since when the oldest complete batch is seen
}

// A look at an outbox reads every name in it, and may take its time. Of a large one what the
// worker has seen is told.
const (
	probeLarge    = 1000 // files
	probePatience = time.Minute
)

// readyBatches are complete ones that are not taken yet.
type readyBatches struct {
	n      int
	oldest time.Time // since when the first of them is seen; zero = there is none
}

// status is what is known, and since when no answer has come; zero = it has.
func (p *probe) status(now time.Time) (folderStatus, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reads && now.Sub(p.asked) < probePatience {
		return p.answer, time.Time{}
	}
	return p.answer, p.asked
}

// answered makes what the folder says of itself known before its files are looked at.
func (p *probe) answered(s folderStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.reads = s, true
}

// ask looks again, unless the last look is not over. A large outbox is not read for it: the
// names would be in memory a second time. seen is what the worker knows, nil if he never looked.
// The error is a panic: nobody else looks after who asks, and it would end the agent.
func (p *probe) ask(ctx context.Context, b *box, seen *readyBatches, now time.Time) error {
	p.mu.Lock()
	busy := !p.asked.IsZero()
	if !busy {
		p.asked = now
	}
	answer := p.answer
	p.mu.Unlock()
	if busy {
		return nil
	}
	var err error
	if caught, ok := guarded(func() { p.look(ctx, b, seen, now, &answer) }); !ok {
		answer.fault, err = "the look at it panicked: "+caught.Value, caught.error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer, p.asked, p.reads = answer, time.Time{}, false
	return err
}

func (p *probe) look(ctx context.Context, b *box, seen *readyBatches, now time.Time, s *folderStatus) {
	s.fault = ""
	err := b.fault
	if err == nil {
		err = b.look() // without patience: that there is no answer is what the status tells then
	}
	if err != nil {
		s.fault = err.Error()
		return
	}
	s.volume = volumeOf(b.folder)
	if s.free, err = b.folder.Free(); err == nil {
		s.files, err = count(filepath.Join(b.partner.Folder, "outbox"))
	}
	if err != nil {
		s.fault = err.Error()
		return
	}
	p.answered(*s)
	s.ready, s.oldest = 0, time.Time{}
	if s.files > probeLarge {
		if p.ready = nil; seen != nil {
			s.ready, s.oldest = seen.n, seen.oldest
		}
		return
	}
	if s.files == 0 {
		p.ready = nil
		return
	}
	batches, _, err := b.outbox.Look(ctx)
	if err != nil {
		s.fault = err.Error()
		return
	}
	ready := make(map[string]time.Time, len(batches))
	for _, batch := range batches {
		since, ok := p.ready[batch.Key]
		if !ok {
			since = now
		}
		ready[batch.Key] = since
		if s.oldest.IsZero() || since.Before(s.oldest) {
			s.oldest = since
		}
	}
	p.ready, s.ready = ready, len(ready)
}

// count is how many entries a folder has.
func count(dir string) (int, error) {
	f, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	n := 0
	for {
		names, err := f.Readdirnames(probeLarge)
		if n += len(names); errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
