package pipeline

import "sync"

// Beside calls functions at the same time, the first one here, and returns when all have
// ended. If any of them panics it panics then, with the text of the first such panic and
// where it was.
func Beside(fs ...func()) {
	if len(fs) == 0 {
		return
	}
	var all sync.WaitGroup
	var once sync.Once
	var panicked error
	guarded := func(f func()) {
		if err := Guarded(func() error { f(); return nil }); err != nil {
			once.Do(func() { panicked = err })
		}
	}
	for _, f := range fs[1:] {
		all.Go(func() { guarded(f) })
	}
	guarded(fs[0])
	all.Wait()
	Again(panicked)
}
