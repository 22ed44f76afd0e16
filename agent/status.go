package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// restartsTold is for how long a worker's restart is a problem.
const restartsTold = time.Hour

// conclude fills in the state of each partner and the problems. It is pure: Partners
// are those of the config, in its order.
func conclude(s *status.Status, cfg *config.Config) {
	s.Problems = []status.Problem{}
	add := func(level ledger.Level, partner, code string, since time.Time, hint, format string, args ...any) {
		s.Problems = append(s.Problems, status.Problem{Level: level, Partner: partner, Code: code, Since: since, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	if s.Ledger != "" {
		add(ledger.Alarm, "", status.CodeLedger, time.Time{}, "nothing is accepted or posted until it does; as2drop check says more", "the ledger takes nothing: %s", s.Ledger)
	}
	if s.Refused != "" {
		add(ledger.Alarm, "", status.CodeConfig, time.Time{}, "correct it; it is read again by itself", "the config was changed and not taken: %s", s.Refused)
	}
	if s.Console != "" {
		add(ledger.Alarm, "", status.CodeConsole, s.ConsoleClosed, "see who else has the address, or give the console another one; it is tried again by itself, and everything else goes on", "nobody can look at the console or use the API: %s", s.Console)
	}
	concludeSpace("", cfg.DataDir, s.Free, uint64(cfg.Reserve), add)
	for i, p := range cfg.Partners {
		concludePartner(s, &s.Partners[i], p.Outbox.ReadyAlarm, add)
	}
	concludeVolumes(s, uint64(cfg.Reserve), add)
	for _, u := range s.Untold {
		add(ledger.Alarm, "", status.CodeUntold, u.Since, u.Hint, "alarms do not reach %s: %s", u.Receiver, u.Reason)
		s.Problems[len(s.Problems)-1].Subject = u.Receiver
	}
	for _, e := range cfg.Expiring(s.At, expiryFirst) {
		level, days := ledger.Warning, e.Days(s.At)
		if days <= config.ExpiryAlarms {
			level = ledger.Alarm
		}
		since := time.Time{}
		if s.At.After(e.At) {
			level, since = ledger.Alarm, e.At
		}
		add(level, e.Partner, status.CodeExpiry, since, e.Hint, "%s", e.Text(s.At))
	}
	slices.SortStableFunc(s.Problems, func(a, b status.Problem) int { return cmp.Compare(a.Level, b.Level) }) // "alarm" before "warning"
}

type addProblem = func(level ledger.Level, partner, code string, since time.Time, hint, format string, args ...any)

// partner concludes the state of one partner: the worst that is known of it.
func concludePartner(s *status.Status, p *status.Partner, limit time.Duration, add addProblem) {
	p.State, p.Since = status.StateOK, time.Time{}
	worse := func(state string, since time.Time) {
		if p.State == status.StateOK {
			p.State, p.Since = state, since
		}
	}
	if !p.Hangs.IsZero() {
		worse(status.StateHangs, p.Hangs)
		add(ledger.Alarm, p.Name, status.CodeHangs, p.Hangs, "is its share reachable? nothing of the partner goes on until it answers", "its folder does not answer")
	}
	if p.Fault != "" {
		worse(status.StateFault, time.Time{})
		add(ledger.Alarm, p.Name, status.CodeFolder, time.Time{}, "it is looked for again by itself", "%s", p.Fault)
	}
	if w := p.Pause; w != nil {
		worse(status.StatePaused, w.Since)
		level, fact := ledger.Alarm, "nothing is sent"
		if w.By == "agent" && p.Open == p.Held && p.Ready == 0 {
			level, fact = ledger.Warning, "nobody got through, and nothing waits to be sent; the next document tries again"
		}
		add(level, p.Name, status.CodePaused, w.Since, cmp.Or(w.Hint, "as2drop release "+p.Name), "%s: %s", fact, w.Reason)
	} else if t := p.Trouble; t != nil && t.Count >= failingFrom {
		worse(status.StateFailing, t.Since)
		add(ledger.Alarm, p.Name, status.CodeFailing, t.Since, t.Hint, "%d attempts in a row failed, last: %s", t.Count, t.Reason)
	}
	if p.Ready > 0 && s.At.Sub(p.OldestReady) > limit {
		worse(status.StateBehind, p.OldestReady)
		add(ledger.Alarm, p.Name, status.CodeBehind, p.OldestReady, "as2drop ls "+p.Name+" shows what is under way; the log says whether something is stuck",
			"%d complete batches wait in the outbox, the oldest for more than %s", p.Ready, limit)
	}
	if p.Held > 0 {
		worse(status.StateHeld, time.Time{})
		add(ledger.Warning, p.Name, status.CodeHeld, time.Time{}, "as2drop ls "+p.Name+" says why", "%d transfers are held", p.Held)
	}
	for _, q := range p.Silent {
		level, code := ledger.Warning, status.CodeNoSent
		if q.Expected {
			level = ledger.Alarm
		}
		if q.What == alarms.Received {
			code = status.CodeNoGot
		}
		add(level, p.Name, code, q.Since, alarms.SilenceHint(q.What, p.Name), "%s", q.Why)
	}
	if p.HookFails != "" {
		add(ledger.Warning, p.Name, status.CodeHooks, p.HookFailsAt, "they are run again by themselves; as2drop show ID says when", "hooks fail, and %d are owed: %s", p.Hooks, p.HookFails)
	}
	if p.Restarts > 0 && s.At.Sub(p.Restarted) < restartsTold {
		add(ledger.Alarm, p.Name, status.CodeRestart, p.Restarted, "report it with the log", "its worker ended unexpectedly and was started again, %d times since the agent started", p.Restarts)
	}
}

// volumes adds the volumes of partners that have little room left, each once.
func concludeVolumes(s *status.Status, reserve uint64, add addProblem) {
	of := map[string][]string{}
	key := func(p *status.Partner) string { return cmp.Or(p.Volume, "of "+p.Name) }
	apart := func(p *status.Partner) bool { return p.Fault == "" && p.Hangs.IsZero() && p.Free != s.Free } // from the volume of the ledger
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
		concludeSpace(p.Name, what, p.Free, reserve, add)
	}
}

// failingFrom is how many attempts in a row make a partner one that fails.
const failingFrom = 3

// space adds a volume that has little room left.
func concludeSpace(partner, what string, free, reserve uint64, add addProblem) {
	const mib = 1 << 20
	switch {
	case free < reserve:
		add(ledger.Alarm, partner, status.CodeSpace, time.Time{}, "make room; it goes on by itself then", "%s has %d MiB free, less than the reserve of %d MiB: nothing is accepted or posted", what, free/mib, reserve/mib)
	case free < 2*reserve:
		add(ledger.Warning, partner, status.CodeSpace, time.Time{}, "make room", "%s has %d MiB free; below %d MiB nothing is accepted or posted", what, free/mib, reserve/mib)
	}
}
