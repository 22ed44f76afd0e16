package views

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
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
			return page.refused(tx, bare, w)
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

func (p *Page[T]) refused(tx *ledger.Tx, messageID string, w ledger.Wanted) (err error) {
	var refusals []ledger.Refusal
	if messageID != "" {
		if w.Before != "" {
			return nil // they all were on the first page
		}
		refusals, err = tx.RefusalsOf(messageID, w.Limit)
		refusals = slices.DeleteFunc(refusals, func(r ledger.Refusal) bool { return w.Partner != "" && r.Partner != w.Partner })
	} else {
		refusals, err = tx.NewestRefusals(w)
	}
	for i := range refusals {
		p.Items = append(p.Items, any(refusalLine(&refusals[i])).(T))
	}
	return err
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
		m.Words, m.Why = "held", r.Hold+"; the rest is delivered by hand, as2drop check says from where" // nobody can release it
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
		m.Words, m.Why, m.Actions = "held", s.Hold, []Action{ledger.WishRelease}
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
	var received *ledger.Received
	var refusal *ledger.Refusal
	var stored *ledger.Stored
	var events []ledger.Event
	err = r.View(ctx, func(tx *ledger.Tx) error {
		var err1, err2, err3, err4, err5, err6, err7, err8 error
		received, err1 = maybe(tx.Received(id))
		refusal, err2 = maybe(tx.Refusal(id))
		stored, err3 = maybe(tx.Stored(id))
		var owed *ledger.OwedMDN
		owed, err4 = maybe(tx.OwedMDN(id))
		if owed != nil {
			m.Owed = &Owed{URL: withoutCredentials(owed.URL), Open: owed.Open, Posts: owed.Posts, Due: owed.Due, Deadline: owed.Deadline, Outcome: owed.Outcome, Reason: owed.Reason, Done: owed.Done}
			m.Attempted, err5 = tx.Attempts(id)
		}
		m.Hooks, err6 = tx.HooksOf(id)
		m.Wishes, err7 = tx.WishesOf(id)
		events, err8 = tx.EventsOf(id)
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8)
	})
	if err != nil {
		return IncomingMessage{}, err
	}
	text := ""
	switch {
	case received != nil:
		m.Incoming, text = receivedLine(received), "came from "+received.From
		m.Station, m.Published, m.Folder = received.Station, received.Published, received.Folder
		m.Layers, m.Signer, m.Notes, m.MICs, m.Removed = received.Layers, received.Signer, received.Notes, received.MICs, received.Removed
		m.Members = receivedFiles(received)
	case refusal != nil:
		m.Incoming, text = refusalLine(refusal), "was refused: "+refusal.Fact
		m.Remote, m.Removed = refusal.Remote, refusal.Removed
	case stored != nil:
		m.Incoming, text = storedLine(stored, now), "came from "+stored.From+", and its receipt goes to "+withoutCredentials(stored.URL)
	default:
		return IncomingMessage{}, unknown("there is no message %q that was received, refused or stored", id)
	}
	if stored != nil {
		m.Remote = stored.Remote
	}
	if slices.ContainsFunc(m.Hooks, func(h ledger.OwedHook) bool { return h.Outcome == ledger.HookGaveUp }) {
		m.Actions = append(m.Actions, ledger.WishRerun)
	}
	m.Members = orEmpty(m.Members)
	clean(m.Attempted)
	m.Timeline = timeline(story{created: m.At, text: text, events: events, attempts: m.Attempted, hooks: m.Hooks, wishes: m.Wishes})
	return m, nil
}

// maybe is a row, or nil if there is none.
func maybe[T any](row T, err error) (*T, error) {
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &row, nil
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

// clean takes user and password out of the addresses of attempts.
func clean(attempts []ledger.Attempt) {
	for i := range attempts {
		attempts[i].URL = withoutCredentials(attempts[i].URL)
	}
}

// withoutCredentials is a URL without user and password.
func withoutCredentials(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = nil
	return u.String()
}

// Wish is what somebody asked for, and what became of it.
func (r *Reader) Wish(ctx context.Context, id string) (w ledger.Wish, err error) {
	err = r.View(ctx, func(tx *ledger.Tx) (err error) { w, err = tx.Wish(id); return err })
	if errors.Is(err, ledger.ErrNotFound) {
		err = unknown("there is no wish %q", id)
	}
	return w, err
}
