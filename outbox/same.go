package outbox

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// SameContent says what happens to a document that was sent before.
type SameContent string

const (
	SameOff  SameContent = "off"
	SameWarn SameContent = "warn" // it is sent, with an alarm
	SameHold SameContent = "hold" // it is held until an operator decides
)

// maxSame is how many transfers of one document are compared.
const maxSame = 100

// sameContent looks for an earlier transfer that brought the same document with the same
// attachments to the partner, or is about to. It is called in the transaction that commits
// the sealed message: of two that are sealed at the same time the later sees the earlier.
func (o *Outbox) sameContent(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error {
		if o.p.SameContent != SameWarn && o.p.SameContent != SameHold || t.RetryOf != "" {
			return nil
		}
		document := sums(t, ledger.RoleDocument)
		if len(document) == 0 || document[0] == "" {
			return nil
		}
		earlier, err := tx.WithDocument(o.p.Name, document[0], o.Now().Add(-o.p.SameContentFor), maxSame)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(earlier, func(e ledger.Transfer) bool { return e.ID != t.ID && sameFiles(&e, t) })
		if i < 0 {
			return nil
		}
		fact := "the same content as " + sentBefore(&earlier[i])
		if o.p.SameContent == SameWarn {
			return o.event(t, ledger.Alarm, "same-content", "ask the partner whether he booked it twice; same_content: hold would hold the next one",
				"%s: has %s, and is sent all the same", t.Document, fact)(tx)
		}
		next := commands(t, "as2drop release ID sends it all the same, as2drop dismiss ID files it under failed")
		t.Hold, t.HoldBy, t.HoldCode, t.Next = "it has "+fact, "agent", holdSame, next
		return o.event(t, ledger.Alarm, "same-content", next, "%s: held: it has %s", t.Document, fact)(tx)
	}
}

// sameFiles reports whether two batches have the same document and the same attachments,
// whatever they are called.
func sameFiles(a, b *ledger.Transfer) bool {
	for _, role := range []ledger.Role{ledger.RoleDocument, ledger.RoleAttachment} {
		if !slices.Equal(sums(a, role), sums(b, role)) {
			return false
		}
	}
	return true
}

// sums are the digests of the files of one role, sorted.
func sums(t *ledger.Transfer, role ledger.Role) (list []string) {
	for _, m := range t.Members {
		if m.Role == role {
			list = append(list, m.SHA256)
		}
	}
	slices.Sort(list)
	return list
}

// sentBefore names an earlier transfer with its date.
func sentBefore(e *ledger.Transfer) string {
	at := func(t time.Time) string { return t.UTC().Format(time.DateTime + " UTC") }
	if e.Verdict.Sent() {
		return fmt.Sprintf("%s (%s), which was sent %s", e.Document, e.ID, at(e.Settled))
	}
	return fmt.Sprintf("%s (%s), dropped %s, which is %s", e.Document, e.ID, at(e.Created), cmp.Or(map[bool]string{true: "held"}[e.Hold != ""], "on its way"))
}
