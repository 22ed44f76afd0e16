package ledger

import (
	"database/sql"
	"errors"
	"time"
)

// Commit is what one commit made durable, for those who count.
type Commit struct {
	Took  time.Duration // from the begin of the transaction until it was durable, or failed
	Err   error         // why nothing of it is; Deeds is empty then
	Deeds []Deed
}

// DeedKind is what kind of thing was done.
type DeedKind int

const (
	DeedSettled  DeedKind = iota // a transfer got its verdict
	DeedPosted                   // a POST of a message ended
	DeedReceipt                  // a POST of a receipt ended
	DeedReceived                 // a message was accepted
	DeedRefused                  // a message was not
	DeedEvent                    // an event was recorded
)

// Deed is one thing that counts. What is meaningless for its kind is zero.
type Deed struct {
	Kind    DeedKind
	Partner string        // empty if it is about none, or about a sender who is unknown
	Verdict Verdict       // settled
	Bytes   int64         // of the files that were settled or received
	Attempt Attempt       // posted
	Took    time.Duration // settled: since it was claimed
	Reason  string        // refused: the disposition
	Level   Level         // of the event
	Code    string        // of the event
}

// Settled counts a verdict that the transaction gives a transfer.
func (tx *Tx) Settled(t *Transfer) {
	d := Deed{Kind: DeedSettled, Partner: t.Partner, Verdict: t.Verdict, Took: t.Settled.Sub(t.Created)}
	if t.Verdict.Sent() {
		d.Bytes = t.Size()
	}
	tx.did(d)
}

// did notes what counts once the transaction is committed.
func (tx *Tx) did(d Deed) {
	if tx.deeds != nil {
		*tx.deeds = append(*tx.deeds, d)
	}
}

// posted notes the end of a POST.
func (tx *Tx) posted(a Attempt) error {
	if tx.deeds == nil {
		return nil
	}
	d := Deed{Kind: DeedPosted, Attempt: a}
	err := tx.tx.QueryRowContext(tx.ctx, `SELECT partner FROM transfers WHERE id=?`, a.Transfer).Scan(&d.Partner)
	if errors.Is(err, sql.ErrNoRows) {
		d.Kind = DeedReceipt
		err = tx.tx.QueryRowContext(tx.ctx, `SELECT partner FROM owed_mdns WHERE received=?`, a.Transfer).Scan(&d.Partner)
	}
	if err == nil {
		tx.did(d)
	}
	return wrap(err, "partner of an attempt")
}
