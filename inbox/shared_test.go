package inbox

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Whoever asks for a sync gets one that began after he asked, and those who ask while one
// is under way share it, also its error.
func TestSharedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedSync()
		release := make(chan error)
		var begun atomic.Int64
		ask := func(results chan<- error) {
			before := begun.Load()
			go func() {
				err := s.do(func() error { begun.Add(1); return <-release })
				if begun.Load() == before {
					t.Error("it waited for a sync that had begun before")
				}
				results <- err
			}()
			synctest.Wait()
		}
		first, rest := make(chan error, 1), make(chan error, 3)
		ask(first)
		for range cap(rest) {
			ask(rest)
		}
		if n := begun.Load(); n != 1 {
			t.Fatalf("%d syncs at once", n)
		}
		release <- nil
		synctest.Wait()
		if n := begun.Load(); n != 2 || len(first) != 1 || len(rest) != 0 {
			t.Fatalf("%d syncs have begun, %d and %d have an answer", n, len(first), len(rest))
		}
		full := errors.New("no space left")
		release <- full
		synctest.Wait()
		for range cap(rest) {
			if err := <-rest; err != full {
				t.Error(err)
			}
		}
		if err := <-first; err != nil || begun.Load() != 2 {
			t.Errorf("%v, %d syncs", err, begun.Load())
		}
	})
}
