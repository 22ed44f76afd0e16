package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// refuse records a message that is not taken and answers with a negative receipt. The
// record never stands in the way of a repeat.
func (r *request) refuse(ctx context.Context, f *as2.Fault) as2.Reply {
	if r.async() && r.stored == nil {
		return r.refuseLater(ctx, f.Error())
	}
	reply, by, err := r.receipt(f.Disposition, f.Text)
	if err != nil {
		return r.unavailable(err)
	}
	return r.recordRefusal(ctx, f.Disposition.For(r.version()).String(), f.Error(), reply, by)
}

// version is the AS2-Version that the sender is answered in.
func (r *request) version() string {
	if r.p == nil {
		return r.env.Version
	}
	return r.p.Version
}

// refuseLater answers a message that wants its receipt at a place where none is posted.
// Nothing is taken: a receipt could never be given for it.
func (r *request) refuseLater(ctx context.Context, why string) as2.Reply {
	reply := textReply(400, "No receipt can be posted to the URL in Receipt-Delivery-Option; agree upon its host with this partner, or ask for a synchronous receipt.")
	return r.recordRefusal(ctx, "none: HTTP 400", why, reply, nil)
}

func (r *request) recordRefusal(ctx context.Context, disposition, fact string, reply as2.Reply, by []byte) as2.Reply {
	if r.id != "" {
		if err := errors.Join(r.keepHeader(), r.settle()); err != nil { // the evidence of what is going to be committed
			return r.unavailable(err)
		}
	}
	row, err := r.addRefusal(ctx, disposition, fact, reply, by)
	if err == nil && r.id != "" {
		err = r.keepRefused(r.p, row)
	}
	if err != nil {
		return r.unavailable(err)
	}
	r.Log.Warn("refused", "partner", row.Partner, "received", row.ID, "from", r.env.From, "to", r.env.To, "message_id", r.env.MessageID, "remote", r.m.Remote, "reason", fact)
	return reply
}

// addRefusal commits a refusal, and the receipt that is owed if the sender did not wait.
func (r *request) addRefusal(ctx context.Context, disposition, fact string, reply as2.Reply, by []byte) (*ledger.Refusal, error) {
	id := r.id
	if id == "" {
		var err error
		if id, err = ledger.NewID(r.Now(), r.Rand); err != nil {
			return nil, err
		}
	}
	row := &ledger.Refusal{ID: id, At: r.Now().UTC(), From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID), Remote: r.m.Remote, Disposition: disposition, Fact: fact}
	if r.p != nil {
		row.Partner = r.p.Name
	}
	if r.id != "" {
		receipt, err := json.Marshal(reply)
		if err != nil {
			return nil, err
		}
		row.Receipt, row.ReceiptBy = receipt, by
	}
	return row, r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := tx.AddRefusal(*row); err != nil {
			return err
		}
		if err := tx.AddEvent(r.event(id, ledger.Warning, "refused", "see the fact; the partner was told the disposition only", "message %s from %q refused: %s", r.env.MessageID, r.env.From, fact)); err != nil {
			return err
		}
		return r.owe(tx, id, row.Receipt, "refused")
	})
}

// checkCredentials answers a partner who does not show what was agreed. Nothing of his
// message is read.
func (r *request) checkCredentials(ctx context.Context) (reply as2.Reply, refused bool) {
	if r.p.Credentials == nil {
		return as2.Reply{}, false
	}
	reply, err := r.p.Credentials.Check(r.m, r.at)
	if err == nil {
		return as2.Reply{}, false
	}
	fact := err.Error()
	aerr := r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		return tx.AddEvent(r.event("", ledger.Alarm, "credentials", "compare receive credentials of the partner in the config with what he sends", "a message from %q, %s, was turned away: %s", r.env.From, r.m.Remote, fact))
	})
	if aerr != nil {
		return r.unavailable(aerr), true
	}
	return r.recordRefusal(ctx, fmt.Sprintf("none: HTTP %d", reply.Status), fact, reply, nil), true
}
