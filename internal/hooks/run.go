package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// Hook is one of the config: a program or a service.
type Hook struct {
	Name    string
	Command []string // the program by its absolute path, and its arguments
	URL     string   // in place of a program
	Client  *http.Client
	Header  http.Header // of requests, credentials among them
	Timeout time.Duration
	// Attempts is how often a hook that runs afterwards is tried in all.
	Attempts int
}

// What is what the hook runs, for people. It has no secrets.
func (h *Hook) What() string {
	if h.URL != "" {
		return h.URL
	}
	return fmt.Sprintf("%q", h.Command)
}

// Runner runs hooks.
type Runner struct {
	Dir     string                   // programs are started in
	Environ func(name string) string // what is inherited; nil = nothing
	Agent   string                   // User-Agent of requests
	// Drain is how long a hook may go on when the agent is to stop.
	Drain time.Duration
}

// Failure is the failure of a hook itself: it could not be started, took too long, or did
// not succeed.
type Failure struct{ Fact string }

func (f *Failure) Error() string { return f.Fact }

func failed(format string, args ...any) error { return &Failure{fmt.Sprintf(format, args...)} }

// ErrStopped means that the agent is to stop and the hook did not end in time: it was
// killed, or never begun, and counts as not run.
var ErrStopped = errors.New("the agent stops, and the hook was not run to its end")

var errTimeLimit = errors.New("time limit")

// Run runs a hook once and returns what it printed or answered. An error is a *Failure, or
// ErrStopped. When ctx ends the hook has the rest of its time to end, at most Drain.
func (r *Runner) Run(ctx context.Context, h *Hook, in Input) (out []byte, err error) {
	if ctx.Err() != nil {
		return nil, ErrStopped
	}
	in.Hook = h.Name
	body, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return nil, err
	}
	answer, err := r.run(ctx, h, environment(&in, r.inherited), append(body, '\n'))
	if err == nil && answer.over && in.Kind == ledger.HookBeforeSend {
		return nil, failed("what it says is longer than %d bytes", MaxAnswer)
	}
	return answer.kept, err
}

// Tell tells a program or a service a document that is none about a transfer, with the same
// limits. more are further variables of the program's environment, of one line each.
func (r *Runner) Tell(ctx context.Context, h *Hook, body []byte, more map[string]string) error {
	if ctx.Err() != nil {
		return ErrStopped
	}
	env := found(r.inherited)
	for name, value := range more {
		env = append(env, name+"="+oneLine(value))
	}
	_, err := r.run(ctx, h, env, body)
	return err
}

func (r *Runner) inherited(name string) string {
	if r.Environ == nil {
		return ""
	}
	return r.Environ(name)
}

// run runs a hook once and returns the beginning of what it said.
func (r *Runner) run(ctx context.Context, h *Hook, env []string, body []byte) (answer head, err error) {
	limited, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.Timeout, errTimeLimit)
	defer cancel()
	limited, stop := context.WithCancelCause(limited)
	defer stop(nil)
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(r.Drain, func() { stop(ErrStopped) })
		context.AfterFunc(limited, func() { t.Stop() })
	})()
	if h.URL != "" {
		err = r.call(limited, h, body, &answer)
	} else {
		err = r.program(limited, h, env, body, &answer)
	}
	switch cause := context.Cause(limited); {
	case err == nil:
		return answer, nil
	case errors.Is(cause, ErrStopped):
		return head{}, ErrStopped
	case errors.Is(cause, errTimeLimit):
		return head{}, failed("it had not ended after %v, its time limit%s", h.Timeout, said(err))
	}
	return head{}, err
}

// said is what a hook said that was killed.
func said(err error) string {
	var f *Failure
	if errors.As(err, &f) && f.Fact != "" {
		return "; " + f.Fact
	}
	return ""
}
