package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// socket listens as systemd does and gives what is told to it, one at a time.
func socket(t *testing.T, name string) (env map[string]string, next func() string) {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // only read from
	return map[string]string{"NOTIFY_SOCKET": name}, func() string {
		t.Helper()
		b := make([]byte, 4096)
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestWhatSystemdIsTold(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@as2drop-test-%d", os.Getpid())} {
		env, next := socket(t, name)
		env["WATCHDOG_USEC"], env["WATCHDOG_PID"] = "60000000", fmt.Sprint(os.Getpid())
		n, err := FromSystemd(func(k string) string { return env[k] })
		if err != nil {
			t.Fatal(err)
		}
		if n.Watchdog != time.Minute {
			t.Errorf("watchdog %v", n.Watchdog)
		}
		before, err := monotonic()
		if err != nil {
			t.Fatal(err)
		}
		tell := []func() error{func() error { return n.Ready("3 partners;\nlistening") }, n.Alive, func() error { return n.Status("busy\nREADY=0") }, n.Reloading, n.Stopping}
		var told []string
		for _, f := range tell {
			if err := f(); err != nil {
				t.Fatal(err)
			}
			told = append(told, next())
		}
		reloading := told[3]
		told[3] = ""
		if got := strings.Join(told, "|"); got != "READY=1\nSTATUS=3 partners; listening|WATCHDOG=1|STATUS=busy READY=0||STOPPING=1\nSTATUS=finishing what is under way" {
			t.Errorf("told %q", got)
		}
		var usec int64
		if _, err := fmt.Sscanf(reloading, "RELOADING=1\nMONOTONIC_USEC=%d", &usec); err != nil || usec < before {
			t.Errorf("reloading: %q, %v; the clock was at %d", reloading, err, before)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The watchdog of somebody else is none of ours, and without systemd nothing is told.
func TestNobodyToTell(t *testing.T) {
	env, _ := socket(t, filepath.Join(t.TempDir(), "notify"))
	env["WATCHDOG_USEC"], env["WATCHDOG_PID"] = "60000000", "1"
	n, err := FromSystemd(func(k string) string { return env[k] })
	if err != nil || n.Watchdog != 0 {
		t.Errorf("%v, %v", n.Watchdog, err)
	}
	n.Close() // only the environment was asked
	n, err = FromSystemd(func(string) string { return "" })
	if err != nil || n.Ready("x") != nil || n.Alive() != nil || n.Close() != nil {
		t.Errorf("without systemd: %v", err)
	}
	_, err = FromSystemd(func(k string) string { return map[string]string{"NOTIFY_SOCKET": "/nowhere/notify"}[k] })
	if err == nil || !strings.Contains(err.Error(), "NOTIFY_SOCKET /nowhere/notify") {
		t.Errorf("nobody listens: %v", err)
	}
}
