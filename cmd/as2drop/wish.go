package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// wishFlags are shared by the commands that ask something of the agent.
type wishFlags struct {
	configFlag
	Wait time.Duration `default:"10s" help:"How long to wait for the agent to do it (${default})."`
}

// ask records a wish and waits until the running agent has dealt with it. what is a
// transfer in any form that show takes, or the name of a partner.
func (f wishFlags) ask(g *globals, kind ledger.WishKind, what, reason string, partners bool) error {
	cfg, i, err := f.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // the wish is committed
	w, err := newWish(i.Ledger(), cfg, kind, what, reason, partners)
	if err != nil {
		return err
	}
	w.At = g.now().UTC()
	if w.ID, err = ledger.NewID(g.now(), rand.Reader); err != nil {
		return err
	}
	if err := i.Ledger().Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(w) }); err != nil {
		return err
	}
	if !agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "noted; no agent is running, it is done when one starts")
		return nil
	}
	return f.await(g, i.Ledger(), w)
}

// operator is the name of whoever types the command.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}

func newWish(l *ledger.Ledger, cfg *config.Config, kind ledger.WishKind, what, reason string, partners bool) (ledger.Wish, error) {
	w := ledger.Wish{Kind: kind, Reason: reason, By: operator()}
	if partners {
		for _, p := range cfg.Partners {
			if p.Name == what {
				w.Partner = what
				return w, nil
			}
		}
	}
	var found []ledger.Transfer
	err := l.View(context.Background(), func(tx *ledger.Tx) (err error) { found, err = tx.FindTransfers(what); return err })
	switch {
	case err != nil:
		return w, err
	case kind == ledger.WishRerun:
		return rerunWish(l, w, what, found)
	case len(found) == 0 && kind == ledger.WishRelease:
		return storedWish(l, cfg, w, what)
	case len(found) == 0:
		return w, fmt.Errorf("there is no transfer or partner %q; as2drop ls shows them", what)
	case len(found) > 1:
		return w, fmt.Errorf("%q names %d transfers; use the identifier: as2drop show %s", what, len(found), what)
	}
	w.Transfer = found[0].ID
	return w, nil
}

// storedWish is a wish about a message that was stored and that nobody has opened.
func storedWish(l *ledger.Ledger, cfg *config.Config, w ledger.Wish, what string) (ledger.Wish, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(what, "<"), ">")
	err := l.View(context.Background(), func(tx *ledger.Tx) error {
		for _, p := range cfg.Partners {
			open, err := tx.OpenStored(p.Name)
			if err != nil {
				return err
			}
			for _, s := range open {
				if s.ID == what || s.MessageID == bare {
					w.Transfer = s.ID
				}
			}
		}
		return nil
	})
	if err == nil && w.Transfer == "" {
		err = fmt.Errorf("there is no transfer, stored message or partner %q; as2drop ls shows them", what)
	}
	return w, err
}

// await polls for the agent's answer.
func (f wishFlags) await(g *globals, l *ledger.Ledger, w ledger.Wish) error {
	deadline := time.After(f.Wait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := l.View(context.Background(), func(tx *ledger.Tx) (err error) { w, err = tx.Wish(w.ID); return err })
		if err != nil {
			return err
		}
		if !w.Done.IsZero() {
			fmt.Fprintln(g.out, w.Result)
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("noted, but the agent has not dealt with it yet; as2drop show tells when it has")
		}
	}
}
