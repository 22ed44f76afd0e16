//go:build interop

package interop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is the top of the repository; tests run in the folder of their package.
const root = "../.."

// logs is where the output of agent and peers goes.
const logs = root + "/.cache/interop/logs"

// guard runs a program and ends it with SIGTERM as soon as its own standard input ends,
// so that nothing outlives a test, not even one that was killed. It ends with the
// program, and like it.
const guard = `"$@" </dev/null & p=$!; exec 3<&0; cat <&3 >/dev/null & c=$!; wait -n; kill $p $c 2>/dev/null; wait $p`

// process is a running program.
type process struct {
	name  string
	stdin io.Closer
	done  chan struct{}
	err   error // of its end; valid once done is closed
	log   string
}

// startGuarded runs a program under guard, with its output in a log of that name.
func startGuarded(t *testing.T, name, program string, args ...string) *process {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-c", guard, "guard", program}, args...)...)
	p := &process{name: name, done: make(chan struct{}), log: filepath.Join(logs, name+".log")}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = errors.Join(cmd.Wait(), out.Close())
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("the last lines of %s:\n%s", p.log, p.tail(40))
		}
	})
	return p
}

// stop ends the program with SIGTERM and waits for that. It may be repeated.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.stdin.Close() // closed before at the second call
	select {
	case <-p.done:
	case <-time.After(2 * time.Minute):
		t.Errorf("%s does not end on SIGTERM", p.name)
	}
}

func (p *process) tail(n int) string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// until asks again and again whether something has come about. It gives up with the
// context, and says whether it did come about.
func until(ctx context.Context, come func() bool) bool {
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

// listens waits until the program listens on an address.
func (p *process) listens(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	there := false
	until(ctx, func() bool {
		if c, err := net.Dial("tcp", address); err == nil {
			there = true
			c.Close() // it was only to see whether somebody is there
		}
		select {
		case <-p.done:
			return true
		default:
			return there
		}
	})
	if !there {
		t.Fatalf("%s does not listen on %s", p.name, address)
	}
}

// freePort is a port that nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody has connected
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// run executes a program to its end and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write makes a file with its folders.
func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// drop puts a finished file into a watched folder: with one rename.
func drop(t *testing.T, path string, content []byte) {
	t.Helper()
	part := filepath.Join(filepath.Dir(path), ".drop-"+filepath.Base(path))
	write(t, part, content)
	if err := os.Rename(part, path); err != nil {
		t.Fatal(err)
	}
}

// absolute is a path of the repository that other programs find too.
func absolute(t *testing.T, path string) string {
	t.Helper()
	a, err := filepath.Abs(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return a
}
