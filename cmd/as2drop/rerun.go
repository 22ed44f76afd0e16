package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/as2drop/as2drop/ledger"
)

type rerunCmd struct {
	wishFlags
	What string `arg:"" help:"A transfer or received message: identifier, key or Message-ID."`
}

func (c *rerunCmd) Help() string {
	return `Runs those hooks again that failed until they were given up: after_sent, after_failed and after_received. What became of each as2drop show tells. Nothing is sent again.

Examples:
  as2drop rerun INV-1001`
}

func (c *rerunCmd) Run(g *globals) error { return c.ask(g, ledger.WishRerun, c.What, "", false) }

// rerunWish is a wish about the hooks of a transfer, or of a message that was received: of
// the one that has hooks which were given up.
func rerunWish(l *ledger.Ledger, w ledger.Wish, what string, transfers []ledger.Transfer) (ledger.Wish, error) {
	known, with := 0, []string{}
	err := l.View(context.Background(), func(tx *ledger.Tx) error {
		received, err := tx.FindReceived(what)
		var ids []string
		for _, t := range transfers {
			ids = append(ids, t.ID)
		}
		for _, r := range received {
			ids = append(ids, r.ID)
		}
		known = len(ids)
		for _, id := range ids {
			hooks, herr := tx.HooksOf(id)
			if slices.ContainsFunc(hooks, func(h ledger.OwedHook) bool { return h.Outcome == ledger.HookGaveUp }) {
				with = append(with, id)
			}
			err = errors.Join(err, herr)
		}
		return err
	})
	switch {
	case err != nil:
		return w, err
	case known == 0:
		return w, fmt.Errorf("there is no transfer or received message %q; as2drop ls --all shows them", what)
	case len(with) == 0:
		return w, fmt.Errorf("no hook of %q was given up; as2drop show %s tells what became of each", what, what)
	case len(with) > 1:
		return w, fmt.Errorf("hooks of %d transfers and received messages called %q were given up; use the identifier: as2drop show %s", len(with), what, what)
	}
	w.Transfer = with[0]
	return w, nil
}
