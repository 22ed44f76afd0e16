package views

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// Transfers are those that a search wants. A text finds by the beginning of a word of a
// file name, and before that by an identifier, a key or a Message-ID that is exactly so.
func (r *Reader) Transfers(ctx context.Context, s Search, now time.Time) (Page[Transfer], error) {
	w := ledger.Wanted{Partner: s.Partner, Stand: s.Stand, From: s.From, To: s.To, Before: s.After, Limit: limit(s.Limit) + 1}
	var found ledger.Found[ledger.Transfer]
	err := r.View(ctx, func(tx *ledger.Tx) (err error) {
		exactly := cmp.Or(s.MessageID, s.Text)
		if exactly != "" && s.After == "" {
			if found.Rows, err = exactTransfers(tx, exactly, s); err != nil || len(found.Rows) > 0 {
				return err
			}
		}
		if s.MessageID != "" {
			return nil
		}
		w.Word = s.Text
		found, err = tx.NewestTransfers(w)
		return err
	})
	if err != nil {
		return Page[Transfer]{}, err
	}
	page := Page[Transfer]{Items: []Transfer{}}
	for i := range found.Rows {
		page.Items = append(page.Items, r.line(&found.Rows[i], now))
	}
	return finish(page, limit(s.Limit), found.Reached, func(t Transfer) string { return t.ID })
}

// limit is how many lines a page has.
func limit(n int) int { return min(cmp.Or(max(n, 0), DefaultLimit), MaxLimit) }

// finish cuts a page to its length and says where the next one begins.
func finish[T any](p Page[T], limit int, reached string, id func(T) string) (Page[T], error) {
	if len(p.Items) > limit {
		p.Items = p.Items[:limit]
		p.Next = id(p.Items[limit-1])
		return p, nil
	}
	if reached == "" {
		return p, nil
	}
	at, err := ledger.PlaceOf(reached)
	p.Next, p.Reached = reached, at
	return p, err
}

// exactTransfers are those that are called so, the newest first.
func exactTransfers(tx *ledger.Tx, what string, s Search) ([]ledger.Transfer, error) {
	found, err := tx.FindNewestTransfers(what, MaxLimit)
	if err == nil && len(found) == 0 {
		var t ledger.Transfer
		if t, err = tx.TransferByMessageID(what); err == nil {
			found = append(found, t)
		} else if errors.Is(err, ledger.ErrNotFound) {
			err = nil
		}
	}
	found = slices.DeleteFunc(found, func(t ledger.Transfer) bool {
		return s.Partner != "" && t.Partner != s.Partner || s.Stand != "" && t.Stand() != s.Stand ||
			!s.From.IsZero() && t.Created.Before(s.From) || !s.To.IsZero() && !t.Created.Before(s.To)
	})
	slices.Reverse(found)
	return found, err
}

// line is a transfer in a list.
func (r *Reader) line(t *ledger.Transfer, now time.Time) Transfer {
	l := Transfer{ID: t.ID, Partner: t.Partner, Document: t.Document, Key: t.Key, Bytes: t.Size(), Stand: t.Stand(), State: t.State, Verdict: t.Verdict,
		Words: words(t, r.window(t.Partner, now), now), MessageID: t.MessageID, Created: t.Created, Filed: t.Filed, Attempts: t.Attempts, Posts: t.Posts, Unknown: t.Unknown, Actions: actions(t)}
	for _, m := range t.Members {
		if m.Role != ledger.RoleMarker {
			l.Files++
		}
	}
	l.Why, l.ToDo = t.Reason, t.Next
	if t.Hold != "" {
		l.Why = t.Hold
	}
	if t.State.Open() {
		l.Deadline = t.Deadline
		if !t.Rests() {
			l.Due = t.Due
		}
	}
	if t.State == ledger.StateSending && r.Posted != nil {
		l.Progress = r.Posted(t.ID)
	}
	return l
}

// window is when a partner's send window opens next; zero = it is open.
func (r *Reader) window(partner string, now time.Time) time.Time {
	p := r.Config().Partner(partner)
	if p == nil {
		return time.Time{}
	}
	if opens := p.Outbox.Window.Next(now); opens.After(now) {
		return opens
	}
	return time.Time{}
}

// words say where a transfer stands. opens is when the send window opens; zero = it is open.
func words(t *ledger.Transfer, opens, now time.Time) string {
	switch {
	case t.Hold != "":
		return "held"
	case t.Behind:
		return "waits its turn"
	}
	switch t.State {
	case ledger.StateFiled:
		return string(cmp.Or(t.Verdict, "filed"))
	case ledger.StateUndone:
		return "undone: the files are back in the outbox"
	case ledger.StateSending:
		return "is being posted"
	case ledger.StateWaiting:
		return "waits for the receipt"
	case ledger.StateSettled:
		return string(t.Verdict) + ", is being filed"
	case ledger.StateReopening:
		return "is being taken back to be posted again"
	case ledger.StateSealed:
		switch {
		case !opens.IsZero():
			return "waits for the send window"
		case t.Posts > 0 && t.Due.After(now):
			return fmt.Sprintf("is tried again, %d attempts failed", t.Posts)
		}
		return "is ready to be posted"
	}
	return "is being prepared"
}

// actions are what makes sense to ask for a transfer.
func actions(t *ledger.Transfer) []Action {
	list := []Action{}
	add := func(a Action, when bool) {
		if when {
			list = append(list, a)
		}
	}
	under := t.State.Open() && t.State != ledger.StateSettled
	add(ledger.WishRetry, t.State == ledger.StateSealed && !t.Behind || t.State == ledger.StateWaiting || t.State == ledger.StateReopening && t.Hold != "" || t.Stand() == ledger.StandFailed && t.RetriedAs == "")
	add(ledger.WishHold, under && t.Hold == "")
	add(ledger.WishRelease, t.Hold != "" && t.State.Open() || t.Blocks)
	add(ledger.WishDismiss, under && t.State != ledger.StateSending)
	return list
}

// Transfer is one transfer with everything that is known of it; ErrNotFound of package
// ledger means that there is none.
func (r *Reader) Transfer(ctx context.Context, id string, now time.Time) (Message, error) {
	var t ledger.Transfer
	s := Story{Transfer: &t}
	err := r.View(ctx, func(tx *ledger.Tx) (err error) {
		if t, err = tx.Transfer(id); errors.Is(err, ledger.ErrNotFound) {
			return unknown("there is no transfer %q", id)
		} else if err != nil {
			return err
		}
		if t.Behind && t.Hold == "" {
			head, err := maybe(tx.Head(t.Partner))
			if err != nil {
				return err
			}
			if head != nil {
				t.Reason = outbox.Behind(head)
			}
		}
		return s.read(tx, id)
	})
	if err != nil {
		return Message{}, err
	}
	s.WithoutCredentials()
	m := Message{Transfer: r.line(&t, now), Station: t.Station, Folder: t.FilePath, RetryOf: t.RetryOf, RetriedAs: t.RetriedAs,
		Members: members(&t), Sealed: sealed(&t), Receipt: receipt(&t), Objections: t.Objections, More: t.MoreObjections, Removed: t.Removed,
		Attempted: orEmpty(s.Attempts), Hooks: s.Hooks, Wishes: s.Wishes}
	if t.Hold != "" {
		m.Held = &Held{Reason: t.Hold, By: t.HoldBy}
	}
	if gaveUp(s.Hooks) {
		m.Actions = append(m.Actions, ledger.WishRerun)
	}
	text := t.Document + " was taken from the outbox"
	if m.Files > 1 {
		text += fmt.Sprintf(", with %d more", m.Files-1)
	}
	m.Timeline = s.timeline(t.Created, text)
	return m, nil
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func members(t *ledger.Transfer) []File {
	files := []File{}
	for _, m := range t.Members {
		files = append(files, File{Name: m.Name, Role: string(m.Role), Bytes: m.Size, SHA256: m.SHA256})
	}
	for _, c := range t.Changed {
		files = append(files, File{Name: c.Name, Role: string(c.Role), Hook: c.Hook, Bytes: c.Size, SHA256: c.SHA256})
	}
	return files
}

func sealed(t *ledger.Transfer) *Sealed {
	var s as2.Sealed
	if len(t.Sealed) == 0 || json.Unmarshal(t.Sealed, &s) != nil {
		return nil
	}
	return &Sealed{Header: open(s.Header), Bytes: s.Length, SHA256: s.SHA256, MICs: orEmpty(s.MICs), Signed: s.Signed, Encrypted: s.Encrypted, Compressed: s.Compressed, Files: s.Files, Certificates: t.Certificates}
}

// secretFields are those of a header that may hold credentials. They are in no message that
// was recorded; this keeps it so whatever is recorded.
var secretFields = []string{"authorization", "proxy-authorization", "cookie", "set-cookie"}

// open is a header without secrets.
func open(header []as2.Field) []as2.Field {
	return slices.DeleteFunc(orEmpty(slices.Clone(header)), func(f as2.Field) bool { return slices.Contains(secretFields, strings.ToLower(f.Name)) })
}
