package views

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// Row is one line of what waits for a partner: a file or a complete batch in his outbox, a
// transfer, a pause, a message that is still to be opened, a receipt that we owe; or of what
// is done.
type Row struct {
	Partner string    `json:"partner"`
	What    string    `json:"what"` // file, ready, transfer, pause, stored, receipt, received, refused, partner
	Name    string    `json:"name"`
	ID      string    `json:"id,omitempty"`
	State   string    `json:"state"`
	Text    string    `json:"text,omitempty"`
	Next    time.Time `json:"next,omitzero"`
}

// listLast is how many done transfers and messages a list with all of them shows.
const listLast = 20

// outboxRows are what lies in the outbox of a partner.
func outboxRows(name string, in Outbox) (rows []Row) {
	for _, b := range in.Ready {
		rows = append(rows, Row{Partner: name, What: "ready", Name: b.Document, State: "ready", Text: fmt.Sprintf("complete, with %d attachments; a running agent takes it when it has seen it stand still", len(b.Attachments))})
	}
	for _, w := range in.Waiting {
		rows = append(rows, Row{Partner: name, What: "file", Name: w.Name, State: "waits: " + string(w.Reason), Text: w.Text})
	}
	return rows
}

// ledgerRows are what the ledger has of a partner. last are the rows of his last transfers and
// messages; nil = those are not wanted.
func ledgerRows(tx *ledger.Tx, name string, last *lastRows) (rows []Row, err error) {
	pause, err := tx.Pause(name)
	switch {
	case err == nil:
		rows = append(rows, Row{Partner: name, What: "pause", Name: name, State: "paused", Text: WithHint(pause.Reason, pause.Hint), Next: pause.Until})
	case !errors.Is(err, ledger.ErrNotFound):
		return nil, err
	}
	open, err := tx.OpenTransfers(name)
	if err != nil {
		return nil, err
	}
	head, err := tx.Head(name)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	if head.Blocks && len(open) > 0 {
		row := transferRow(head)
		row.Text = WithHint(head.Reason, head.Next)
		rows = append(rows, row)
	}
	for _, t := range open {
		row := transferRow(t)
		if t.Behind && t.Hold == "" && head.ID != "" {
			row.State, row.Text, row.Next = "waits its turn", outbox.Behind(&head), time.Time{}
		}
		rows = append(rows, row)
	}
	more, err := incomingRows(tx, name)
	if err != nil {
		return nil, err
	}
	rows = append(rows, more...)
	if last == nil {
		return rows, nil
	}
	for _, row := range last.transfers {
		if row.Partner != "" && !(row.ID == head.ID && len(open) > 0) { // else it stands above
			rows = append(rows, row)
		}
	}
	for _, row := range last.received {
		if row.Partner != "" {
			rows = append(rows, row)
		}
	}
	refused, err := tx.RecentRefusals(name, listLast)
	for _, r := range refused {
		rows = append(rows, Row{Partner: name, What: "refused", Name: r.MessageID, ID: r.ID, State: "refused", Text: r.Fact})
	}
	return rows, err
}

// lastRows are the rows of what is done of a partner, the latest first. Those of transfers that
// are not done are empty.
type lastRows struct{ transfers, received [listLast]Row }

// lastOf reads them for several partners.
func lastOf(tx *ledger.Tx, names []string) (map[string]*lastRows, error) {
	all := map[string]*lastRows{}
	for _, name := range names {
		all[name] = &lastRows{}
	}
	err := tx.LastTransfers(names, listLast, func(name string, place int, t ledger.Transfer) {
		if !t.State.Open() {
			all[name].transfers[place] = transferRow(t)
		}
	})
	if err != nil {
		return nil, err
	}
	err = tx.LastReceived(names, listLast, func(name string, place int, r ledger.Received) {
		all[name].received[place] = Row{Partner: name, What: "received", Name: r.Key, ID: r.ID, State: string(r.State), Text: fmt.Sprintf("%d files, %s", len(r.Files), When(r.At))}
	})
	return all, err
}

// incomingRows are the messages that nobody has opened yet and the receipts that we owe.
func incomingRows(tx *ledger.Tx, name string) (rows []Row, err error) {
	stored, err := tx.OpenStored(name)
	if err != nil {
		return nil, err
	}
	for _, s := range stored {
		row := Row{Partner: name, What: "stored", Name: s.MessageID, ID: s.ID, State: "to be opened", Text: "it came " + When(s.At) + "; its receipt goes to " + withoutCredentials(s.URL), Next: s.Due}
		if s.Hold != "" {
			row.State, row.Text, row.Next = "held", s.Hold, time.Time{}
		}
		rows = append(rows, row)
	}
	owed, err := tx.OpenMDNs(name)
	if err != nil {
		return nil, err
	}
	for _, m := range owed {
		row := Row{Partner: name, What: "receipt", Name: m.Received, ID: m.Received, State: "receipt owed", Text: "it goes to " + withoutCredentials(m.URL), Next: m.Due}
		if m.Posts > 0 {
			row.Text = fmt.Sprintf("posted %d times to %s: %s", m.Posts, withoutCredentials(m.URL), m.Reason)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func transferRow(t ledger.Transfer) Row {
	row := Row{Partner: t.Partner, What: "transfer", Name: t.Document, ID: t.ID, State: string(t.State), Text: WithHint(t.Reason, t.Next), Next: t.Due}
	switch {
	case t.Hold != "":
		row.State, row.Text, row.Next = "held", WithHint(t.Hold, t.Next), time.Time{}
	case t.State == ledger.StateWaiting:
		row.State = "waits for the receipt"
		if t.Reason == "" {
			row.Text = "the partner took the message; without a receipt it is posted again then"
		}
	case t.State == ledger.StateFiled:
		row.State, row.Text, row.Next = string(t.Verdict), t.FilePath, time.Time{}
		for _, r := range t.Removed {
			if r.What == ledger.ThingSent || r.What == ledger.ThingFailed && !t.Verdict.Sent() {
				row.Text += ": " + Removal(r)
			}
		}
	case t.State == ledger.StateUndone:
		row.Next = time.Time{}
	}
	return row
}

// removedThings name what retention removes, for people.
var removedThings = map[ledger.Thing]string{
	ledger.ThingSent: "its folder", ledger.ThingFailed: "its folder in failed", ledger.ThingMessage: "the message itself",
	ledger.ThingEvidence: "its evidence", ledger.ThingHistory: "attempts and header",
}

// Removed says what retention removed, when and why.
func Removed(r ledger.Removal) string { return removedThings[r.What] + ": " + Removal(r) }

// Removal says when and why retention removed a thing.
func Removal(r ledger.Removal) string {
	switch {
	case r.Done.IsZero():
		return "being removed by retention, rule " + r.Rule
	case r.Missing:
		return fmt.Sprintf("was not there any more when retention came on %s, rule %s", r.Begun.UTC().Format(time.DateOnly), r.Rule)
	}
	return fmt.Sprintf("removed by retention on %s, rule %s", r.Done.UTC().Format(time.DateOnly), r.Rule)
}

// window says of the transfers that wait for the send window that they do.
func window(rows []Row, w schedule.Window, now time.Time) {
	opens := w.Next(now)
	if !opens.After(now) {
		return
	}
	for i := range rows {
		if r := &rows[i]; r.What == "transfer" && r.State == string(ledger.StateSealed) {
			r.Text = strings.TrimSuffix("waits for the send window, which opens "+Local(opens)+"; "+r.Text, "; ")
		}
	}
}

// WithHint is a fact and what can be done about it.
func WithHint(fact, hint string) string {
	if fact == "" || hint == "" {
		return fact
	}
	return fact + "; " + hint
}

// When is a moment for people.
func When(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Waiting are the rows of all partners, or of one, as Look sees them. notes are
// about outboxes whose events cannot be used. A partner that the config does not have is
// ErrNotFound of package ledger.
func (r *Reader) Waiting(ctx context.Context, partner string, done bool, now time.Time) (rows []Row, notes []string, err error) {
	rows, notes = []Row{}, []string{}
	cfg := r.Config()
	if partner != "" && cfg.Partner(partner) == nil {
		return nil, nil, unknown("%s has no partner %q", cfg.Path, partner)
	}
	type part struct {
		*config.Partner
		polled string
		known  bool // what the ledger has of him belongs to the rows
		rows   []Row
	}
	var parts []*part
	var names []string
	for _, p := range cfg.Partners {
		if partner != "" && partner != p.Name {
			continue
		}
		one := &part{Partner: p}
		parts = append(parts, one)
		in, err := r.Look(ctx, p.Name)
		if err != nil {
			one.rows = []Row{{Partner: p.Name, What: "partner", Name: p.Name, State: "out of order", Text: err.Error()}}
			continue
		}
		one.polled, one.known, one.rows = in.Polled, true, outboxRows(p.Name, in)
		names = append(names, p.Name)
	}
	err = r.View(ctx, func(tx *ledger.Tx) (err error) {
		last := map[string]*lastRows{}
		if done {
			if last, err = lastOf(tx, names); err != nil {
				return err
			}
		}
		for _, one := range parts {
			if !one.known {
				continue
			}
			more, err := ledgerRows(tx, one.Name, last[one.Name])
			if err != nil {
				return err
			}
			one.rows = append(one.rows, more...)
			window(one.rows, one.Outbox.Window, now)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, one := range parts {
		rows = append(rows, one.rows...)
		if one.polled != "" && len(one.rows) > 0 {
			notes = append(notes, fmt.Sprintf("(the outbox of %s is looked at every %s: %s)", one.Name, one.Outbox.Poll, one.polled))
		}
	}
	return rows, notes, nil
}
