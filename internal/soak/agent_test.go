//go:build linux

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// agent is one of the two, through all its lives.
type agent struct {
	*chance
	site       *site
	binary     string
	book       *book
	counts     *tally
	failpoints []string // of the binary; nil = it has none
	lives      time.Duration
	user       *syscall.Credential // nil = ours

	cmd   *exec.Cmd
	ended chan struct{}
	armed string      // the failpoint of this life
	gone  atomic.Bool // it does not live any more
}

func (a *agent) log() string { return filepath.Join(a.site.dir, "agent.log") }

// command is our program for this agent's config.
func (a *agent) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.binary, append(args, "-c", a.site.config())...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.user}
	cmd.Dir = a.site.dir
	return cmd
}

// run calls a command of the program to its end.
func (a *agent) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := a.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// live keeps the agent alive until rest is closed. Until the faults end it kills it again
// and again.
func (a *agent) live(faults context.Context, rest <-chan struct{}) {
	// The kernel ends the agent with the thread that started it, should this process die.
	runtime.LockOSThread()
	defer a.gone.Store(true)
	for {
		if !a.start(faults.Err() == nil) {
			return
		}
		if faults.Err() == nil {
			a.suffer(faults)
			continue
		}
		select {
		case <-rest:
			a.terminate()
			return
		case <-a.ended:
			if !a.diedAsArmed() {
				return
			}
		}
	}
}

// startWithin is how long an agent may take to start.
const startWithin = time.Minute

// start starts the agent and waits until it says that it runs.
func (a *agent) start(mayArm bool) bool {
	a.armed = ""
	if mayArm && len(a.failpoints) > 0 && a.percent(25) {
		a.armed = a.failpoints[a.n(len(a.failpoints))]
	}
	log, err := os.OpenFile(a.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		a.book.object("agent %s: %v", a.site.side, err)
		return false
	}
	defer log.Close() // the agent has its own handle
	a.cmd = a.command(context.Background(), "run")
	a.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	a.cmd.Env = append(os.Environ(), "AS2DROP_FAILPOINT="+a.armed)
	a.cmd.Stderr = log
	out, err := a.cmd.StdoutPipe()
	if err == nil {
		err = a.cmd.Start()
	}
	if err != nil {
		a.book.object("agent %s: %v", a.site.side, err)
		return false
	}
	ended, running := make(chan struct{}), make(chan bool, 1)
	cmd := a.cmd
	a.ended = ended
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // what is not said is not said
		running <- strings.Contains(line, " runs;")
		_ = cmd.Wait() // ProcessState says how it ended
		close(ended)
	}()
	select {
	case ok := <-running:
		if ok {
			a.counts.add("starts")
			return true
		}
		<-ended
		if a.armed != "" && killed(cmd.ProcessState) {
			a.counts.add("killed at a failpoint during the start")
			return a.start(false)
		}
		a.book.object("agent %s did not start: %v; see the end of %s", a.site.side, cmd.ProcessState, a.log())
	case <-time.After(startWithin):
		a.book.object("agent %s has not started within %v; see %s", a.site.side, startWithin, a.log())
		_ = cmd.Process.Kill() // it may just have ended
		<-ended
	}
	return false
}

func killed(s *os.ProcessState) bool {
	w, ok := s.Sys().(syscall.WaitStatus)
	return ok && w.Signaled() && w.Signal() == syscall.SIGKILL
}

// suffer lets one life end, in one way or another.
func (a *agent) suffer(faults context.Context) {
	for {
		life := time.NewTimer(a.about(a.lives))
		select {
		case <-life.C:
		case <-faults.Done():
			life.Stop()
			a.terminate()
			return
		case <-a.ended:
			life.Stop()
			a.diedAsArmed()
			return
		}
		switch n := a.n(100); {
		case n < 55:
			a.counts.add("SIGKILL")
			_ = a.cmd.Process.Kill() // it may just have ended by a failpoint
			<-a.ended
			return
		case n < 70:
			a.counts.add("SIGTERM")
			a.terminate()
			return
		case n < 88:
			a.counts.add("SIGSTOP and SIGCONT")
			a.signal(syscall.SIGSTOP)
			pause(faults, a.about(1500*time.Millisecond))
			a.signal(syscall.SIGCONT)
		case n < 93:
			a.second()
		case n < 96:
			a.change()
		default:
			a.look()
		}
	}
}

// diedAsArmed reports whether the agent killed itself where it was told to. Any other end
// that we did not cause must not be.
func (a *agent) diedAsArmed() bool {
	if a.armed == "" || !killed(a.cmd.ProcessState) {
		a.book.object("agent %s ended by itself: %v; see %s", a.site.side, a.cmd.ProcessState, a.log())
		return false
	}
	a.counts.add("killed " + a.armed)
	return true
}

func (a *agent) signal(s syscall.Signal) {
	if err := a.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		a.book.object("agent %s: %v: %v", a.site.side, s, err)
	}
}

// endWithin is how long an agent may take to end when it is asked to: its own grace, and
// some more.
const endWithin = 45 * time.Second

// terminate asks the agent to end. It must do so in time and without an error.
func (a *agent) terminate() {
	a.signal(syscall.SIGTERM)
	select {
	case <-a.ended:
		if a.cmd.ProcessState.ExitCode() != 0 && (a.armed == "" || !killed(a.cmd.ProcessState)) {
			a.book.object("agent %s ended on SIGTERM with %v; see %s", a.site.side, a.cmd.ProcessState, a.log())
		}
	case <-time.After(endWithin):
		a.book.object("agent %s has not ended within %v of SIGTERM; its goroutines are at the end of %s", a.site.side, endWithin, a.log())
		a.signal(syscall.SIGQUIT)
		<-a.ended
	}
}

// second starts another agent on the same folder, which must refuse.
func (a *agent) second() {
	a.counts.add("second agents, refused")
	out, err := a.run("run", "--until-idle")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(out, "another as2drop runs") {
		select {
		case <-a.ended: // the first had ended by a failpoint
		default:
			a.book.object("a second agent on the folder of %s: %v: %s", a.site.side, err, out)
		}
	}
}

// change gives the running agent another config.
func (a *agent) change() {
	a.counts.add("configs changed while it runs")
	if err := a.site.write(links(), a.n(12)); err != nil {
		a.book.object("config of %s: %v", a.site.side, err)
	}
	if a.percent(50) { // otherwise it finds out itself
		a.signal(syscall.SIGHUP)
	}
}

// look does what an operator does while the agent runs.
func (a *agent) look() {
	a.counts.add("looks while it runs")
	for _, args := range [][]string{{"ls", "--all"}, {"check"}, {"backup", filepath.Join(a.site.dir, "backup")}} {
		out, err := a.run(args...)
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
			a.book.object("as2drop %s on %s: %v: %s", args[0], a.site.side, err, out)
		}
	}
}

// open lists what is still on its way; empty = the agent has come to rest.
func (a *agent) open() (string, error) {
	out, err := a.run("ls", "--json")
	if err != nil {
		return "", fmt.Errorf("as2drop ls: %w: %s", err, out)
	}
	return unsettled(out)
}
