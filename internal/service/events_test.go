package service

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// recorder is an event log in memory.
type recorder []string

func (r *recorder) add(kind string, id uint32, text string) error {
	*r = append(*r, fmt.Sprintf("%s %d %s", kind, id, strings.ReplaceAll(text, "\r\n", " | ")))
	return nil
}

func (r *recorder) Info(id uint32, text string) error    { return r.add("info", id, text) }
func (r *recorder) Warning(id uint32, text string) error { return r.add("warning", id, text) }
func (r *recorder) Error(id uint32, text string) error   { return r.add("error", id, text) }

func TestEvents(t *testing.T) {
	var r recorder
	log := slog.New(Events(&r, slog.LevelWarn)).With("partner", "acme")
	log.Info("sent", "document", "INV-1.xml")
	log.Warn("will be tried again", "reason", "connection refused", "attempts", 2)
	log.WithGroup("step").Error("held", "name", "seal", slog.Group("at", "line", 3), slog.Group("", "inline", true))
	log.Error("long\x00", "text", strings.Repeat("ä", maxEntry))
	want := []string{
		"warning 10 will be tried again | partner: acme | reason: connection refused | attempts: 2",
		"error 20 held | partner: acme | step.name: seal | step.at.line: 3 | step.inline: true",
		"error 20 long? | partner: acme | text: ä",
	}
	if len(r) != len(want) {
		t.Fatalf("%d entries: %q", len(r), []string(r))
	}
	for i := range want {
		if i < 2 && r[i] != want[i] || !strings.HasPrefix(r[i], want[i]) {
			t.Errorf("%q, want %q", r[i], want[i])
		}
	}
	if last := r[2]; len(last) > maxEntry+100 || !strings.HasSuffix(last, "ä...") {
		t.Errorf("%d bytes, ends with %q", len(last), last[len(last)-8:])
	}
}

// What the config wants beside has an entry of its own kind.
func TestEventsOfALowerLevel(t *testing.T) {
	var r recorder
	log := slog.New(Events(&r, slog.LevelInfo))
	log.Info("sent")
	log.Debug("looked")
	log.Error("failed")
	if got := strings.Join(r, "; "); got != "info 5 sent; error 20 failed" {
		t.Error(got)
	}
}

// A night of failures does not wash everybody else's entries out of the event log.
func TestTooManyEvents(t *testing.T) {
	var r recorder
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	log := slog.New(&events{level: slog.LevelWarn, out: &eventOut{writer: &r, now: func() time.Time { return now }}})
	for range entriesPerMinute + 500 {
		log.Error("failed")
	}
	if len(r) != entriesPerMinute {
		t.Errorf("%d entries in a minute", len(r))
	}
	now = now.Add(time.Minute)
	log.Error("failed again")
	if len(r) != entriesPerMinute+2 || r[entriesPerMinute] != "warning 30 500 more entries were left out; the log file, if there is one, has them" {
		t.Errorf("%d entries, then %q", len(r), []string(r[entriesPerMinute:]))
	}
	now = now.Add(-time.Hour) // the clock was put back
	log.Error("failed")
	if len(r) != entriesPerMinute+3 {
		t.Error("after the clock was put back nothing is told")
	}
}
