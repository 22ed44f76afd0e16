package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
)

// LastTransfers reads the transfers of each of some partners that were created last, so many
// of each at most, and passes them to f in the order of their identifiers; place counts those
// of the partner, from the latest = 0.
func (tx *Tx) LastTransfers(partners []string, limit int, f func(partner string, place int, t Transfer)) error {
	return last(tx, partners, limit, `SELECT id FROM transfers WHERE partner=? ORDER BY created DESC LIMIT ?`,
		`SELECT id, body FROM transfers WHERE id>=? ORDER BY id`, f)
}

// LastReceived reads the messages that came last, likewise.
func (tx *Tx) LastReceived(partners []string, limit int, f func(partner string, place int, r Received)) error {
	return last(tx, partners, limit, `SELECT id FROM received WHERE partner=? ORDER BY at DESC LIMIT ?`,
		`SELECT id, body FROM received WHERE id>=? ORDER BY id`, f)
}

// place is which of a partner's last rows one is.
type place struct {
	id      string
	partner string
	n       int
}

// last finds out from an index which rows are wanted, and then reads them from a query of all
// rows from one on.
func last[T any](tx *Tx, partners []string, limit int, which, from string, f func(string, int, T)) error {
	var wanted []place
	for _, partner := range partners {
		ids, err := tx.ids(which, partner, limit)
		if err != nil {
			return err
		}
		for n, id := range ids {
			wanted = append(wanted, place{id, partner, n})
		}
	}
	slices.SortFunc(wanted, func(a, b place) int { return cmp.Compare(a.id, b.id) })
	for len(wanted) > 0 {
		n, err := along(tx, from, wanted, f)
		if err != nil {
			return wrap(err, tableOf(from))
		}
		if n == 0 {
			return wrap(ErrNotFound, tableOf(from)+" "+wanted[0].id)
		}
		wanted = wanted[n:]
	}
	return nil
}

// passBy is how many rows are passed by in vain before the next one that is wanted is looked
// up instead. In a large ledger that takes as long: each of some twenty comparisons on the way
// to a row reads another row as a whole.
const passBy = 8

// along reads wanted rows that lie beside each other, from the first on, and returns how many
// they are.
func along[T any](tx *Tx, from string, wanted []place, f func(string, int, T)) (n int, err error) {
	if err := tx.ctx.Err(); err != nil {
		return 0, err
	}
	rows, err := tx.tx.QueryContext(context.WithoutCancel(tx.ctx), from, wanted[0].id)
	if err != nil {
		return 0, err
	}
	defer rows.Close() // rows.Err tells
	var id, body sql.RawBytes
	for passed := 0; n < len(wanted) && passed < passBy && rows.Next(); passed++ {
		tx.rows.Add(1)
		if err := rows.Scan(&id, &body); err != nil {
			return n, err
		}
		if string(id) != wanted[n].id {
			continue
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			return n, err
		}
		f(wanted[n].partner, wanted[n].n, v)
		n, passed = n+1, -1
	}
	return n, rows.Err()
}
