package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logging is an agent of our own whose config says where to log.
func logging(t *testing.T, log string) (cmd *exec.Cmd, dir string) {
	t.Helper()
	keys, dir := keyDir(t), t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`data_dir: data
log: %s
stations: {self: {as2_id: SELF, keys: [{certificate: %[2]q, key: %[3]q}]}}
partners:
  acme: {as2_id: ACME, station: self, url: "https://127.0.0.1:9/as2", certificates: %[2]q, naming: {quiet: 0s}}
`, log, keys+"/self.pem", keys+"/self.key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: program, Args: []string{"as2drop", "run", "-c", file}, Stderr: os.Stderr}, dir
}

// running runs an agent until the test ends.
func running(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// soon waits until something is so.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it did not come about: %s", what)
		}
	}
}

// The journal gets each line as an entry with fields, so that journalctl finds what is
// about one partner, with the priority of its level.
func TestLogInTheJournal(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cmd, dir := logging(t, fmt.Sprintf("{to: journald, socket: %q}", socket))
	running(t, cmd)
	outbox := filepath.Join(dir, "data", "partners", "acme", "outbox")
	soon(t, outbox, func() bool { _, err := os.Stat(outbox); return err == nil })
	if err := os.WriteFile(filepath.Join(outbox, "INV-1.xml"), []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	entry := make([]byte, 1<<20)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := c.Read(entry)
		if err != nil {
			t.Fatalf("no entry about the partner came: %v", err)
		}
		text := string(entry[:n])
		if !strings.Contains(text, "AS2DROP_DOCUMENT=INV-1.xml\n") {
			continue
		}
		for _, field := range []string{"MESSAGE=will be tried again partner=acme ", "PRIORITY=4\n", "SYSLOG_IDENTIFIER=as2drop\n", "AS2DROP_PARTNER=acme\n", "\nAS2DROP_TRANSFER=", "\nAS2DROP_REASON="} {
			if !strings.Contains(text, field) {
				t.Errorf("%q is not in %q", field, text)
			}
		}
		return
	}
}

// logrotate moves the log away and sends SIGHUP: what is logged from then on is in a new
// file, and nothing is lost.
func TestLogrotate(t *testing.T) {
	cmd, dir := logging(t, "{to: file, file: as2drop.log, format: json, rotate_size: off}")
	log := filepath.Join(dir, "as2drop.log")
	running(t, cmd)
	has := func(file, text string) func() bool {
		return func() bool {
			b, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(b), text)
		}
	}
	outbox := filepath.Join(dir, "data", "partners", "acme", "outbox")
	soon(t, outbox, func() bool { _, err := os.Stat(outbox); return err == nil })
	if err := os.WriteFile(filepath.Join(outbox, "INV-1.xml"), []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "a line about INV-1.xml", has(log, "INV-1.xml"))
	if err := os.Rename(log, log+"-old"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	soon(t, "the log was begun anew", has(log, "the config was read again; nothing has changed"))
	if !has(log+"-old", "INV-1.xml")() {
		t.Error("what was logged before is not in the file that was moved away")
	}
}

// A log that cannot be written costs lines and nothing else: the agent works and ends as
// if nothing was.
func TestLogOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmd, dir := logging(t, "{to: stderr, level: debug}")
	cmd.Stderr = full
	running(t, cmd)
	folder := filepath.Join(dir, "data", "partners", "acme")
	soon(t, folder, func() bool { _, err := os.Stat(filepath.Join(folder, "outbox")); return err == nil })
	if err := os.WriteFile(filepath.Join(folder, "outbox", "INV-1.xml"), []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, "INV-1.xml is taken", func() bool {
		found, err := filepath.Glob(filepath.Join(folder, ".work", "*", "message"))
		return err == nil && len(found) == 1
	})
}
