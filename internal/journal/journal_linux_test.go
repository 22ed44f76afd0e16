package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen is a journal: a socket that somebody reads.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// receive reads an entry as journald does: from the datagram, or from the sealed memory
// that came with an empty one.
func receive(t *testing.T, c *net.UnixConn) map[string]string {
	t.Helper()
	buf, oob := make([]byte, 1<<20), make([]byte, 1024)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, oobn, _, _, err := c.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	entry := buf[:n]
	if oobn > 0 {
		if n > 0 {
			t.Fatalf("%d bytes beside a file", n)
		}
		messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			t.Fatal(err)
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatal(fds, err)
		}
		seals, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GET_SEALS, 0)
		if want := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE; err != nil || seals != want {
			t.Errorf("seals %x, want %x: journald takes nothing that could change: %v", seals, want, err)
		}
		f := os.NewFile(uintptr(fds[0]), "entry")
		defer f.Close()
		if entry, err = io.ReadAll(io.NewSectionReader(f, 0, 1<<30)); err != nil {
			t.Fatal(err)
		}
	}
	return fields(t, entry)
}

// fields takes an entry apart.
func fields(t *testing.T, entry []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for len(entry) > 0 {
		end := bytes.IndexAny(entry, "=\n")
		if end < 0 {
			t.Fatalf("%q is no field", entry)
		}
		name, rest := string(entry[:end]), entry[end+1:]
		var value []byte
		if entry[end] == '=' {
			value, rest, _ = bytes.Cut(rest, []byte("\n"))
		} else {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = rest[8:8+size], rest[8+size+1:]
		}
		if _, twice := all[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		all[name], entry = string(value), rest
	}
	return all
}

func opened(t *testing.T, path string, level slog.Level) *Handler {
	t.Helper()
	h, err := Open(path, level)
	if err != nil {
		t.Fatal(err)
	}
	h.out.wait = time.Minute // a machine may be slow
	t.Cleanup(func() { h.Close() })
	return h
}

func TestEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	c := listen(t, path)
	log := slog.New(opened(t, path, slog.LevelInfo)).With("partner", "acme")
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	log.Debug("looked")
	log.Info("sent", "verdict", "accepted", "message_id", "<1@us>")
	log.Warn("two\nlines", "reason", "a\nPRIORITY=0\nb", "due", at)
	log.WithGroup("step").Error("held", "näme", "seal", slog.Group("at", "line", 3), slog.Group("", "inline", true))
	log.Error("long", "stack", strings.Repeat("x", 3_000_000))
	for i, want := range []map[string]string{
		{"MESSAGE": `sent partner=acme verdict=accepted message_id=<1@us>`, "PRIORITY": "6", "AS2DROP_PARTNER": "acme", "AS2DROP_VERDICT": "accepted", "AS2DROP_MESSAGE_ID": "<1@us>"},
		{"MESSAGE": "two\nlines partner=acme reason=\"a\\nPRIORITY=0\\nb\" due=2026-11-26T12:00:00.000Z", "PRIORITY": "4", "AS2DROP_PARTNER": "acme", "AS2DROP_REASON": "a\nPRIORITY=0\nb", "AS2DROP_DUE": "2026-11-26T12:00:00Z"},
		{"MESSAGE": "held partner=acme step.näme=seal step.at.line=3 step.inline=true", "PRIORITY": "3", "AS2DROP_PARTNER": "acme", "AS2DROP_STEP_N_ME": "seal", "AS2DROP_STEP_AT_LINE": "3", "AS2DROP_STEP_INLINE": "true"},
		{"MESSAGE": "long partner=acme stack=" + strings.Repeat("x", 3_000_000), "PRIORITY": "3", "AS2DROP_PARTNER": "acme", "AS2DROP_STACK": strings.Repeat("x", 3_000_000)},
	} {
		want["SYSLOG_IDENTIFIER"] = "as2drop"
		got := receive(t, c)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%d: %s is %.200q, want %.200q", i, name, got[name], value)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("%d: and %v", i, got)
		}
	}
}

// A journal that was started anew is found again; where there is none, that is said.
func TestAJournalThatGoesAndComes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if _, err := Open(path, slog.LevelInfo); err == nil || !strings.Contains(err.Error(), "the journal of systemd does not listen on "+path) {
		t.Fatal(err)
	}
	first := listen(t, path)
	h := opened(t, path, slog.LevelInfo)
	send := func(text string) error {
		return h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, text, 0))
	}
	if err := send("one"); err != nil || receive(t, first)["MESSAGE"] != "one" {
		t.Fatal(err)
	}
	first.Close()
	os.Remove(path)
	if err := send("two"); err == nil {
		t.Error("nobody listened, and it was sent")
	}
	second := listen(t, path)
	if err := send("three"); err != nil || receive(t, second)["MESSAGE"] != "three" {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := send("four"); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// A journal that hangs costs a line, not the agent.
func TestAJournalThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	c := listen(t, path)
	h := opened(t, path, slog.LevelInfo)
	h.out.wait = patience
	var err error
	sent := 0
	for ; err == nil && sent < 1_000_000; sent++ { // until its buffers are full
		err = h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "line", 0))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || !h.out.slow {
		t.Fatalf("after %d lines: %v", sent, err)
	}
	if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "line", 0)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	for range sent - 1 {
		receive(t, c)
	}
	err = os.ErrDeadlineExceeded
	for tries := 0; err != nil && tries < 10_000; tries++ { // a millisecond may be over before it was begun
		err = h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "again", 0))
	}
	if err != nil || h.out.slow || receive(t, c)["MESSAGE"] != "again" {
		t.Error(err)
	}
}
