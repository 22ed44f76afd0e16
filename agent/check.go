package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/hooks"
	"github.com/as2drop/as2drop/ledger"
)

// Check compares the ledger of a config with the folders of all partners, whatever state
// the ledger is in. none tells that there is no ledger and that none is missed.
func Check(ctx context.Context, cfg *config.Config) (findings []ledger.Finding, none bool, err error) {
	there, err := ledger.Exists(LedgerPath(cfg.DataDir))
	if err != nil {
		return nil, false, err
	}
	if !there {
		e := lost(cfg)
		if e == nil {
			return nil, true, nil
		}
		f := ledger.Finding{Path: ledgerName, Fact: "it is gone, and the folders of " + e.names() + " were worked with before",
			Hint: "put the newest backup back, then: as2drop check --repair; without a backup the same command rebuilds it"}
		if len(e.agents) == 1 {
			f.Repair = "a new one is made of what the folders know"
		}
		return []ledger.Finding{f}, false, nil
	}
	i, err := Inspect(ctx, cfg)
	if f := ledger.FaultOf(err); f != nil && (f.Mendable() || f.Kind == ledger.FaultForeignLog) {
		return []ledger.Finding{damaged(f.Fact)}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer i.Close() // nothing was written
	findings, err = i.Check(ctx)
	return findings, false, err
}

// Check compares the ledger with the folders of all partners. Each finding says what
// Repair would do about it.
func (i *Inspector) Check(ctx context.Context) ([]ledger.Finding, error) {
	var findings []ledger.Finding
	faults, err := i.ledger.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range faults {
		findings = append(findings, damaged(f))
	}
	for _, b := range i.setup().boxes {
		if b.fault != nil {
			findings = append(findings, ledger.Finding{Partner: b.partner.Name, Fact: b.fault.Error()})
			continue
		}
		why := i.copied[b.partner.Name]
		check := b.outbox.Check
		if why != "" {
			findings = append(findings, ledger.Finding{Partner: b.partner.Name, Path: markerFile, Fact: why, Hint: "nothing is sent or received for this partner before it is repaired",
				Repair: "what the folder knows is read back, and the partner goes on"})
			check = b.outbox.CheckCopy
		}
		found, err := check(ctx)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
		owed, err := hooks.Check(ctx, i.ledger, b.partner.Name, hooksTold)
		if err != nil {
			return nil, err
		}
		findings = append(findings, owed...)
	}
	found, err := i.setup().inbox.Check(ctx, slices.Collect(maps.Keys(i.copied))...)
	if err != nil {
		return nil, err
	}
	strays, err := i.strays(ctx)
	if err != nil {
		return nil, err
	}
	untold, err := alarms.Check(ctx, i.ledger)
	return slices.Concat(findings, found, strays, untold), err
}

// hooksTold is how many owed hooks of a partner are told one by one.
const hooksTold = 100

func damaged(fault string) ledger.Finding {
	return ledger.Finding{Path: ledgerName, Fact: "the ledger cannot be relied upon: " + fault, Hint: "stop the agent; put the newest backup back, or repair",
		Repair: "what can be read is saved into a new ledger, the rest is read back from the folders; the damaged one is kept beside it"}
}

// strays are partners that are not in the config and for whom something is left to do.
func (i *Inspector) strays(ctx context.Context) (findings []ledger.Finding, err error) {
	var names []string
	for _, b := range i.setup().boxes {
		names = append(names, b.partner.Name)
	}
	err = i.ledger.View(ctx, func(tx *ledger.Tx) error {
		strays, err := tx.Strays(names)
		if err != nil {
			return err
		}
		for _, name := range strays {
			f, err := i.stray(tx, name)
			if err != nil {
				return err
			}
			findings = append(findings, f)
		}
		return nil
	})
	return findings, err
}

// stray says what is left to do for a partner that is not in the config.
func (i *Inspector) stray(tx *ledger.Tx, name string) (f ledger.Finding, err error) {
	open, err := tx.OpenTransfers(name)
	if err != nil {
		return f, err
	}
	stored, err := tx.OpenStored(name)
	if err != nil {
		return f, err
	}
	left, err := tx.Unpublished(name)
	if err != nil {
		return f, err
	}
	owed, err := tx.OpenMDNs(name)
	if err != nil {
		return f, err
	}
	hooked, err := tx.OpenHooks(name)
	if err != nil {
		return f, err
	}
	var what []string
	for _, n := range []struct {
		n    int
		text string
	}{{len(open), "transfers that are not settled"}, {len(stored), "messages that nobody has opened"}, {len(left), "messages that are not in the inbox"}, {len(owed), "receipts that are owed"}, {hooked, "hooks that are owed"}} {
		if n.n > 0 {
			what = append(what, fmt.Sprintf("%d %s", n.n, n.text))
		}
	}
	f = ledger.Finding{Partner: name, Fact: "it is not in the config any more, and there are " + strings.Join(what, ", "), Hint: "put the partner back into the config until they are done"}
	if n := len(overdue(owed, i.now())); n > 0 {
		f.Repair = fmt.Sprintf("%d receipts whose time is over are given up; the partner gets them when he sends his messages again", n)
	}
	return f, nil
}

// overdue are owed receipts whose time is over.
func overdue(owed []ledger.OwedMDN, now time.Time) (over []ledger.OwedMDN) {
	for _, m := range owed {
		if now.After(m.Deadline) {
			over = append(over, m)
		}
	}
	return over
}

// lostError is the error of a ledger that is gone although agents worked with it.
type lostError struct {
	path     string
	partners []string
	agents   []string
}

// names are those of some partners.
func (e *lostError) names() string {
	const some = 5
	if len(e.partners) <= some {
		return strings.Join(e.partners, ", ")
	}
	return fmt.Sprintf("%s and %d more partners", strings.Join(e.partners[:some], ", "), len(e.partners)-some)
}

func (e *lostError) Error() string {
	text := fmt.Sprintf("%s: the ledger is gone, and the folders of %s were worked with before", e.path, e.names())
	if len(e.agents) > 1 {
		return text + fmt.Sprintf(", by %d different agents (%s); a folder belongs to one agent: correct folder or data_dir in the config", len(e.agents), strings.Join(e.agents, ", "))
	}
	return text + "; with a new one everything in them could be sent or delivered twice. Put the newest backup back, or have one rebuilt from the folders; either way then: as2drop check --repair. " +
		"If these folders are another as2drop's, correct folder or data_dir in the config"
}

// lost finds out which partners have the marker of an agent.
func lost(cfg *config.Config) *lostError {
	e := &lostError{path: LedgerPath(cfg.DataDir)}
	for _, p := range cfg.Partners {
		m, ok := markerOf(p)
		if !ok {
			continue
		}
		e.partners = append(e.partners, p.Name)
		if !slices.Contains(e.agents, m.Agent) {
			e.agents = append(e.agents, m.Agent)
		}
	}
	if len(e.partners) == 0 {
		return nil
	}
	return e
}

// refuseLost refuses to begin a new ledger where there must have been one.
func refuseLost(cfg *config.Config) error {
	there, err := ledger.Exists(LedgerPath(cfg.DataDir))
	if err != nil || there {
		return err
	}
	if e := lost(cfg); e != nil {
		return e
	}
	return nil
}
