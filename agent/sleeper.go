package agent

import (
	"context"
	"sync"
	"time"
)

// sleeper does something again and again. Each time it is told how long it may wait, unless
// somebody rouses it. While it waits it has a timer and no goroutine: of a thousand partners
// nearly all wait, and a stack is 8 kB.
//
// A panic is reported, and the work goes on after a pause, as with supervise.
type sleeper struct {
	work   func(context.Context) (wait time.Duration)
	report func(panicked)

	mu      sync.Mutex
	ctx     context.Context // nil = it has not begun
	timer   *time.Timer     // rings for the next time
	awake   bool            // somebody is at work
	roused  bool            // since that began
	resting bool            // after a panic; nobody rouses it from that
	pause   time.Duration   // after the last one
	runs    sync.WaitGroup  // who is at work
}

// begin has the work done for the first time at once, and again until ctx ends.
func (s *sleeper) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
	s.start()
}

// rouse has the work done soon: now, or again where it is being done. It never blocks.
func (s *sleeper) rouse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roused = true
	if !s.resting {
		s.start()
	}
}

// ring is called when it has waited for long enough.
func (s *sleeper) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = false
	s.start()
}

// start begins to work unless somebody does. The caller holds mu.
func (s *sleeper) start() {
	if s.awake || s.ctx == nil || s.ctx.Err() != nil {
		return
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.awake = true
	s.runs.Go(func() {
		for s.once() {
		}
	})
}

// once does the work once and reports whether it is to be done again at once.
func (s *sleeper) once() (again bool) {
	s.mu.Lock()
	s.roused = false
	s.mu.Unlock()
	var wait time.Duration
	p, ok := guarded(func() { wait = s.work(s.ctx) })
	if !ok {
		s.report(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.ctx.Err() != nil
	if ok && !over && (s.roused || wait <= 0) {
		return true
	}
	if s.awake = false; over {
		return false
	}
	if s.resting = !ok; s.resting {
		s.pause = min(max(2*s.pause, restartFirst), restartMax)
		wait = s.pause
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.ring)
	} else {
		s.timer.Reset(wait)
	}
	return false
}

// end waits until nobody is at work any more. Its context is over.
func (s *sleeper) end() {
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.runs.Wait()
}
