package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The program as systemd starts it: it says when it is ready, that it is alive, that it
// reads its config anew, and that it ends, each once it is so.
func TestAsSystemdStartsIt(t *testing.T) {
	keys, dir := keyDir(t), t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("data_dir: data\nstations:\n  self: {as2_id: SELF, keys: [{certificate: %q, key: %q}]}\n", keys+"/self.pem", keys+"/self.key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // only read from
	next := func() []string {
		t.Helper()
		b := make([]byte, 4096)
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(b[:n]), "\n")
	}
	// until reads on to a state, and fails at any other but the heart.
	until := func(state string) []string {
		t.Helper()
		for {
			told := next()
			if slices.Contains(told, state) {
				return told
			}
			if !slices.Contains(told, "WATCHDOG=1") {
				t.Fatalf("told %q before %s", told, state)
			}
		}
	}

	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd := &exec.Cmd{Path: program, Args: []string{"as2drop", "run", "-c", file}, Stderr: &stderr}
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=500000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // it has ended, unless the test failed
	if told := until("READY=1"); len(told) != 2 || !strings.HasPrefix(told[1], "STATUS=as2drop ") || !strings.Contains(told[1], "0 partners") {
		t.Errorf("told %q", told)
	}
	until("WATCHDOG=1")
	until("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if told := until("RELOADING=1"); len(told) != 2 || !strings.HasPrefix(told[1], "MONOTONIC_USEC=") {
		t.Errorf("told %q", told)
	}
	until("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
}
