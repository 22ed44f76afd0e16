package hooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What a hook before sending may want.
const (
	ActionSend   = "send"
	ActionRefuse = "refuse"
	ActionChange = "change"
)

// Answer is what a hook before sending says.
type Answer struct {
	Action string   `json:"action"`
	Reason string   `json:"reason,omitempty"` // of refuse, in one line
	Files  []string `json:"files,omitempty"`  // of change: names of what was written to Out
}

// maxFiles bounds how many files a hook may change or add.
const maxFiles = 1000

// ParseAnswer reads what a hook before sending said. Nothing means that the batch is to be
// sent as it is. Anything that is not understood is an error: a batch is not sent because
// of a misspelt word.
func ParseAnswer(out []byte) (a Answer, err error) {
	out = bytes.TrimSpace(bytes.TrimPrefix(out, []byte("\xef\xbb\xbf")))
	if len(out) == 0 {
		return Answer{Action: ActionSend}, nil
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("its answer is not understood: %s: it begins with %q", shortLine(err.Error()), begin(out))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, fmt.Errorf("its answer is not understood: there is something behind it; it begins with %q", begin(out))
	}
	a.Reason = shortLine(a.Reason)
	switch {
	case a.Action == ActionSend && a.Reason == "" && len(a.Files) == 0:
	case a.Action == ActionRefuse && a.Reason == "":
		err = errors.New("it refuses without a reason")
	case a.Action == ActionRefuse && len(a.Files) == 0:
	case a.Action == ActionChange && len(a.Files) == 0:
		err = errors.New("it wants to change something and names no files")
	case a.Action == ActionChange && len(a.Files) > maxFiles:
		err = fmt.Errorf("it names %d files, more than %d", len(a.Files), maxFiles)
	case a.Action == ActionChange && a.Reason == "":
	case a.Action == ActionSend, a.Action == ActionRefuse, a.Action == ActionChange:
		err = fmt.Errorf("its answer is not understood: reason goes with refuse, files with change, and the action is %q", a.Action)
	default:
		err = fmt.Errorf("its answer is not understood: action is send, refuse or change, and not %q", begin([]byte(a.Action)))
	}
	if err != nil {
		return Answer{}, err
	}
	return a, nil
}

// begin is the beginning of what a hook printed, for an error.
func begin(out []byte) string { return string(out[:min(len(out), 60)]) }
