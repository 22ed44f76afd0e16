package status

import (
	"slices"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// Status is how a running agent is, as it sees itself.
type Status struct {
	At        time.Time `json:"at"`
	Started   time.Time `json:"started"`
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	Listening []string  `json:"listening"`
	Config    string    `json:"config"`
	Taken     time.Time `json:"taken"`             // when the config was taken
	Refused   string    `json:"refused,omitempty"` // why a newer one was not
	Ledger    string    `json:"ledger,omitempty"`  // why it does not take anything
	Console   string    `json:"console,omitempty"` // why it is not open
	Free      uint64    `json:"free"`              // bytes on the volume of the ledger
	Work      Work      `json:"work"`              // since it started
	Partners  []Partner `json:"partners"`
	Untold    []Untold  `json:"untold,omitempty"`
	Problems  []Problem `json:"problems"`

	ConsoleClosed time.Time `json:"console_closed,omitzero"` // since when
}

// Partner is how one partner is.
type Partner struct {
	Name         string          `json:"name"`
	State        string          `json:"state"` // ok, out of order, does not answer, paused, failing, behind, held
	Since        time.Time       `json:"since,omitzero"`
	Files        int             `json:"files"` // in the outbox
	Ready        int             `json:"ready"` // complete batches among them that are not taken yet
	OldestReady  time.Time       `json:"oldest_ready,omitzero"`
	Open         int             `json:"open"` // transfers without verdict
	Held         int             `json:"held"`
	Oldest       time.Time       `json:"oldest,omitzero"` // of the open ones
	LastFiled    time.Time       `json:"last_filed,omitzero"`
	LastSent     time.Time       `json:"last_sent,omitzero"` // the last one of those that succeeded
	LastReceived time.Time       `json:"last_received,omitzero"`
	Restarts     int             `json:"restarts,omitempty"` // of its workers, since the agent started
	Restarted    time.Time       `json:"restarted,omitzero"`
	Free         uint64          `json:"free"`             // bytes on its volume
	Polled       string          `json:"polled,omitempty"` // why file events of its outbox are not used
	Fault        string          `json:"fault,omitempty"`
	Hangs        time.Time       `json:"hangs,omitzero"`         // since when its folder does not answer
	Hooks        int             `json:"hooks,omitempty"`        // owed ones
	HookFails    string          `json:"hook_fails,omitempty"`   // why one of them failed last
	HookFailsAt  time.Time       `json:"hook_fails_at,omitzero"` // since when that one is owed
	Trouble      *ledger.Trouble `json:"trouble,omitempty"`
	Pause        *ledger.Pause   `json:"pause,omitempty"`
	Silent       []Silence       `json:"silent,omitempty"`

	Volume string `json:"-"` // that its folder is on; empty = not known
}

// Silence is that nothing was sent to a partner, or received from him, for longer than is
// normal.
type Silence struct {
	What     string    `json:"what"` // sent or received
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`      // in words
	Expected bool      `json:"expected"` // by the config; else it is only unusual
}

// Untold is a receiver whom alarms do not reach, or not all who stand behind it.
type Untold struct {
	Receiver string    `json:"receiver"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Hint     string    `json:"hint,omitempty"`
}

// Problem is something that somebody has to know of.
type Problem struct {
	Level   ledger.Level `json:"level"` // warning or alarm
	Partner string       `json:"partner,omitempty"`
	Code    string       `json:"code"`
	Since   time.Time    `json:"since,omitzero"`
	Subject string       `json:"subject,omitempty"` // tells apart what is wrong in the same way
	Text    string       `json:"text"`
	Hint    string       `json:"hint,omitempty"`
}

// Fresh is how long ago a status may have been written by an agent that is well.
const Fresh = 2 * time.Minute

// Hangs reports whether the agent that wrote the status has not written it for too long.
func (s *Status) Hangs(now time.Time) bool { return now.Sub(s.At) > Fresh }

// Alarm reports whether one of the problems is an alarm.
func (s *Status) Alarm() bool {
	return slices.ContainsFunc(s.Problems, func(p Problem) bool { return p.Level == ledger.Alarm })
}

// String is a problem in one line.
func (p Problem) String() string {
	text := string(p.Level) + ": "
	if p.Partner != "" {
		text += p.Partner + ": "
	}
	text += p.Text
	if !p.Since.IsZero() {
		text += ", since " + p.Since.UTC().Format(time.DateTime+" UTC")
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}

// NotReady says why the agent as a whole can do nothing for anybody; empty = it can. One
// partner that is out of order does not count: the others go on.
func (s *Status) NotReady() string {
	for _, p := range s.Problems {
		if p.Partner == "" && (p.Code == CodeLedger || p.Code == CodeSpace && p.Level == ledger.Alarm) {
			return p.Text
		}
	}
	out := 0
	for _, p := range s.Partners {
		if p.State == StateFault || p.State == StateHangs {
			out++
		}
	}
	if out > 0 && out == len(s.Partners) {
		return "no partner's folder is in order"
	}
	return ""
}

// States of a partner, the worst first.
const (
	StateHangs   = "does not answer"
	StateFault   = "out of order"
	StatePaused  = "paused"
	StateFailing = "failing"
	StateBehind  = "behind"
	StateHeld    = "held"
	StateOK      = "ok"
)

// Codes of problems.
const (
	CodeLedger  = "ledger"
	CodeSpace   = "space"
	CodeConfig  = "config-refused"
	CodeConsole = "console-closed"
	CodeFolder  = "folder"
	CodeHangs   = "hangs"
	CodePaused  = "partner-paused"
	CodeFailing = "partner-failing"
	CodeBehind  = "behind"
	CodeHeld    = "held-transfers"
	CodeHooks   = "hooks-failing"
	CodeRestart = "worker-restarted"
	CodeExpiry  = "certificate-expires"
	CodeUntold  = "alarm-untold"     // its subject is the receiver
	CodeNoSent  = "nothing-sent"     // for longer than is normal
	CodeNoGot   = "nothing-received" // the same
)

// Work is what an agent has done since it started: for those who ask whether it does more
// than it should.
type Work struct {
	Looks   int64 `json:"looks"`   // at outboxes
	Listed  int64 `json:"listed"`  // entries that those looks found
	Updates int64 `json:"updates"` // of the ledger
	Commits int64 `json:"commits"` // that the updates took, each with a sync
	Rows    int64 `json:"rows"`    // read from the ledger
}
