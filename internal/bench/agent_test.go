//go:build linux

package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/status"
)

// binary is the program as it is released.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "as2drop-bench-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir) // the next boot does it otherwise
		binary = filepath.Join(dir, "as2drop")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "../../cmd/as2drop")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// process is a running agent.
type process struct {
	t   testing.TB
	dir string // of its config
	cmd *exec.Cmd
	log *os.File
}

// startWithin is how long an agent may take to start, and endWithin to end.
const (
	startWithin = 10 * time.Minute
	endWithin   = time.Minute
)

// start starts the agent and waits until it tells its service manager that it is ready.
func start(t testing.TB, dir string) (p *process, took time.Duration) {
	t.Helper()
	socket := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	manager, err := net.ListenUnixgram("unixgram", socket)
	must(t, err)
	defer func() {
		must(t, manager.Close())
		must(t, os.Remove(socket.Name))
	}()
	log, err := os.Create(filepath.Join(dir, "agent.log"))
	must(t, err)
	p = &process{t: t, dir: dir, log: log, cmd: exec.Command(binary, "run", "-c", filepath.Join(dir, "config.yaml"))}
	p.cmd.Stderr = log
	p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket.Name)
	began := time.Now()
	must(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() }) // of a test that failed; else it has ended
	must(t, manager.SetReadDeadline(began.Add(startWithin)))
	message := make([]byte, 4096)
	for {
		n, err := manager.Read(message)
		if err != nil {
			p.fatal("it has not said that it is ready: %v", err)
		}
		if bytes.Contains(message[:n], []byte("READY=1")) {
			return p, time.Since(began)
		}
	}
}

// fatal ends the test, with the end of the agent's log.
func (p *process) fatal(format string, args ...any) {
	p.t.Helper()
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // as above
	log, err := os.ReadFile(p.log.Name())
	must(p.t, err)
	p.t.Fatalf(format+"\n%s", append(args, log[max(0, len(log)-4096):])...)
}

// stop ends the agent and checks what it leaves behind.
func (p *process) stop() {
	p.t.Helper()
	p.end()
	if out, err := exec.Command(binary, "check", "-c", filepath.Join(p.dir, "config.yaml")).CombinedOutput(); err != nil {
		p.t.Fatalf("as2drop check: %v\n%s", err, out)
	}
}

// end ends the agent, which must be without an error.
func (p *process) end() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	late := time.AfterFunc(endWithin, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) }) // its goroutines go to the log
	err := p.cmd.Wait()
	late.Stop()
	if err != nil {
		p.fatal("it ended on SIGTERM with %v", err)
	}
	must(p.t, p.log.Close())
}

// work is what the agent says that it has done.
func (p *process) work() status.Work {
	p.t.Helper()
	s, err := status.Ask(filepath.Join(p.dir, "data"), time.Minute)
	must(p.t, err)
	if s.PID != p.cmd.Process.Pid {
		p.t.Fatalf("the status is of process %d, not of %d", s.PID, p.cmd.Process.Pid)
	}
	return s.Work
}

// usage is what the kernel says that a process uses.
type usage struct {
	cpu      time.Duration // of all its threads since it began, to 10 ms
	resident float64       // MiB of memory
	most     float64       // MiB, at any time so far
	files    int           // descriptors
	watches  int           // of folders, by inotify
}

// ticks of /proc/PID/stat in a second, on every architecture that Go knows.
const ticks = 100

func (p *process) usage() (u usage) {
	p.t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	must(p.t, err)
	_, after, _ := strings.Cut(string(stat), ") ") // the name may have spaces
	fields := strings.Fields(after)
	for _, field := range fields[11:13] { // utime, stime: 14 and 15 of all
		n, err := strconv.ParseInt(field, 10, 64)
		must(p.t, err)
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	must(p.t, err)
	for line := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			u.most = kib / 1024
		} else if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			u.resident = kib / 1024
		}
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	must(p.t, err)
	u.files = len(files)
	for _, f := range files {
		info, err := os.ReadFile(filepath.Join(proc, "fdinfo", f.Name()))
		if err == nil { // it may be closed by now
			u.watches += bytes.Count(info, []byte("inotify wd:"))
		}
	}
	return u
}

// wait lets time pass, unless the test ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
