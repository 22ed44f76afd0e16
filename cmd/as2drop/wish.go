package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// wishFlags are shared by the commands that ask something of the agent.
type wishFlags struct {
	configFlag
	Wait time.Duration `default:"10s" help:"How long to wait for the agent to do it (${default})."`
}

// ask records a wish and waits until the running agent has dealt with it. what is a
// transfer in any form that show takes, or the name of a partner.
func (f wishFlags) ask(g *globals, kind ledger.WishKind, what, reason string) error {
	cfg, i, err := f.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // the wish is committed
	w, err := views.NewWish(context.Background(), i.Ledger(), cfg, ledger.Wish{Kind: kind, Reason: reason}, what)
	if err != nil {
		return err
	}
	return f.record(g, cfg, i, w)
}

// record records a wish of whoever types the command and waits until the running agent has
// dealt with it.
func (f wishFlags) record(g *globals, cfg *config.Config, i *agent.Inspector, w ledger.Wish) error {
	w.By, w.At = operator(), g.now().UTC()
	w, err := i.Ledger().AddWish(context.Background(), w)
	if err != nil {
		return err
	}
	if !agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "noted; no agent is running, it is done when one starts")
		return nil
	}
	return await(g, f.Wait, func() (now ledger.Wish, err error) {
		err = i.Ledger().View(context.Background(), func(tx *ledger.Tx) (err error) { now, err = tx.Wish(w.ID); return err })
		return now, err
	})
}

// operator is the name of whoever types the command.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "operator"
}

// actFlags are those of the commands that can also ask an agent elsewhere.
type actFlags struct {
	wishFlags
	serverFlags
}

func (f actFlags) ask(g *globals, kind ledger.WishKind, what, reason string) error {
	r, err := f.remote()
	if err != nil {
		return err
	}
	if r != nil {
		return r.wish(g, kind, what, reason, f.Wait)
	}
	return f.wishFlags.ask(g, kind, what, reason)
}

// await asks until the agent has dealt with a wish.
func await(g *globals, limit time.Duration, ask func() (ledger.Wish, error)) error {
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		w, err := ask()
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
