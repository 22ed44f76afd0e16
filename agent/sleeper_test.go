package agent

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// It works at once, when it has waited, when it is roused, and again where that happened
// while it worked; after a panic it rests, whoever rouses it.
func TestSleeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		began := time.Now()
		var starts []time.Duration
		var told []string
		s := &sleeper{report: func(p panicked) { told = append(told, p.Value) }}
		s.work = func(context.Context) time.Duration {
			starts = append(starts, time.Since(began))
			switch len(starts) {
			case 2:
				s.rouse() // it did not see what came now
			case 4, 5:
				panic(fmt.Sprint("boom ", len(starts)))
			}
			return time.Minute
		}
		s.rouse() // it has not begun
		s.begin(ctx)
		<-time.After(90 * time.Second)
		s.rouse()
		synctest.Wait()
		s.rouse()
		<-time.After(500 * time.Millisecond)
		s.rouse()
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if fmt.Sprint(starts) != "[0s 1m0s 1m0s 1m30s 1m31s 1m33s 2m33s 3m33s 4m33s 5m33s]" {
			t.Errorf("started at %v", starts)
		}
		if fmt.Sprint(told) != "[boom 4 boom 5]" {
			t.Errorf("told %q", told)
		}
		stop()
		s.end()
		n := len(starts)
		s.rouse()
		<-time.After(time.Hour)
		synctest.Wait()
		if len(starts) != n {
			t.Error("it works after its end")
		}
	})
}

// Its end waits for who is at work.
func TestSleeperEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var over atomic.Bool
	entered := make(chan struct{})
	s := &sleeper{work: func(ctx context.Context) time.Duration {
		close(entered)
		<-ctx.Done()
		over.Store(true)
		return 0
	}}
	s.begin(ctx)
	<-entered
	stop()
	if s.end(); !over.Load() {
		t.Error("it has ended before its work")
	}
}

// A thousand who wait have no goroutine.
func TestSleepersHaveNoGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		before := runtime.NumGoroutine()
		var all []*sleeper
		for range 1000 {
			s := &sleeper{work: func(context.Context) time.Duration { return time.Hour }}
			s.begin(ctx)
			all = append(all, s)
		}
		synctest.Wait()
		if more := runtime.NumGoroutine() - before; more > 100 {
			t.Errorf("they have %d", more)
		}
		stop()
		for _, s := range all {
			s.end()
		}
	})
}
