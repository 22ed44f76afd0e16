package main

import (
	"context"
	"fmt"

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

// rerunWish is a wish about the hooks of a transfer, or of a message that was received.
func rerunWish(l *ledger.Ledger, w ledger.Wish, what string, transfers []ledger.Transfer) (ledger.Wish, error) {
	var ids []string
	for _, t := range transfers {
		ids = append(ids, t.ID)
	}
	err := l.View(context.Background(), func(tx *ledger.Tx) error {
		received, err := tx.FindReceived(what)
		for _, r := range received {
			ids = append(ids, r.ID)
		}
		return err
	})
	switch {
	case err != nil:
		return w, err
	case len(ids) == 0:
		return w, fmt.Errorf("there is no transfer or received message %q; as2drop ls --all shows them", what)
	case len(ids) > 1:
		return w, fmt.Errorf("%q names %d transfers and received messages; use the identifier: as2drop show %s", what, len(ids), what)
	}
	w.Transfer = ids[0]
	return w, nil
}
