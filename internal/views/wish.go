package views

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// MaxReason bounds why somebody wishes something, in characters.
const MaxReason = 500

// NewWish completes a wish: it finds out what it is about. what is the name of a partner,
// where the wish can be about one, or a transfer or message by identifier, key or
// Message-ID. An error that is a *NoWish says why there is none. Whoever calls gives it an
// identifier and adds it to the ledger.
func NewWish(ctx context.Context, l *ledger.Ledger, cfg *config.Config, w ledger.Wish, what string) (ledger.Wish, error) {
	if (w.Kind == ledger.WishHold || w.Kind == ledger.WishRelease) && cfg.Partner(what) != nil {
		w.Partner = what
		return w, nil
	}
	var found []ledger.Transfer
	err := l.View(ctx, func(tx *ledger.Tx) (err error) { found, err = tx.FindNewestTransfers(what, maxFound); return err })
	switch {
	case err != nil:
		return w, err
	case w.Kind == ledger.WishRerun:
		return rerunWish(ctx, l, w, what, found)
	case len(found) == 0 && w.Kind == ledger.WishRelease:
		return storedWish(ctx, l, cfg, w, what)
	case len(found) == 0:
		return w, noWish(false, "there is no transfer or partner %q; as2drop ls shows them", what)
	case len(found) > 1:
		return w, noWish(true, "%q names %d transfers; use the identifier: as2drop show %s", what, len(found), what)
	}
	w.Transfer = found[0].ID
	return w, nil
}

// NoWish is why nothing can be wished: what was named is unknown, or several.
type NoWish struct {
	Text    string
	Several bool
}

func (e *NoWish) Error() string { return e.Text }

func noWish(several bool, format string, args ...any) error {
	return &NoWish{fmt.Sprintf(format, args...), several}
}

// storedWish is a wish about a message that was stored and that nobody has opened.
func storedWish(ctx context.Context, l *ledger.Ledger, cfg *config.Config, w ledger.Wish, what string) (ledger.Wish, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(what, "<"), ">")
	err := l.View(ctx, func(tx *ledger.Tx) error {
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
		err = noWish(false, "there is no transfer, stored message or partner %q; as2drop ls shows them", what)
	}
	return w, err
}

// rerunWish is a wish about the hooks of a transfer, or of a message that was received: of
// the one that has hooks which were given up.
func rerunWish(ctx context.Context, l *ledger.Ledger, w ledger.Wish, what string, transfers []ledger.Transfer) (ledger.Wish, error) {
	known, with := 0, []string{}
	err := l.View(ctx, func(tx *ledger.Tx) error {
		received, err := tx.FindReceived(what, maxFound)
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
			if gaveUp(hooks) {
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
		return w, noWish(false, "there is no transfer or received message %q; as2drop ls --all shows them", what)
	case len(with) == 0:
		return w, noWish(false, "no hook of %q was given up; as2drop show %s tells what became of each", what, what)
	case len(with) > 1:
		return w, noWish(true, "hooks of %d transfers and received messages called %q were given up; use the identifier: as2drop show %s", len(with), what, what)
	}
	w.Transfer = with[0]
	return w, nil
}

// Wish is what somebody asked for, and what became of it.
func (r *Reader) Wish(ctx context.Context, id string) (w ledger.Wish, err error) {
	err = r.View(ctx, func(tx *ledger.Tx) (err error) { w, err = tx.Wish(id); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		err = unknown("there is no wish %q", id)
	}
	return w, err
}
