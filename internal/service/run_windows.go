package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// Run is the life of a service that the service manager has started: it calls work, tells
// the manager how it goes, and ends ctx when it is asked to. An error of work, or its
// panic, is in the event log and makes the service fail with code.
func Run(name string, work func(ctx context.Context, h *Host) error, code func(error) int) error {
	log, err := eventlog.Open(name)
	if err != nil {
		return fmt.Errorf("event log: source %s: %w", name, err)
	}
	defer log.Close() // every entry is written at once
	err = svc.Run(name, &handler{work: work, code: code, events: log})
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return fmt.Errorf("the service manager has not started this; from a command line use as2drop run, or: as2drop service start %s", name)
	}
	return err
}

// Host is the service manager as the program sees it.
type Host struct {
	Events EventWriter
	// Reload is told when the service manager says that the config has changed:
	// sc control NAME paramchange
	Reload <-chan struct{}

	once  sync.Once
	ready chan string
}

// Ready tells that the program works. Later calls say that the config was read anew.
func (h *Host) Ready(text string) {
	first := false
	h.once.Do(func() { first = true; h.ready <- text })
	if !first {
		_ = h.Events.Info(EventReloaded, "the config was read again; where it was not taken, an entry before this one says why") // the log file has it too
	}
}

// handler answers the service manager.
type handler struct {
	work   func(context.Context, *Host) error
	code   func(error) int
	events EventWriter
}

const (
	accepts = svc.AcceptStop | svc.AcceptPreShutdown | svc.AcceptParamChange
	// pendingHint is how long the manager waits for the next sign of life while the
	// service starts or ends; it gets one every pendingTick.
	pendingHint = 20 * time.Second
	pendingTick = 2 * time.Second
)

// Execute is called by the service manager.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, exit uint32) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	reload := make(chan struct{}, 1)
	host := &Host{Events: h.events, Reload: reload, ready: make(chan string, 1)}
	ended := make(chan error, 1)
	now := svc.Status{State: svc.StartPending, WaitHint: uint32(pendingHint.Milliseconds())}
	status <- now
	go func() { ended <- guarded(ctx, host, h.work) }()
	tick := time.NewTicker(pendingTick)
	defer tick.Stop()
	for {
		select {
		case text := <-host.ready:
			if now.State == svc.StartPending {
				now = svc.Status{State: svc.Running, Accepts: accepts}
				status <- now
				_ = h.events.Info(EventStarted, text) // the log file has it too; so below
			}
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.PreShutdown, svc.Shutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: uint32(pendingHint.Milliseconds())}
				status <- now
				stop()
			case svc.ParamChange:
				select {
				case reload <- struct{}{}:
				default: // it will be read anew anyway
				}
			}
		case <-tick.C:
			if now.State != svc.Running {
				now.CheckPoint++
				status <- now
			}
		case err := <-ended:
			if err != nil {
				_ = h.events.Error(EventFailed, err.Error())
				return true, uint32(h.code(err))
			}
			_ = h.events.Info(EventStopped, "the agent has ended as it was asked to")
			return false, 0
		}
	}
}

// guarded makes an error of a panic, so that the event log has it.
func guarded(ctx context.Context, host *Host, work func(context.Context, *Host) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the agent panicked: %v", v)
		}
	}()
	return work(ctx, host)
}
