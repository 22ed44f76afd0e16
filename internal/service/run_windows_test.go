package service

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/windows/svc"
)

// scene is a service with somebody in the place of the service manager.
type scene struct {
	requests chan svc.ChangeRequest
	status   chan svc.Status
	log      recorder
	exit     chan [2]uint32
}

func begin(work func(context.Context, *Host) error) *scene {
	s := &scene{requests: make(chan svc.ChangeRequest), status: make(chan svc.Status, 100), exit: make(chan [2]uint32, 1)}
	h := &handler{work: work, code: func(error) int { return 2 }, events: &s.log}
	go func() {
		specific, code := h.Execute(nil, s.requests, s.status)
		exit := [2]uint32{0, code}
		if specific {
			exit[0] = 1
		}
		s.exit <- exit
	}()
	return s
}

func (s *scene) want(t *testing.T, state svc.State) svc.Status {
	t.Helper()
	if got := <-s.status; got.State == state {
		return got
	} else {
		t.Fatalf("state %d, want %d", got.State, state)
		return got
	}
}

// A service starts, is asked how it is, reads its config anew, ends when it is asked to
// and finishes before it says so.
func TestLifeOfAService(t *testing.T) {
	finish, reloaded := make(chan bool), make(chan bool)
	s := begin(func(ctx context.Context, h *Host) error {
		h.Ready("as2drop runs")
		<-h.Reload
		h.Ready("as2drop runs again")
		reloaded <- true
		<-ctx.Done()
		<-finish
		return nil
	})
	s.want(t, svc.StartPending)
	if got := s.want(t, svc.Running); got.Accepts != accepts {
		t.Errorf("accepts %b", got.Accepts)
	}
	s.requests <- svc.ChangeRequest{Cmd: svc.Interrogate}
	s.want(t, svc.Running)
	s.requests <- svc.ChangeRequest{Cmd: svc.ParamChange}
	<-reloaded
	s.requests <- svc.ChangeRequest{Cmd: svc.Stop}
	s.want(t, svc.StopPending)
	// While it finishes the manager sees that it is not stuck.
	if first, second := s.want(t, svc.StopPending), s.want(t, svc.StopPending); second.CheckPoint <= first.CheckPoint || second.WaitHint == 0 {
		t.Errorf("no progress: %+v, then %+v", first, second)
	}
	select {
	case <-s.exit:
		t.Fatal("it says that it has ended, and has not")
	default:
	}
	close(finish)
	if exit := <-s.exit; exit != [2]uint32{0, 0} {
		t.Errorf("exit %v", exit)
	}
	if got := strings.Join(s.log, "; "); got != "info 1 as2drop runs; info 3 the config was read again; where it was not taken, an entry before this one says why; info 2 the agent has ended as it was asked to" {
		t.Errorf("event log: %s", got)
	}
}

// What goes wrong is in the event log, and the manager learns of it, so that recovery begins.
func TestServiceThatFails(t *testing.T) {
	for want, work := range map[string]func(context.Context, *Host) error{
		"error 21 config.yaml:3: no such station": func(context.Context, *Host) error { return errors.New("config.yaml:3: no such station") },
		"error 21 the agent panicked: boom":       func(context.Context, *Host) error { panic("boom") },
	} {
		s := begin(work)
		if exit := <-s.exit; exit != [2]uint32{1, 2} {
			t.Errorf("%s: exit %v", want, exit)
		}
		if got := strings.Join(s.log, "; "); got != want {
			t.Errorf("event log: %s, want %s", got, want)
		}
	}
}

// Asked to end while it starts, it ends.
func TestStopWhileStarting(t *testing.T) {
	s := begin(func(ctx context.Context, h *Host) error { <-ctx.Done(); h.Ready("too late"); return nil })
	s.want(t, svc.StartPending)
	s.requests <- svc.ChangeRequest{Cmd: svc.Stop}
	s.want(t, svc.StopPending)
	<-s.exit
	if got := strings.Join(s.log, "; "); strings.Contains(got, "too late") {
		t.Errorf("event log: %s", got)
	}
}

func TestRunFromACommandLine(t *testing.T) {
	err := Run("as2drop-test", func(context.Context, *Host) error { return nil }, func(error) int { return 1 })
	if err == nil || !strings.Contains(err.Error(), "as2drop run") {
		t.Errorf("%v", err)
	}
}
