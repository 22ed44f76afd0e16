package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

type lsCmd struct {
	configFlag
	Partner string `arg:"" optional:"" help:"Only this partner."`
	All     bool   `short:"a" help:"Also the last transfers that are done, and the last messages received."`
	JSON    bool   `help:"As JSON."`
}

func (c *lsCmd) Help() string {
	return `For every file in an outbox: what it waits for. For every transfer that is not done: where it stands and when it goes on. For what was received: messages that are still to be opened and receipts that we owe. Paused partners with the reason.

Examples:
  as2drop ls
  as2drop ls acme --all
  as2drop ls --json`
}

// lsRow is one line of the list.
type lsRow struct {
	Partner string    `json:"partner"`
	What    string    `json:"what"` // file, ready, transfer, pause, stored, receipt, received, refused, partner
	Name    string    `json:"name"`
	ID      string    `json:"id,omitempty"`
	State   string    `json:"state"`
	Text    string    `json:"text,omitempty"`
	Next    time.Time `json:"next,omitzero"`
}

// lsLast is how many done transfers and messages --all shows.
const lsLast = 20

func (c *lsCmd) Run(g *globals) error {
	cfg, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // nothing was written
	rows := []lsRow{}
	found := false
	var polled []string
	err = i.Outboxes(func(p *config.Partner, o *outbox.Outbox, fault error) error {
		if c.Partner != "" && c.Partner != p.Name {
			return nil
		}
		found = true
		if fault != nil {
			rows = append(rows, lsRow{Partner: p.Name, What: "partner", Name: p.Name, State: "out of order", Text: fault.Error()})
			return nil
		}
		more, err := c.partner(i, p.Name, o)
		window(more, p.Outbox.Window, g.now())
		rows = append(rows, more...)
		if why := i.Polled(p.Name); why != "" && len(more) > 0 {
			polled = append(polled, fmt.Sprintf("(the outbox of %s is looked at every %s: %s)", p.Name, p.Outbox.Poll, why))
		}
		return err
	})
	if err != nil {
		return err
	}
	if !found && c.Partner != "" {
		return fmt.Errorf("%s has no partner %q", cfg.Path, c.Partner)
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	return c.print(g, cfg, rows, polled)
}

func (c *lsCmd) partner(i *agent.Inspector, name string, o *outbox.Outbox) (rows []lsRow, err error) {
	ctx := context.Background()
	ready, waiting, err := o.Look(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range ready {
		rows = append(rows, lsRow{Partner: name, What: "ready", Name: b.Document, State: "ready", Text: fmt.Sprintf("complete, with %d attachments; a running agent takes it when it has seen it stand still", len(b.Attachments))})
	}
	for _, w := range waiting {
		rows = append(rows, lsRow{Partner: name, What: "file", Name: w.Name, State: "waits: " + string(w.Reason), Text: w.Text})
	}
	err = i.Ledger().View(ctx, func(tx *ledger.Tx) error {
		more, err := c.ledgerRows(tx, name)
		rows = append(rows, more...)
		return err
	})
	return rows, err
}

func (c *lsCmd) ledgerRows(tx *ledger.Tx, name string) (rows []lsRow, err error) {
	pause, err := tx.Pause(name)
	switch {
	case err == nil:
		rows = append(rows, lsRow{Partner: name, What: "pause", Name: name, State: "paused", Text: withHint(pause.Reason, pause.Hint), Next: pause.Until})
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
		row.Text = withHint(head.Reason, head.Next)
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
	if !c.All {
		return rows, nil
	}
	recent, err := tx.RecentTransfers(name, time.Time{}, lsLast)
	if err != nil {
		return nil, err
	}
	for _, t := range recent {
		if !t.State.Open() && !(t.ID == head.ID && len(open) > 0) { // else it stands above
			rows = append(rows, transferRow(t))
		}
	}
	received, err := tx.RecentReceived(name, lsLast)
	if err != nil {
		return nil, err
	}
	for _, r := range received {
		rows = append(rows, lsRow{Partner: name, What: "received", Name: r.Key, ID: r.ID, State: string(r.State), Text: fmt.Sprintf("%d files, %s", len(r.Files), when(r.At))})
	}
	refused, err := tx.RecentRefusals(name, lsLast)
	for _, r := range refused {
		rows = append(rows, lsRow{Partner: name, What: "refused", Name: r.MessageID, ID: r.ID, State: "refused", Text: r.Fact})
	}
	return rows, err
}

// incomingRows are the messages that nobody has opened yet and the receipts that we owe.
func incomingRows(tx *ledger.Tx, name string) (rows []lsRow, err error) {
	stored, err := tx.OpenStored(name)
	if err != nil {
		return nil, err
	}
	for _, s := range stored {
		row := lsRow{Partner: name, What: "stored", Name: s.MessageID, ID: s.ID, State: "to be opened", Text: "it came " + when(s.At) + "; its receipt goes to " + s.URL, Next: s.Due}
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
		row := lsRow{Partner: name, What: "receipt", Name: m.Received, ID: m.Received, State: "receipt owed", Text: "it goes to " + m.URL, Next: m.Due}
		if m.Posts > 0 {
			row.Text = fmt.Sprintf("posted %d times to %s: %s", m.Posts, m.URL, m.Reason)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func transferRow(t ledger.Transfer) lsRow {
	row := lsRow{Partner: t.Partner, What: "transfer", Name: t.Document, ID: t.ID, State: string(t.State), Text: withHint(t.Reason, t.Next), Next: t.Due}
	switch {
	case t.Hold != "":
		row.State, row.Text, row.Next = "held", withHint(t.Hold, t.Next), time.Time{}
	case t.State == ledger.StateWaiting:
		row.State = "waits for the receipt"
		if t.Reason == "" {
			row.Text = "the partner took the message; without a receipt it is posted again then"
		}
	case t.State == ledger.StateFiled:
		row.State, row.Text, row.Next = string(t.Verdict), t.FilePath, time.Time{}
		for _, r := range t.Removed {
			if r.What == ledger.ThingSent || r.What == ledger.ThingFailed && !t.Verdict.Sent() {
				row.Text += ": " + removal(r)
			}
		}
	case t.State == ledger.StateUndone:
		row.Next = time.Time{}
	}
	return row
}

// removal says when and why retention removed a thing.
func removal(r ledger.Removal) string {
	switch {
	case r.Done.IsZero():
		return "being removed by retention, rule " + r.Rule
	case r.Missing:
		return fmt.Sprintf("was not there any more when retention came on %s, rule %s", r.Begun.UTC().Format(time.DateOnly), r.Rule)
	}
	return fmt.Sprintf("removed by retention on %s, rule %s", r.Done.UTC().Format(time.DateOnly), r.Rule)
}

// window says of the transfers that wait for the send window that they do.
func window(rows []lsRow, w schedule.Window, now time.Time) {
	opens := w.Next(now)
	if !opens.After(now) {
		return
	}
	for i := range rows {
		if r := &rows[i]; r.What == "transfer" && r.State == string(ledger.StateSealed) {
			r.Text = strings.TrimSuffix("waits for the send window, which opens "+local(opens)+"; "+r.Text, "; ")
		}
	}
}

// withHint is a fact and what can be done about it.
func withHint(fact, hint string) string {
	if fact == "" || hint == "" {
		return fact
	}
	return fact + "; " + hint
}

func (c *lsCmd) print(g *globals, cfg *config.Config, rows []lsRow, notes []string) error {
	if len(rows) == 0 {
		fmt.Fprintln(g.out, "nothing waits")
	} else {
		lines := [][]string{{"PARTNER", "NAME", "STATE", "NEXT", "ID", "WHY"}}
		for _, r := range rows {
			lines = append(lines, []string{r.Partner, r.Name, r.State, when(r.Next), r.ID, r.Text})
		}
		if err := table(g.out, lines); err != nil {
			return err
		}
	}
	for _, note := range notes {
		fmt.Fprintln(g.out, note)
	}
	if !agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "(no agent is running on this data folder)")
	}
	return nil
}
