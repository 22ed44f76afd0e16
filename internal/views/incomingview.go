package views

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// maxStored is among how many that are still to be opened a Message-ID is looked for.
const maxStored = 10_000

// Incoming are the messages that a search wants. Those that were refused or are still to
// be opened are not found by text, only by their Message-ID.
func (r *Reader) Incoming(ctx context.Context, s IncomingSearch, now time.Time) (Page[Incoming], error) {
	w := ledger.Wanted{Partner: s.Partner, From: s.From, To: s.To, Before: s.After, Limit: limit(s.Limit) + 1}
	bare := strings.TrimSuffix(strings.TrimPrefix(s.MessageID, "<"), ">")
	page := Page[Incoming]{Items: []Incoming{}}
	reached := ""
	err := r.View(ctx, func(tx *ledger.Tx) error {
		switch s.Kind {
		case KindRefused:
			refusals, err := refusalsOf(tx, bare, w)
			for i := range refusals {
				page.Items = append(page.Items, refusalLine(&refusals[i]))
			}
			return err
		case KindStored:
			if bare != "" {
				w.Limit = maxStored // one of them is looked for
			}
			stored, err := tx.NewestStored(w)
			for _, m := range stored {
				if bare == "" || m.MessageID == bare {
					page.Items = append(page.Items, storedLine(&m, now))
				}
			}
			return err
		}
		found, err := receivedOf(tx, bare, s, w)
		for i := range found.Rows {
			page.Items = append(page.Items, receivedLine(&found.Rows[i]))
		}
		reached = found.Reached
		return err
	})
	if err != nil {
		return Page[Incoming]{}, err
	}
	return finish(page, limit(s.Limit), reached, func(m Incoming) string { return m.ID })
}

// refusalsOf are the refusals that a search wants.
func refusalsOf(tx *ledger.Tx, messageID string, w ledger.Wanted) ([]ledger.Refusal, error) {
	if messageID == "" {
		return tx.NewestRefusals(w)
	}
	if w.Before != "" {
		return nil, nil // they all were on the first page
	}
	refusals, err := tx.RefusalsOf(messageID, w.Limit)
	return slices.DeleteFunc(refusals, func(r ledger.Refusal) bool { return w.Partner != "" && r.Partner != w.Partner }), err
}

// receivedOf are the accepted messages that a search wants.
func receivedOf(tx *ledger.Tx, messageID string, s IncomingSearch, w ledger.Wanted) (f ledger.Found[ledger.Received], err error) {
	if exactly := cmp.Or(messageID, s.Text); exactly != "" && s.After == "" {
		if f.Rows, err = tx.FindReceived(exactly, MaxLimit); err != nil {
			return f, err
		}
		f.Rows = slices.DeleteFunc(f.Rows, func(r ledger.Received) bool {
			return s.Partner != "" && r.Partner != s.Partner || !s.From.IsZero() && r.At.Before(s.From) || !s.To.IsZero() && !r.At.Before(s.To)
		})
		slices.Reverse(f.Rows)
	}
	if len(f.Rows) > 0 || messageID != "" {
		return f, nil
	}
	w.Word = s.Text
	return tx.NewestReceived(w)
}

func receivedLine(r *ledger.Received) Incoming {
	m := Incoming{ID: r.ID, Kind: KindReceived, Partner: r.Partner, Name: r.Key, Files: len(r.Files), MessageID: r.MessageID, From: r.From, To: r.To, At: r.At, Repeats: r.Repeats, Words: "in the inbox", Actions: []Action{}}
	if r.State != ledger.ReceivedPublished {
		m.Words = "is being put into the inbox"
	}
	if r.Hold != "" {
		m.Held, m.Words, m.Why = true, "held", r.Hold+"; the rest is delivered by hand, as2drop check says from where" // nobody can release it
	}
	for _, f := range r.Files {
		m.Bytes += f.Size
		if f.Document {
			m.Name = f.Final
		}
	}
	return m
}

func refusalLine(r *ledger.Refusal) Incoming {
	return Incoming{ID: r.ID, Kind: KindRefused, Partner: r.Partner, MessageID: r.MessageID, From: r.From, To: r.To, At: r.At, Words: "refused", Why: r.Fact, Disposition: r.Disposition, Actions: []Action{}}
}

func storedLine(s *ledger.Stored, now time.Time) Incoming {
	m := Incoming{ID: s.ID, Kind: KindStored, Partner: s.Partner, MessageID: s.MessageID, From: s.From, To: s.To, At: s.At, Words: "to be opened", Actions: []Action{}}
	switch {
	case s.Hold != "":
		m.Held, m.Words, m.Why, m.Actions = true, "held", s.Hold, []Action{ledger.WishRelease}
	case !s.Open:
		m.Words = s.Outcome
	case s.Tries > 0 && s.Due.After(now):
		m.Words = fmt.Sprintf("is opened again, %d tries failed", s.Tries)
	}
	return m
}

// IncomingMessage is one message that came, with everything that is known of it;
// ErrNotFound of package ledger means that there is none.
func (r *Reader) IncomingMessage(ctx context.Context, id string, now time.Time) (m IncomingMessage, err error) {
	var s *Story
	if err = r.View(ctx, func(tx *ledger.Tx) (err error) { s, err = incoming(tx, id); return err }); err != nil {
		return m, err
	}
	none := unknown("there is no message %q that was received, refused or stored", id)
	if s == nil {
		return m, none
	}
	s.WithoutCredentials()
	text := ""
	switch {
	case s.Received != nil:
		m.Incoming, text = receivedLine(s.Received), "came from "+s.Received.From
		m.Station, m.Published, m.Folder = s.Received.Station, s.Received.Published, s.Received.Folder
		m.Layers, m.Signer, m.Notes, m.MICs, m.Removed = s.Received.Layers, s.Received.Signer, s.Received.Notes, s.Received.MICs, s.Received.Removed
		m.Members = receivedFiles(s.Received)
	case s.Refusal != nil:
		m.Incoming, text = refusalLine(s.Refusal), "was refused: "+s.Refusal.Fact
		m.Remote, m.Removed = s.Refusal.Remote, s.Refusal.Removed
	case s.Stored != nil:
		m.Incoming, text = storedLine(s.Stored, now), "came from "+s.Stored.From+", and its receipt goes to "+s.Stored.URL
	default:
		return m, none
	}
	if s.Stored != nil {
		m.Remote = s.Stored.Remote
	}
	if o := s.Owed; o != nil {
		m.Owed = &Owed{URL: o.URL, Open: o.Open, Posts: o.Posts, Due: o.Due, Deadline: o.Deadline, Outcome: o.Outcome, Reason: o.Reason, Done: o.Done}
	}
	if gaveUp(s.Hooks) {
		m.Actions = append(m.Actions, ledger.WishRerun)
	}
	m.Members, m.Attempted, m.Hooks, m.Wishes = orEmpty(m.Members), s.Attempts, s.Hooks, s.Wishes
	m.Timeline = s.timeline(m.At, text)
	return m, nil
}

func receivedFiles(r *ledger.Received) []File {
	files := make([]File, len(r.Files))
	for i, f := range r.Files {
		role := ledger.RoleAttachment
		if f.Document {
			role = ledger.RoleDocument
		}
		files[i] = File{Name: f.Final, Role: string(role), From: cmp.Or(f.From, f.Entry), Bytes: f.Size, SHA256: f.SHA256}
	}
	return files
}
