package outbox

import (
	"cmp"
	"context"

	"github.com/as2drop/as2drop/ledger"
)

// Causes of holds. Those of certificates, URL, sealing and hooks end by themselves once they
// are gone, the one of same content when the config does not ask for it any more.
const (
	holdCertificate = "certificate-gone"
	holdURL         = "no-url"
	holdSeal        = "seal"
	holdReceipt     = "receipt"  // somebody has to ask the partner
	holdPutBack     = "put-back" // in the outbox, from a copy of the folder
	holdSame        = "same-content"
	holdHook        = "hook"
)

// obstacle is why a transfer is held by the agent.
type obstacle struct{ code, fact, next string }

// hold commits that a transfer waits for somebody.
func (o *Outbox) hold(ctx context.Context, t *ledger.Transfer, h obstacle) error {
	h.next = commands(t, h.next)
	t.Hold, t.HoldBy, t.HoldCode, t.Next = h.fact, "agent", h.code, h.next
	return o.save(ctx, t, o.event(t, ledger.Alarm, cmp.Or(h.code, "held"), h.next, "%s: held: %s", t.Document, h.fact))
}

func endHold(t *ledger.Transfer) { t.Hold, t.HoldBy, t.HoldCode = "", "", "" }

// obstacle says why a sealed transfer cannot be posted; no code = nothing is in its way.
func (o *Outbox) obstacle(t *ledger.Transfer) obstacle {
	for _, used := range t.Certificates {
		if !o.configured(used) {
			return obstacle{holdCertificate, "the partner's certificate that the message is encrypted to has left the config",
				"put the certificate back, or drop the files again and give this transfer up"}
		}
	}
	if o.p.URL == "" {
		return obstacle{holdURL, "the partner has no url", "set url; it goes on by itself then"}
	}
	return obstacle{}
}

// configured reports whether a certificate of the partner is still in the config.
func (o *Outbox) configured(used string) bool {
	for _, c := range o.p.Certificates {
		if fingerprint(c) == used {
			return true
		}
	}
	return false
}

// endHolds releases a transfer whose hold has lost its cause: a new process may have
// another config.
func (o *Outbox) endHolds(ctx context.Context, t *ledger.Transfer) error {
	switch t.HoldCode {
	case holdCertificate, holdURL:
		if o.obstacle(t).code != "" {
			return nil
		}
	case holdSeal, holdHook: // only another try can tell
	case holdSame:
		if o.p.SameContent == SameHold {
			return nil
		}
	default:
		return nil
	}
	was := t.Hold
	endHold(t)
	if t.State != ledger.StateWaiting {
		t.Due = o.Now().UTC()
	}
	return o.save(ctx, t, o.event(t, ledger.Info, "hold-ended", "", "%s: goes on; it was held: %s", t.Document, was))
}
