package ledger

import (
	"encoding/json"
	"iter"
	"slices"
	"time"
)

// What is asked again and again while a partner has a backlog. Each question costs what
// its answer is long, however many transfers there are.

// Claim is a key that was taken from an outbox.
type Claim struct {
	Transfer string
	Key      string
	Created  time.Time
	Open     bool // not filed yet
}

// claimsAtOnce is how many keys one query asks for.
const claimsAtOnce = 2_000

// Claims are those of a partner for keys (in the form of naming.ClaimKey) that were made
// since a moment or are still open, undone ones not among them. A claim may come more than
// once where a key does. Claims of before schema 4 are returned whatever their key.
func (tx *Tx) Claims(partner string, keys iter.Seq[string], since time.Time) (list []Claim, err error) {
	var chunk []string
	ask := func() error {
		slices.Sort(chunk)
		asked, err := json.Marshal(slices.Compact(chunk))
		if err != nil {
			return err
		}
		chunk = chunk[:0]
		if list, err = tx.claims(list, partner, string(asked), since); err != nil {
			return wrap(err, "transfers")
		}
		return nil
	}
	any := false
	for key := range keys {
		if !any {
			chunk = append(chunk, "")
		}
		any = true
		if chunk = append(chunk, key); len(chunk) < claimsAtOnce {
			continue
		}
		if err := ask(); err != nil {
			return nil, err
		}
	}
	if len(chunk) > 0 {
		err = ask()
	}
	return list, err
}

func (tx *Tx) claims(list []Claim, partner, asked string, since time.Time) ([]Claim, error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT t.id, t.key, t.created, t.open FROM json_each(?) AS k CROSS JOIN transfers AS t INDEXED BY transfers_fold
			WHERE t.partner=? AND t.fold=k.value AND t.created>=? AND t.state<>'undone'
		UNION ALL SELECT t.id, t.key, t.created, t.open FROM json_each(?) AS k CROSS JOIN transfers AS t INDEXED BY transfers_foldopen
			WHERE t.partner=? AND t.fold=k.value AND t.open=1 AND t.created<?`, asked, partner, nanos(since), asked, partner, nanos(since))
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		tx.rows.Add(1)
		var c Claim
		var created int64
		if err := rows.Scan(&c.Transfer, &c.Key, &created, &c.Open); err != nil {
			return nil, err
		}
		c.Created = fromNanos(created)
		list = append(list, c)
	}
	return list, rows.Err()
}

// Claiming are the transfers of a partner whose files are just being moved.
func (tx *Tx) Claiming(partner string) ([]Transfer, error) {
	return all[Transfer](tx, `SELECT body FROM transfers WHERE partner=? AND state='claiming'`, partner)
}

// Queued is a transfer that time or a worker carries on.
type Queued struct {
	ID    string
	State State
	Due   time.Time
}

// Queue are the transfers of a partner that are not done and neither held nor waiting for
// their turn, oldest due first. sealed says whether those are wanted that only have to be
// posted.
func (tx *Tx) Queue(partner string, sealed bool, limit int) (list []Queued, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, `SELECT id, state, due FROM transfers WHERE partner=? AND open=1 AND held=0 AND (? OR state<>'sealed') ORDER BY due, id LIMIT ?`, partner, sealed, limit)
	if err != nil {
		return nil, wrap(err, "transfers")
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		tx.rows.Add(1)
		var q Queued
		var due int64
		if err := rows.Scan(&q.ID, &q.State, &due); err != nil {
			return nil, wrap(err, "transfers")
		}
		q.Due = fromNanos(due)
		list = append(list, q)
	}
	return list, wrap(rows.Err(), "transfers")
}

// Ahead is how much of a partner's backlog was claimed already.
type Ahead struct {
	Due       int // to be worked on as soon as it can be: just claimed, due again, or in line
	Unsettled int // these, and those that are tried again later
}

// Ahead counts, each number up to limit. Held transfers, those that wait for a receipt and
// those that have their verdict are not counted.
func (tx *Tx) Ahead(partner string, at time.Time, limit int) (Ahead, error) {
	due, all, inLine := 0, 0, 0
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT (SELECT count(*) FROM (SELECT 1 FROM transfers INDEXED BY transfers_queue
			WHERE partner=? AND open=1 AND held=0 AND state NOT IN ('waiting', 'settled') AND due<=? LIMIT ?)),
		(SELECT count(*) FROM (SELECT 1 FROM transfers INDEXED BY transfers_queue
			WHERE partner=? AND open=1 AND held=0 AND state NOT IN ('waiting', 'settled') LIMIT ?)),
		(SELECT count(*) FROM (SELECT 1 FROM transfers WHERE partner=? AND line>0 LIMIT ?))`,
		partner, nanos(at), limit, partner, limit, partner, limit).Scan(&due, &all, &inLine)
	tx.rows.Add(int64(due + all + inLine))
	return Ahead{Due: max(due, inLine), Unsettled: max(all, inLine)}, wrap(err, "transfers")
}

// Open are the identifiers of a partner's transfers that are not done, held ones too.
func (tx *Tx) Open(partner string) ([]string, error) {
	return tx.ids(`SELECT id FROM transfers WHERE partner=? AND open=1`, partner)
}

// Resting are those among them that are held or wait for their turn.
func (tx *Tx) Resting(partner string) ([]string, error) {
	return tx.ids(`SELECT id FROM transfers WHERE partner=? AND open=1 AND held=1`, partner)
}

// LeftOver are those of the others that were being posted, or are due after a moment.
func (tx *Tx) LeftOver(partner string, after time.Time) ([]string, error) {
	return tx.ids(`SELECT id FROM transfers WHERE partner=? AND open=1 AND held=0 AND (state='sending' OR due>?)`, partner, nanos(after))
}

func (tx *Tx) ids(query string, args ...any) (ids []string, err error) {
	rows, err := tx.tx.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return nil, wrap(err, tableOf(query))
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		tx.rows.Add(1)
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, wrap(err, tableOf(query))
		}
		ids = append(ids, id)
	}
	return ids, wrap(rows.Err(), tableOf(query))
}
