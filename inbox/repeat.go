package inbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// known is the row of an earlier copy of the message, or nil.
func (r *request) known(ctx context.Context) (*ledger.Received, error) {
	var row ledger.Received
	err := r.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		row, err = tx.ReceivedByMessage(r.env.From, r.env.To, as2.StripID(r.env.MessageID))
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return &row, err
}

// repeat answers a copy of a message that was taken before: the stored receipt if it
// is the same, refused if it is another one.
func (r *request) repeat(ctx context.Context, row *ledger.Received) (as2.Reply, error) {
	if !sameContent(row, r.opened) {
		return as2.Reply{}, as2.NewFault(as2.UnexpectedProcessing, "A different message with this Message-ID was received before.",
			"other content under the Message-ID of "+row.ID)
	}
	if row.State == ledger.ReceivedReceived {
		if err := r.publish(ctx, r.p, row, false); err != nil {
			return as2.Reply{}, err
		}
	}
	if err := r.receiptForRepeat(row); err != nil {
		return as2.Reply{}, err
	}
	row.Repeats++
	err := r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		return errors.Join(tx.SaveReceived(row, r.p.fold), r.owe(tx, row.ID, row.Receipt, "repeat of "+row.ID),
			tx.AddEvent(r.event(row.ID, ledger.Info, "repeat", "", "message %s came again and gets the same receipt", r.env.MessageID)))
	})
	if err != nil {
		return as2.Reply{}, err
	}
	if err := fsx.RemoveAll(r.p.Folder, incoming(r.id)); err != nil {
		return as2.Reply{}, err
	}
	return storedReply(row.Receipt)
}

// receiptForRepeat makes the receipt where the first copy asked for none.
func (r *request) receiptForRepeat(row *ledger.Received) error {
	stored, err := storedReply(row.Receipt)
	if err != nil || len(stored.Body) > 0 || !r.env.Receipt.Wanted {
		return err
	}
	reply, _, err := r.receipt(as2.Processed, "")
	if err != nil {
		return err
	}
	row.Receipt, err = json.Marshal(reply)
	return err
}

// sameContent compares the digests that both have.
func sameContent(row *ledger.Received, opened *as2.Opened) bool {
	compared := false
	for _, m := range opened.MICs {
		if sum, ok := row.MICs[m.Digest.String()]; ok {
			if sum != base64.StdEncoding.EncodeToString(m.Sum) {
				return false
			}
			compared = true
		}
	}
	return compared
}

func storedReply(receipt []byte) (as2.Reply, error) {
	var reply as2.Reply
	err := json.Unmarshal(receipt, &reply)
	return reply, err
}
