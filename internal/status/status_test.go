package status

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// What was written last is what is read, and an agent that does not answer leaves what it
// wrote before.
func TestStatusInTheDataFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was written: %v", err)
	}
	if Asked(dir) {
		t.Error("nobody asked")
	}
	s := &Status{At: noon, Version: "test", Partners: []Partner{{Name: "acme", State: StateOK, Volume: "7"}}, Problems: []Problem{{Level: ledger.Alarm, Code: CodeSpace, Text: "full"}}}
	if err := Write(dir, s); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if folder, err := Listen(dir); err != nil || folder != filepath.Join(dir, askDir) {
			t.Fatalf("%s, %v", folder, err)
		}
	}
	got, err := Ask(dir, time.Millisecond)
	if err != nil || !got.At.Equal(noon) || got.Partners[0].Name != "acme" || !got.Alarm() {
		t.Errorf("%+v, %v", got, err)
	}
	if !Asked(dir) || Asked(dir) {
		t.Error("a question is found once")
	}
	if !got.Hangs(noon.Add(Fresh+1)) || got.Hangs(noon.Add(Fresh)) {
		t.Error("when an agent hangs")
	}
	if err := os.WriteFile(filepath.Join(dir, statusFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err == nil || !strings.HasPrefix(err.Error(), statusFile+": ") || got.Version != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNotReady(t *testing.T) {
	for text, s := range map[string]Status{
		"":                                {Partners: []Partner{{State: StateFault}, {State: StateFailing}}, Problems: []Problem{{Level: ledger.Warning, Code: CodeSpace, Text: "some room"}, {Level: ledger.Alarm, Partner: "acme", Code: CodeSpace, Text: "his"}}},
		"locked":                          {Problems: []Problem{{Level: ledger.Alarm, Code: CodeLedger, Text: "locked"}}},
		"full":                            {Problems: []Problem{{Level: ledger.Alarm, Code: CodeSpace, Text: "full"}}},
		"no partner's folder is in order": {Partners: []Partner{{State: StateFault}, {State: StateHangs}}},
	} {
		if got := s.NotReady(); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
}

// Who asks gets the status that was taken since, and not the one before.
func TestAnswer(t *testing.T) {
	dir := t.TempDir()
	if _, err := Listen(dir); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, &Status{At: noon, Version: "before"}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error)
	go func() {
		for !Asked(dir) {
			runtime.Gosched()
		}
		answered <- errors.Join(Write(dir, &Status{At: noon, Version: "still before"}), Write(dir, &Status{At: time.Now().Add(time.Hour), Version: "since"}))
	}()
	got, err := Ask(dir, time.Hour)
	if err := errors.Join(err, <-answered); err != nil || got.Version != "since" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Who asks an agent that has just begun, for the first time in its data folder, waits for its
// first look, and does not take what an earlier version wrote for it.
func TestAskedTooSoon(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, &Status{At: noon, Version: "before"}); err != nil {
		t.Fatal(err)
	}
	answered, over := make(chan error), make(chan struct{})
	go func() {
		for range 1000 {
			runtime.Gosched() // most of the time somebody has asked by now
		}
		_, err := Listen(dir)
		for err == nil && !Asked(dir) {
			select {
			case <-over:
				err = errors.New("nobody asks")
			default:
				runtime.Gosched()
			}
		}
		answered <- errors.Join(err, Write(dir, &Status{At: time.Now().Add(time.Hour), Version: "since"}))
	}()
	got, err := Ask(dir, time.Hour)
	close(over)
	if err := errors.Join(err, <-answered); err != nil || got.Version != "since" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Where nobody listens who asks sees the last status, in the end.
func TestNobodyListens(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, &Status{At: noon, Version: "last"}); err != nil {
		t.Fatal(err)
	}
	if got, err := Ask(dir, time.Millisecond); err != nil || got.Version != "last" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Listen(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder in none")
	}
}
