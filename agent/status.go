package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// Status is how a running agent is, as it sees itself. It stands in the data folder for
// as2drop status, and is behind /healthz and /readyz.
type Status struct {
	At        time.Time       `json:"at"`
	Started   time.Time       `json:"started"`
	PID       int             `json:"pid"`
	Version   string          `json:"version"`
	Listening []string        `json:"listening"`
	Config    string          `json:"config"`
	Taken     time.Time       `json:"taken"`             // when the config was taken
	Refused   string          `json:"refused,omitempty"` // why a newer one was not
	Ledger    string          `json:"ledger,omitempty"`  // why it does not take anything
	Free      uint64          `json:"free"`              // bytes on the volume of the ledger
	Work      Work            `json:"work"`              // since it started
	Partners  []PartnerStatus `json:"partners"`
	Problems  []Problem       `json:"problems"`
}

// PartnerStatus is how one partner is.
type PartnerStatus struct {
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

	volume string // that its folder is on; empty = not known
}

// Problem is something that somebody has to know of.
type Problem struct {
	Level   ledger.Level `json:"level"` // warning or alarm
	Partner string       `json:"partner,omitempty"`
	Code    string       `json:"code"`
	Since   time.Time    `json:"since,omitzero"`
	Text    string       `json:"text"`
	Hint    string       `json:"hint,omitempty"`
}

// alive is how long ago a status may have been written by an agent that is well.
const alive = 2 * time.Minute

// Hangs reports whether the agent that wrote the status has not written it for too long.
func (s *Status) Hangs(now time.Time) bool { return now.Sub(s.At) > alive }

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
		if p.Partner == "" && (p.Code == codeLedger || p.Code == codeSpace && p.Level == ledger.Alarm) {
			return p.Text
		}
	}
	out := 0
	for _, p := range s.Partners {
		if p.State == stateFault || p.State == stateHangs {
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
	stateHangs   = "does not answer"
	stateFault   = "out of order"
	statePaused  = "paused"
	stateFailing = "failing"
	stateBehind  = "behind"
	stateHeld    = "held"
	stateOK      = "ok"
)

// Codes of problems.
const (
	codeLedger  = "ledger"
	codeSpace   = "space"
	codeConfig  = "config-refused"
	codeFolder  = "folder"
	codeHangs   = "hangs"
	codePaused  = "partner-paused"
	codeFailing = "partner-failing"
	codeBehind  = "behind"
	codeHeld    = "held-transfers"
	codeHooks   = "hooks-failing"
	codeRestart = "worker-restarted"
	codeExpiry  = "certificate-expires"
)

// restartsTold is for how long a worker's restart is a problem.
const restartsTold = time.Hour

// conclude fills in the state of each partner and the problems. It is pure: Partners
// are those of the config, in its order.
func (s *Status) conclude(cfg *config.Config) {
	s.Problems = []Problem{}
	add := func(level ledger.Level, partner, code string, since time.Time, hint, format string, args ...any) {
		s.Problems = append(s.Problems, Problem{level, partner, code, since, fmt.Sprintf(format, args...), hint})
	}
	if s.Ledger != "" {
		add(ledger.Alarm, "", codeLedger, time.Time{}, "nothing is accepted or posted until it does; as2drop check says more", "the ledger takes nothing: %s", s.Ledger)
	}
	if s.Refused != "" {
		add(ledger.Alarm, "", codeConfig, time.Time{}, "correct it; it is read again by itself", "the config was changed and not taken: %s", s.Refused)
	}
	s.space("", cfg.DataDir, s.Free, uint64(cfg.Reserve), add)
	for i, p := range cfg.Partners {
		s.partner(&s.Partners[i], p.Outbox.ReadyAlarm, add)
	}
	s.volumes(uint64(cfg.Reserve), add)
	for _, e := range cfg.Expiring(s.At, expiryFirst) {
		level, days := ledger.Warning, e.Days(s.At)
		if days < expiryAlarm {
			level = ledger.Alarm
		}
		since := time.Time{}
		if s.At.After(e.At) {
			level, since = ledger.Alarm, e.At
		}
		add(level, e.Partner, codeExpiry, since, e.Hint, "%s", e.Text(s.At))
	}
	slices.SortStableFunc(s.Problems, func(a, b Problem) int { return cmp.Compare(a.Level, b.Level) }) // "alarm" before "warning"
}

type addProblem = func(level ledger.Level, partner, code string, since time.Time, hint, format string, args ...any)

// partner concludes the state of one partner: the worst that is known of it.
func (s *Status) partner(p *PartnerStatus, limit time.Duration, add addProblem) {
	p.State, p.Since = stateOK, time.Time{}
	worse := func(state string, since time.Time) {
		if p.State == stateOK {
			p.State, p.Since = state, since
		}
	}
	if !p.Hangs.IsZero() {
		worse(stateHangs, p.Hangs)
		add(ledger.Alarm, p.Name, codeHangs, p.Hangs, "is its share reachable? nothing of the partner goes on until it answers", "its folder does not answer")
	}
	if p.Fault != "" {
		worse(stateFault, time.Time{})
		add(ledger.Alarm, p.Name, codeFolder, time.Time{}, "it is looked for again by itself", "%s", p.Fault)
	}
	if w := p.Pause; w != nil {
		worse(statePaused, w.Since)
		level, fact := ledger.Alarm, "nothing is sent"
		if w.By == "agent" && p.Open == p.Held && p.Ready == 0 {
			level, fact = ledger.Warning, "nobody got through, and nothing waits to be sent; the next document tries again"
		}
		add(level, p.Name, codePaused, w.Since, cmp.Or(w.Hint, "as2drop release "+p.Name), "%s: %s", fact, w.Reason)
	} else if t := p.Trouble; t != nil && t.Count >= failingFrom {
		worse(stateFailing, t.Since)
		add(ledger.Alarm, p.Name, codeFailing, t.Since, t.Hint, "%d attempts in a row failed, last: %s", t.Count, t.Reason)
	}
	if p.Ready > 0 && s.At.Sub(p.OldestReady) > limit {
		worse(stateBehind, p.OldestReady)
		add(ledger.Alarm, p.Name, codeBehind, p.OldestReady, "as2drop ls "+p.Name+" shows what is under way; the log says whether something is stuck",
			"%d complete batches wait in the outbox, the oldest for more than %s", p.Ready, limit)
	}
	if p.Held > 0 {
		worse(stateHeld, time.Time{})
		add(ledger.Warning, p.Name, codeHeld, time.Time{}, "as2drop ls "+p.Name+" says why", "%d transfers are held", p.Held)
	}
	if p.HookFails != "" {
		add(ledger.Warning, p.Name, codeHooks, p.HookFailsAt, "they are run again by themselves; as2drop show ID says when", "hooks fail, and %d are owed: %s", p.Hooks, p.HookFails)
	}
	if p.Restarts > 0 && s.At.Sub(p.Restarted) < restartsTold {
		add(ledger.Alarm, p.Name, codeRestart, p.Restarted, "report it with the log", "its worker ended unexpectedly and was started again, %d times since the agent started", p.Restarts)
	}
}

// volumes adds the volumes of partners that have little room left, each once.
func (s *Status) volumes(reserve uint64, add addProblem) {
	of := map[string][]string{}
	key := func(p *PartnerStatus) string { return cmp.Or(p.volume, "of "+p.Name) }
	apart := func(p *PartnerStatus) bool { return p.Fault == "" && p.Hangs.IsZero() && p.Free != s.Free } // from the volume of the ledger
	for i := range s.Partners {
		if p := &s.Partners[i]; apart(p) {
			of[key(p)] = append(of[key(p)], p.Name)
		}
	}
	for i := range s.Partners {
		p := &s.Partners[i]
		names := of[key(p)]
		if !apart(p) || names[0] != p.Name {
			continue
		}
		what := p.Name + "'s folder"
		if len(names) > 1 {
			what = "the volume of " + namesOf(names)
		}
		s.space(p.Name, what, p.Free, reserve, add)
	}
}

// failingFrom is how many attempts in a row make a partner one that fails.
const failingFrom = 3

// space adds a volume that has little room left.
func (s *Status) space(partner, what string, free, reserve uint64, add addProblem) {
	const mib = 1 << 20
	switch {
	case free < reserve:
		add(ledger.Alarm, partner, codeSpace, time.Time{}, "make room; it goes on by itself then", "%s has %d MiB free, less than the reserve of %d MiB: nothing is accepted or posted", what, free/mib, reserve/mib)
	case free < 2*reserve:
		add(ledger.Warning, partner, codeSpace, time.Time{}, "make room", "%s has %d MiB free; below %d MiB nothing is accepted or posted", what, free/mib, reserve/mib)
	}
}
