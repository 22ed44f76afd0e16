// Package peers runs AS2 products of others beside our own, for tests.
//
//	server := peers.StartOpenAS2(t, peers.Logs{Dir: dir, Name: "openas2"}, jars, config)
//	server.Listens(t, address)
//
// A program that is started here ends with its test, even with one that was killed. What
// the products are fetched with is in .ci/fetch.sh; where they then lie, the tests are
// told by the environment. Needs bash. The program never imports it.
package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guard runs a program, says its process number, and ends it with SIGTERM as soon as its
// own standard input ends, so that nothing outlives a test, not even one that was killed.
// It ends with the program, and like it.
const guard = `"$@" </dev/null 3>&- & p=$!; echo $p >&3; exec 3<&0; cat <&3 >/dev/null & c=$!; wait -n; kill $p $c 2>/dev/null; wait $p`

// patience is how long a program may take to listen, and to end.
const patience = 3 * time.Minute

// Logs says where the output of a program goes: to Name.log in Dir.
type Logs struct{ Dir, Name string }

// Process is a running program.
type Process struct {
	PID   int
	name  string
	stdin io.Closer
	done  chan struct{}
	err   error // of its end; valid once done is closed
	log   string
}

// Start runs a program until the test ends, or Stop. If the test fails, the end of the
// program's output is shown.
func Start(t testing.TB, logs Logs, program string, args ...string) *Process {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-c", guard, "guard", program}, args...)...)
	p := &Process{name: logs.Name, done: make(chan struct{}), log: filepath.Join(logs.Dir, logs.Name+".log")}
	if err := os.MkdirAll(logs.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	number, told, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer number.Close() // it is read once
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, []*os.File{told}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cmd.Start(), told.Close()); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = errors.Join(cmd.Wait(), out.Close())
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", p.log, p.Tail(40))
		}
	})
	line, err := bufio.NewReader(number).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: the guard does not say its process number: %v", p.name, err)
	}
	if _, err := fmt.Sscan(line, &p.PID); err != nil {
		t.Fatalf("%s: the guard says %q for its process number: %v", p.name, line, err)
	}
	return p
}

// Stop ends the program with SIGTERM and returns with what it ended. It may be repeated.
func (p *Process) Stop(t testing.TB) error {
	t.Helper()
	p.stdin.Close() // closed before at the second call
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Errorf("%s does not end on SIGTERM", p.name)
		return errors.New("still running")
	}
}

// Ended says whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Tail is the last lines of its output.
func (p *Process) Tail(lines int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Listens waits until the program listens on an address.
func (p *Process) Listens(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	there := false
	Until(ctx, func() bool {
		if c, err := net.Dial("tcp", address); err == nil {
			there = true
			c.Close() // it was only to see whether somebody is there
		}
		return there || p.Ended()
	})
	if !there {
		t.Fatalf("%s does not listen on %s", p.name, address)
	}
}

// Until asks again and again whether something has come about. It gives up with the
// context, and says whether it did come about.
func Until(ctx context.Context, come func() bool) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if come() {
			return true
		}
		select {
		case <-ctx.Done():
			return come()
		case <-tick.C:
		}
	}
}

// FreeAddress is a host:port of this machine that nobody listens on at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody has connected
	return l.Addr().String()
}

// Run executes a program to its end and returns what it printed.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
