package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// maxReceipt bounds a receipt, in bytes. Receipts have a few KiB.
const maxReceipt = 1 << 20

// receipts takes receipts that come on a connection of their own, for all partners. It
// is an as2.ReceiptBackend: it finds out which transfer a receipt names, and that
// partner's outbox decides what it is worth.
type receipts struct {
	*world

	mu   sync.Mutex
	last time.Time // when a receipt that nobody waits for was last recorded
}

// ReceiveReceipt answers one receipt.
func (r *receipts) ReceiveReceipt(ctx context.Context, m *as2.Message) as2.Reply {
	body, err := io.ReadAll(io.LimitReader(m.Body, maxReceipt+1))
	if err != nil {
		return as2.Unavailable("the receipt did not arrive whole, please try again", time.Minute)
	}
	if len(body) > maxReceipt {
		return r.nobodys(ctx, m, http.StatusRequestEntityTooLarge, "The receipt is longer than 1 MiB.", "a receipt of more than 1 MiB was refused")
	}
	id, err := as2.ReceiptFor(m.Header, body)
	if err != nil {
		return r.nobodys(ctx, m, http.StatusBadRequest, "This is no receipt (MDN) that names a message.", err.Error())
	}
	var t ledger.Transfer
	err = r.ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.TransferByMessageID(id); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		switch waits, terr := r.forTrial(id, m.Header, body); {
		case terr != nil:
			return r.unavailable(m, terr)
		case waits:
			return as2.Reply{Status: http.StatusOK}
		}
		return r.nobodys(ctx, m, http.StatusNotFound, "No message of this Message-ID was sent from here.", fmt.Sprintf("a receipt names the message %q, which was not sent from here", id))
	}
	if err != nil {
		return r.unavailable(m, err)
	}
	if b := r.setup().find(t.Partner); b != nil {
		return r.deliver(ctx, b, t, m, body)
	}
	return r.unavailable(m, fmt.Errorf("a receipt came for transfer %s, whose partner %s is not in the config any more", t.ID, t.Partner))
}

// deliver hands a receipt to the outbox of its partner.
func (r *receipts) deliver(ctx context.Context, b *box, t ledger.Transfer, m *as2.Message, body []byte) as2.Reply {
	if err := b.ready(); err != nil {
		return r.unavailable(m, fmt.Errorf("a receipt came for transfer %s, but its partner is out of order: %w", t.ID, err))
	}
	reply, err := b.outbox.ReceiveReceipt(ctx, t.ID, m.Header, body, m.Remote)
	if err != nil {
		return r.unavailable(m, err)
	}
	r.transfers.wake(b.partner.Name)
	return reply
}

// unavailable is the answer to faults of ours: the partner comes again.
func (r *receipts) unavailable(m *as2.Message, err error) as2.Reply {
	r.log.Error("a receipt could not be taken; its sender is asked to come again", "remote", m.Remote, "error", err)
	return as2.Unavailable("the receipt cannot be taken now, please try again", time.Minute)
}

// nobodysEvery is how often a receipt that belongs to nobody is recorded: anybody can
// send them, and they must not fill the ledger.
const nobodysEvery = time.Minute

// nobodys answers a receipt that belongs to no transfer.
func (r *receipts) nobodys(ctx context.Context, m *as2.Message, status int, text, fact string) as2.Reply {
	r.log.Warn("a receipt belongs to no transfer", "remote", m.Remote, "from", m.Header.Get("AS2-From"), "reason", fact)
	now := r.now()
	r.mu.Lock()
	record := now.Sub(r.last) >= nobodysEvery
	if record {
		r.last = now
	}
	r.mu.Unlock()
	if record {
		if err := r.event(ctx, ledger.Warning, "", "receipt-unknown", fmt.Sprintf("%s (from %s, AS2-From %q)", fact, m.Remote, m.Header.Get("AS2-From")), ""); err != nil {
			return r.unavailable(m, err)
		}
	}
	return as2.Reply{Status: status, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}
}
