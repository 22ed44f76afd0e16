package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/service"
)

func to(place string, change ...func(*config.Log)) config.Log {
	l := config.DefaultLog(place)
	for _, c := range change {
		c(&l)
	}
	return l
}

func level(v slog.Level) func(*config.Log) { return func(l *config.Log) { l.Level = v } }

func file(path string) func(*config.Log) { return func(l *config.Log) { l.File = path } }

func asJSON(l *config.Log) { l.Format = "json" }

func open(t *testing.T, w World, list ...config.Log) *Logs {
	t.Helper()
	l, err := Open(list, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

var moment = regexp.MustCompile(`time=\S+ `)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return moment.ReplaceAllString(string(b), "")
}

// Each place gets what it wants in its own form, and a new config changes that for those
// who log already.
func TestPlaces(t *testing.T) {
	var stderr bytes.Buffer
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "as2drop.log")
	l := open(t, World{Stderr: &stderr}, to("stderr", level(slog.LevelWarn)), to("file", level(slog.LevelDebug), asJSON, file(path)))
	log := l.Logger().With("partner", "acme").WithGroup("step")
	log.Debug("looked", "files", 3)
	log.Warn("held")
	if got := moment.ReplaceAllString(stderr.String(), ""); got != "level=WARN msg=held partner=acme\n" {
		t.Errorf("%q", got)
	}
	lines := strings.Split(strings.TrimSpace(read(t, path)), "\n")
	var first struct {
		Msg, Level, Partner string
		Step                map[string]int
	}
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 2 || first.Msg != "looked" || first.Level != "DEBUG" || first.Partner != "acme" || first.Step["files"] != 3 {
		t.Errorf("%q, %v", lines, err)
	}
	// Something cannot be opened: what was there stays.
	if err := l.Take([]config.Log{to("stderr"), to("file", file(filepath.Join(path, "x")))}); err == nil || !strings.HasPrefix(err.Error(), "log[1]: ") {
		t.Error(err)
	}
	log.Info("still there")
	other := filepath.Join(dir, "other.log")
	if err := l.Take([]config.Log{to("file", file(other))}); err != nil {
		t.Fatal(err)
	}
	log.Info("sent", "files", 4)
	if got := read(t, other); got != "level=INFO msg=sent partner=acme step.files=4\n" {
		t.Errorf("%q", got)
	}
	if got := read(t, path); strings.Count(got, "\n") != 3 || !strings.Contains(got, "still there") {
		t.Error(got)
	}
	if strings.Contains(stderr.String(), "sent") {
		t.Error("standard error is no place any more")
	}
}

// Who logs while the places change loses nothing.
func TestPlacesChangeUnderWay(t *testing.T) {
	dir := t.TempDir()
	path := func(n int) string { return filepath.Join(dir, fmt.Sprint(n)) }
	l := open(t, World{Stderr: os.Stderr}, to("file", file(path(0))))
	log := l.Logger()
	const each = 500
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range each {
				log.Info("line", "w", w, "i", i)
			}
		})
	}
	for n := 1; n < 20; n++ {
		if err := errors.Join(l.Take([]config.Log{to("file", file(path(n)))}), l.Reopen()); err != nil {
			t.Error(err)
		}
	}
	writers.Wait()
	total := 0
	for n := range 20 {
		total += strings.Count(read(t, path(n)), "msg=line")
	}
	if total != 4*each {
		t.Errorf("%d lines, want %d", total, 4*each)
	}
}

// recorder is an event log in memory.
type recorder []string

func (r *recorder) add(kind, text string) error { *r = append(*r, kind+" "+text); return nil }

func (r *recorder) Info(_ uint32, text string) error    { return r.add("info", text) }
func (r *recorder) Warning(_ uint32, text string) error { return r.add("warning", text) }
func (r *recorder) Error(_ uint32, text string) error   { return r.add("error", text) }

var _ service.EventWriter = (*recorder)(nil)

// A service of Windows has warnings in the event log whatever is configured, and more where
// the config wants it.
func TestEventLogOfAService(t *testing.T) {
	var r recorder
	l := open(t, World{Stderr: os.Stderr, Events: &r}, to("file", file(filepath.Join(t.TempDir(), "log"))))
	say := func() {
		l.Logger().Info("sent")
		l.Logger().Warn("held")
	}
	say()
	if err := l.Take([]config.Log{to("eventlog")}); err != nil {
		t.Fatal(err)
	}
	say()
	if got := strings.Join(r, "; "); got != "warning held; info sent; warning held" {
		t.Error(got)
	}
}

// broken is a place that takes nothing for a while.
type broken struct {
	bytes.Buffer
	full bool
}

func (b *broken) Write(p []byte) (int, error) {
	if b.full {
		return 0, errors.New("no space left on device")
	}
	return b.Buffer.Write(p)
}

// A disk that is full costs lines: that is said once where somebody may read it, and where
// they are missing once there is room.
func TestLinesThatAreLost(t *testing.T) {
	var stderr bytes.Buffer
	var b broken
	inner := slog.NewTextHandler(&b, nil)
	log := slog.New(&careful{inner: inner, place: inner, lost: &loss{place: "/var/log/as2drop.log", stderr: &stderr}}).With("partner", "acme")
	log.Info("one")
	b.full = true
	log.Info("two")
	log.WithGroup("step").Info("three", "n", 3)
	b.full = false
	log.Info("four")
	log.Info("five")
	got := regexp.MustCompile(`(time|since)=\S+ `).ReplaceAllString(b.String(), "")
	want := `level=INFO msg=one partner=acme
level=INFO msg=four partner=acme
level=ERROR msg="lines of the log are missing" lines=2 error="no space left on device"
level=INFO msg=five partner=acme
`
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := stderr.String(); got != "as2drop: /var/log/as2drop.log takes no lines of the log: no space left on device; the agent goes on without\n" {
		t.Error(got)
	}
}

// under says for each line whether its place could have been closed just then.
type under struct {
	slog.Handler
	mu     *sync.RWMutex
	closed int
}

func (u *under) Handle(context.Context, slog.Record) error {
	if u.mu.TryLock() {
		u.closed++
		u.mu.Unlock()
	}
	return nil
}

// No place is closed while a line is written to it, whatever config is taken meanwhile.
func TestPlaceStaysWhileALineIsWritten(t *testing.T) {
	var l Logs
	u := &under{Handler: slog.DiscardHandler, mu: &l.now.mu}
	var whole slog.Handler = u
	l.now.handler = &whole
	if err := l.Logger().Handler().Handle(t.Context(), slog.Record{}); err != nil || u.closed > 0 {
		t.Errorf("it could be closed: %v", err)
	}
}
