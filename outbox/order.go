package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// isFirst reports whether no transfer must be settled before this one.
func (o *Outbox) isFirst(tx *ledger.Tx, t *ledger.Transfer) (bool, error) {
	if !o.p.Strict || t.Turn == 0 {
		return true, nil
	}
	head, err := tx.Head(o.p.Name)
	if errors.Is(err, ledger.ErrNotFound) {
		return true, nil
	}
	return head.ID == t.ID, err
}

// waitsForTurn commits that a transfer rests until those before it are settled. Who is
// first is asked in the same transaction: the one before may be settled just now, and
// whoever settles it wakes the next.
func (o *Outbox) waitsForTurn(ctx context.Context, t *ledger.Transfer) (waits bool, err error) {
	if !o.p.Strict || t.Turn == 0 {
		return false, nil
	}
	err = o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		first, err := o.isFirst(tx, t)
		if err != nil || first {
			return err
		}
		waits, t.Behind = true, true
		return tx.SaveTransfer(t)
	})
	return waits, err
}

// onlyFirst keeps a transaction from being committed for a transfer that is not first
// any more: an operator has just put an earlier one back in line.
func (o *Outbox) onlyFirst(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		first, err := o.isFirst(tx, t)
		if err == nil && !first {
			err = ledger.ErrLost
		}
		return err
	}
}

// wakeFirst lets the first in line go on. It is called whenever a transfer was saved.
func (o *Outbox) wakeFirst(tx *ledger.Tx) error {
	if !o.p.Strict {
		return nil
	}
	head, err := tx.Head(o.p.Name)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && !head.Behind {
		return nil
	}
	if err != nil {
		return err
	}
	head.Behind, head.Due = false, o.Now().UTC()
	return tx.SaveTransfer(&head)
}

// lineUp puts a new transfer at the end of the line. Turns are moments, so that one that
// comes back later is still before those that came after it.
func (o *Outbox) lineUp(tx *ledger.Tx, t *ledger.Transfer) error {
	if !o.p.Strict {
		return nil
	}
	last, err := tx.LastTurn(o.p.Name)
	t.Turn = max(t.Created.UnixNano(), last+1)
	return err
}

// takeOver gives a claimed transfer the turn of a failed one of the same key: the
// document was corrected and dropped again.
func (o *Outbox) takeOver(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		if !o.p.Strict {
			return nil
		}
		failed, err := tx.FailedInLine(o.p.Name, t.Key)
		if errors.Is(err, ledger.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.Turn, failed.Blocks = failed.Turn, false
		return errors.Join(tx.SaveTransfer(&failed),
			o.event(t, ledger.Info, "order-taken-over", "", "%s: takes the turn of %s, which failed: %s", t.Document, failed.ID, failed.Reason)(tx))
	}
}

// giveBack lets the failed transfer hold up the others again whose files a retry had
// taken and gives back.
func (o *Outbox) giveBack(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		if !o.p.Strict || t.RetryOf == "" {
			return nil
		}
		failed, err := tx.Transfer(t.RetryOf)
		if err != nil || failed.Turn != t.Turn {
			return err
		}
		failed.Blocks = true
		return tx.SaveTransfer(&failed)
	}
}

// blocks marks a transfer that is about to be committed as failed: those behind it wait
// until an operator has seen to it.
func (o *Outbox) blocks(t *ledger.Transfer) {
	t.Blocks = o.p.Strict && t.Turn != 0
	if t.Blocks {
		if t.Next != "" {
			t.Next += "; "
		}
		t.Next += "nothing else goes to " + o.p.Name + " before it (order: strict): drop the corrected document again under the same key, or as2drop retry " + t.ID +
			"; as2drop release " + t.ID + " lets the others go on without it"
	}
}

// orderAnew makes the line fit the config, which may have changed since it was formed.
func (o *Outbox) orderAnew(ctx context.Context) error {
	return o.Ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		list := tx.Resting
		if o.p.Strict {
			list = tx.Open
		}
		ids, err := list(o.p.Name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			t, err := tx.Transfer(id)
			if err != nil {
				return err
			}
			switch {
			case o.p.Strict && t.Turn == 0 && t.Verdict == ledger.VerdictNone:
				t.Turn = t.Created.UnixNano()
			case !o.p.Strict && t.Behind:
				t.Behind = false
			default:
				continue
			}
			if err := tx.SaveTransfer(&t); err != nil {
				return err
			}
		}
		return o.wakeFirst(tx)
	})
}

// Behind says for people what the transfers of a partner wait for whose turn has not
// come, given the first in line.
func Behind(head *ledger.Transfer) string {
	what := fmt.Sprintf("waits behind %s (%s), which ", head.Document, head.ID)
	switch {
	case head.Blocks:
		return what + fmt.Sprintf("failed (%s); as2drop retry %s sends it again, as2drop release %s lets the others go on without it", head.Verdict, head.ID, head.ID)
	case head.Hold != "":
		return what + "is held: " + head.Hold
	case head.State == ledger.StateWaiting:
		return what + "waits for its receipt until " + head.Due.UTC().Format(time.DateTime+" UTC")
	case head.Attempts > 0:
		return what + "is tried again at " + head.Due.UTC().Format(time.DateTime+" UTC")
	}
	return what + "is " + string(head.State)
}

// age is how old a batch is by its document.
type age struct {
	since   time.Duration // when it was first seen as it is
	written int64         // its own time, nanoseconds
}

// aged sorts batches by age, of equals by name.
type aged struct {
	batches []naming.Batch
	ages    []age // one of each
}

func (a aged) Len() int { return len(a.batches) }

func (a aged) Less(i, j int) bool {
	x, y := a.ages[i], a.ages[j]
	return cmp.Or(cmp.Compare(x.since, y.since), cmp.Compare(x.written, y.written), natural(a.batches[i].Document, a.batches[j].Document)) < 0
}

func (a aged) Swap(i, j int) {
	a.batches[i], a.batches[j] = a.batches[j], a.batches[i]
	a.ages[i], a.ages[j] = a.ages[j], a.ages[i]
}

// inOrder sorts batches by age, and leaves out those that are later than something that is
// still being written (zero = nothing is). It is pure.
func inOrder(a aged, settling time.Time) []naming.Batch {
	sort.Sort(a)
	if settling.IsZero() {
		return a.batches
	}
	n := slices.IndexFunc(a.ages, func(x age) bool { return x.written > settling.UnixNano() })
	if n < 0 {
		n = len(a.batches)
	}
	return a.batches[:n]
}

// natural compares names as people do: INV-9 comes before INV-10.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		n, m := digits(x), digits(y)
		if n > 0 && m > 0 {
			p, q := trimZeros(x[:n]), trimZeros(y[:m])
			if c := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); c != 0 {
				return c
			}
			x, y = x[n:], y[m:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// digits is how many digits a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}

// settling is the time of the oldest file that may be ready by waiting alone; zero = none.
func (ob *Observer) settling(waiting []naming.Waiting) (oldest time.Time) {
	for _, w := range waiting {
		if w.For == 0 {
			continue // time alone does not end it
		}
		f, _ := ob.sighting(w.Name)
		if at := time.Unix(0, f.mtime); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}
