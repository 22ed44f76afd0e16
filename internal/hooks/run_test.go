package hooks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

func TestProgramIsToldEverything(t *testing.T) {
	in := sample()
	out, err := runner(t).Run(t.Context(), self(t, "echo"), in)
	if err != nil {
		t.Fatal(err)
	}
	in.Hook = "self"
	if got := told(t, out); !reflect.DeepEqual(got, in) || got.Version != 1 || got.Out != filepath.FromSlash("/data/acme/.work/t1/hook.part/p-0") {
		t.Errorf("told %+v, want %+v", got, in)
	}
}

// The environment has what programs need to find their things, the short part of the
// input, and nothing else of the agent's.
func TestEnvironment(t *testing.T) {
	in := sample()
	in.MessageID = "<a\x00b\nAS2DROP_PARTNER=evil\x1b@x>"
	r := runner(t)
	r.Environ = func(name string) string {
		return map[string]string{"PATH": "/bin", "SystemRoot": os.Getenv("SystemRoot"), "AS2DROP_PASSPHRASE": "secret"}[name]
	}
	out, err := r.Run(t.Context(), self(t, "environment"), in)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(out), " ", "_"))
	slices.Sort(lines)
	lines = slices.DeleteFunc(lines, func(l string) bool { return runtime.GOOS == "windows" && !strings.HasPrefix(l, "AS2DROP") })
	want := []string{"AS2DROP_FOLDER=" + filepath.FromSlash("/data/acme/.work/t1"), "AS2DROP_HOOK=before_send", "AS2DROP_HOOK_NAME=self", "AS2DROP_ID=t1", "AS2DROP_KEY=INV-1",
		"AS2DROP_MESSAGE_ID=<a_b_AS2DROP_PARTNER=evil_@x>", "AS2DROP_OUT=" + filepath.FromSlash("/data/acme/.work/t1/hook.part/p-0"), "AS2DROP_PARTNER=acme", "AS2DROP_STATION=us"}
	if runtime.GOOS != "windows" {
		want = append(want, "PATH=/bin")
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%q\nwant\n%q", lines, want)
	}
}

// What a program fails with is told: how it ended, and the last line that it complained
// with, in one line without what would move a terminal.
func TestFailures(t *testing.T) {
	gone := &Hook{Name: "gone", Command: []string{filepath.Join(t.TempDir(), "gone")}, Timeout: time.Minute}
	for name, c := range map[string]struct {
		hook *Hook
		want string
	}{
		"with words":    {self(t, "fail"), "exit status 3; the last line of its standard error: the ERP is  [31mclosed"},
		"without words": {self(t, "silent"), "exit status 1, and it wrote nothing to its standard error"},
		"not there":     {gone, "it could not be started: "},
		"too long":      {self(t, "shout"), "what it says is longer than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runner(t).Run(t.Context(), c.hook, sample())
			var f *Failure
			if !errors.As(err, &f) || !strings.HasPrefix(f.Fact, c.want) || out != nil {
				t.Errorf("%v, %d bytes", err, len(out))
			}
		})
	}
	// Nobody reads what hooks print that run afterwards.
	in := sample()
	in.Kind = ledger.HookAfterSent
	if _, err := runner(t).Run(t.Context(), self(t, "shout"), in); err != nil {
		t.Error(err)
	}
}

// A program that has not ended in time has failed.
func TestTimeLimit(t *testing.T) {
	hook := self(t, "hang")
	hook.Timeout = 20 * time.Millisecond
	_, err := runner(t).Run(t.Context(), hook, sample())
	var f *Failure
	if !errors.As(err, &f) || !strings.HasPrefix(f.Fact, "it had not ended after 20ms, its time limit") {
		t.Error(err)
	}
}

// What a program leaves running does not keep the agent, and is ended.
func TestLeftBehind(t *testing.T) {
	address, over := family(t, func() {})
	out, err := runner(t).Run(t.Context(), self(t, "leave", address), sample())
	if err != nil || string(out) != "left" {
		t.Errorf("%q, %v", out, err)
	}
	ended(t, over)
}

// When the agent is to stop, a hook may end in its own time, up to a limit. One that does
// not is killed with what it started, and was not run.
func TestStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	address, over := family(t, stop)
	r := runner(t)
	r.Drain = 10 * time.Millisecond
	if _, err := r.Run(ctx, self(t, "hang", address), sample()); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	ended(t, over)
	if _, err := r.Run(ctx, self(t, "echo"), sample()); !errors.Is(err, ErrStopped) {
		t.Errorf("one that begins afterwards: %v", err)
	}
}

// One that ends within the time was run.
func TestStopInTime(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	address, over := family(t, stop)
	out, err := runner(t).Run(ctx, self(t, "leave", address), sample())
	if err != nil || string(out) != "left" {
		t.Errorf("%q, %v", out, err)
	}
	ended(t, over)
}

// What a program said that was killed is told.
func TestLastWords(t *testing.T) {
	ctx, kill := context.WithCancel(t.Context())
	address, _ := family(t, kill)
	in, r := sample(), runner(t)
	var f *Failure
	if err := r.program(ctx, self(t, "hang", address), environment(&in, r.inherited), nil, &head{}); !errors.As(err, &f) || f.Fact != "its last words: I wait" {
		t.Error(err)
	}
}

func TestAnswers(t *testing.T) {
	for out, want := range map[string]Answer{
		"":                                       {Action: ActionSend},
		" \r\n":                                  {Action: ActionSend},
		"\xef\xbb\xbf{\"action\": \"send\"}\r\n": {Action: ActionSend},
		`{"action": "refuse", "reason": "no\n\"good\"\u001b"}`: {Action: ActionRefuse, Reason: `no "good"`},
		`{"action": "change", "files": ["a", "b"]}`:            {Action: ActionChange, Files: []string{"a", "b"}},
	} {
		if got, err := ParseAnswer([]byte(out)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", out, got, err)
		}
	}
	many := `{"action": "change", "files": ["a"` + strings.Repeat(`, "a"`, maxFiles) + `]}`
	for out, want := range map[string]string{
		"ok":                                      "is not understood",
		"{}":                                      "action is send, refuse or change",
		`{"action": "sent"}`:                      `and not "sent"`,
		`{"action": "refuse"}`:                    "without a reason",
		`{"action": "refuse", "reason": "\t"}`:    "without a reason",
		`{"action": "change"}`:                    "names no files",
		`{"action": "change", "file": ["a"]}`:     "is not understood",
		`{"action": "send", "files": ["a"]}`:      "files with change",
		`{"action": "send", "reason": "because"}`: "reason goes with refuse",
		`{"action": "refuse", "reason": "x", "files": ["a"]}`: "files with change",
		`{"action": "send"} {"action": "refuse"}`:             "something behind it",
		`["send"]`: "is not understood",
		many:       "more than 1000",
	} {
		if got, err := ParseAnswer([]byte(out)); err == nil || !strings.Contains(err.Error(), want) || !reflect.DeepEqual(got, Answer{}) {
			t.Errorf("%q: %+v, %v", out, got, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	for _, seed := range []string{"", `{"action": "send"}`, `{"action": "refuse", "reason": "x"}`, `{"action": "change", "files": ["a"]}`, "{", "\xef\xbb\xbf"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		a, err := ParseAnswer(out)
		if err != nil && !reflect.DeepEqual(a, Answer{}) {
			t.Errorf("%v and %+v", err, a)
		}
		if err == nil && (a.Action == ActionRefuse) != (a.Reason != "") || len(a.Files) > maxFiles {
			t.Errorf("%+v", a)
		}
	})
}
