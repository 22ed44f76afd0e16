package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

type showCmd struct {
	configFlag
	serverFlags
	What string `arg:"" help:"An identifier or the beginning of one, a key such as INV-1001, or a Message-ID."`
	JSON bool   `help:"As JSON."`
}

func (c *showCmd) Help() string {
	return `Tells everything that is known: files, attempts, receipt, events.

Examples:
  as2drop show INV-1001
  as2drop show 06fn2z --json`
}

func (c *showCmd) Run(g *globals) error {
	stories, err := c.find(g)
	if err != nil {
		return err
	}
	if len(stories) == 0 {
		return fmt.Errorf("nothing is known of %q (identifier, key or Message-ID)", c.What)
	}
	if c.JSON {
		return printJSON(g.out, stories)
	}
	for n, s := range stories {
		if n > 0 {
			fmt.Fprintln(g.out)
		}
		tale(s).print(g)
	}
	return nil
}

// find asks the ledger here, or an agent elsewhere.
func (c *showCmd) find(g *globals) (stories []views.Story, err error) {
	r, err := c.remote()
	if err != nil {
		return nil, err
	}
	if r != nil {
		err = r.get("/stories", url.Values{"what": {c.What}}, &stories)
		return stories, err
	}
	_, i, err := c.inspect(g)
	if err != nil {
		return nil, err
	}
	defer i.Close() // nothing was written
	err = i.Ledger().View(context.Background(), func(tx *ledger.Tx) (err error) { stories, err = views.Find(tx, c.What); return err })
	return stories, err
}

// tale is a story to be printed.
type tale views.Story

func (s tale) print(g *globals) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(g.out, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	switch {
	case s.Transfer != nil:
		s.printTransfer(g, line)
	case s.Received != nil:
		printReceived(g, s.Received, line)
	case s.Refusal != nil:
		printRefusal(g, s.Refusal, line)
	case s.Stored != nil:
		fmt.Fprintf(g.out, "Stored from %s, not opened yet\n", s.Stored.Partner)
		line("id", "%s", s.Stored.ID)
		line("message-id", "%s", s.Stored.MessageID)
	}
	if r := s.Stored; r != nil {
		line("stored", "%s", when(r.At))
		line("from", "%s", r.Remote)
		line("receipt to", "%s", r.URL)
		switch {
		case r.Hold != "":
			line("held", "%s", r.Hold)
		case r.Open:
			line("next", "%s", when(r.Due))
		}
	}
	if m := s.Owed; m != nil {
		s.printOwed(m, line)
	}
	for _, h := range s.Hooks {
		printHook(&h, line)
	}
	for _, w := range s.Wishes {
		printWish(&w, line)
	}
	for _, e := range s.Events {
		fmt.Fprintf(g.out, "  %s  %-7s %s\n", when(e.At), e.Level, e.Text)
		if e.Hint != "" {
			fmt.Fprintf(g.out, "  %-32s -> %s\n", "", e.Hint)
		}
	}
}

// printWish tells what somebody asked for, and what became of it.
func printWish(w *ledger.Wish, line func(string, string, ...any)) {
	text := fmt.Sprintf("%s by %s %s", w.Kind, w.By, when(w.At))
	if w.Reason != "" {
		text += ": " + w.Reason
	}
	if w.Done.IsZero() {
		line("asked", "%s; not dealt with yet", text)
		return
	}
	line("asked", "%s; %s", text, w.Result)
}

func printReceived(g *globals, r *ledger.Received, line func(string, string, ...any)) {
	fmt.Fprintf(g.out, "Received %s from %s: %s\n", r.Key, r.Partner, r.State)
	line("id", "%s", r.ID)
	line("message-id", "%s", r.MessageID)
	line("received", "%s", when(r.At))
	line("published", "%s", when(r.Published))
	line("layers", "%v", r.Layers)
	line("signer", "%s", r.Signer)
	for _, n := range r.Notes {
		line("note", "%s", n)
	}
	for _, f := range r.Files {
		from := ""
		if f.From != "" {
			from = fmt.Sprintf(", taken out of %s", f.From)
		}
		line("file", "%s (%d bytes, sha-256 %s%s)", f.Final, f.Size, f.SHA256, from)
	}
	line("evidence", ".evidence/%s", r.ID)
	printRemoved(r.Removed, line)
}

func printRefusal(g *globals, r *ledger.Refusal, line func(string, string, ...any)) {
	fmt.Fprintf(g.out, "Refused a message from %q to %q\n", r.From, r.To)
	line("id", "%s", r.ID)
	line("message-id", "%s", r.MessageID)
	line("when", "%s", when(r.At))
	line("from", "%s", r.Remote)
	line("answered", "%s", r.Disposition)
	line("fact", "%s", r.Fact)
	printRemoved(r.Removed, line)
}

func printRemoved(removed []ledger.Removal, line func(string, string, ...any)) {
	for _, r := range removed {
		line("removed", "%s", views.Removed(r))
	}
}

// printOwed tells what became of a receipt that we owe or owed.
func (s tale) printOwed(m *ledger.OwedMDN, line func(string, string, ...any)) {
	switch {
	case m.Open:
		line("receipt", "owed to %s, next try %s, until %s", m.URL, when(m.Due), when(m.Deadline))
	default:
		line("receipt", "%s to %s %s", m.Outcome, m.URL, when(m.Done))
	}
	if m.Reason != "" {
		line("", "%s", m.Reason)
	}
	s.printAttempts(line)
}

func (s tale) printAttempts(line func(string, string, ...any)) {
	for _, a := range s.Attempts {
		line(fmt.Sprintf("attempt %d", a.N), "%s to %s: %s, HTTP %d, counted %v: %s", when(a.Opened), a.URL, a.Outcome, a.Status, a.Counted, a.Text)
	}
}

func (s tale) printTransfer(g *globals, line func(string, string, ...any)) {
	t := s.Transfer
	state := string(t.State)
	if t.Verdict != "" {
		state += ", " + string(t.Verdict)
	}
	if t.Hold != "" {
		state += ", held: " + t.Hold
	}
	fmt.Fprintf(g.out, "Transfer %s to %s: %s\n", t.Document, t.Partner, state)
	line("id", "%s", t.ID)
	line("message-id", "%s", t.MessageID)
	line("created", "%s", when(t.Created))
	switch {
	case t.State == ledger.StateWaiting:
		line("receipt", "awaited until %s, then the message is posted again", when(t.Due))
		line("gives up", "%s", when(t.Deadline))
	case t.State.Open():
		line("next", "%s", when(t.Due))
		line("gives up", "%s", when(t.Deadline))
	}
	if t.RetryOf != "" {
		line("retry of", "%s", t.RetryOf)
	}
	if t.FilePath != "" {
		line("filed", "%s", t.FilePath)
	}
	if t.Reason != "" {
		line("fact", "%s", t.Reason)
	}
	if t.Next != "" {
		line("what to do", "%s", t.Next)
	}
	for _, found := range outbox.Objections(t) {
		line("checks", "%s", found)
	}
	if t.Behind {
		line("order", "%s", "waits until the transfers before it are settled; as2drop ls says behind what")
	}
	if t.Blocks {
		line("order", "%s", "the transfers behind it wait for what becomes of it")
	}
	if t.RetriedAs != "" {
		line("retried as", "%s", t.RetriedAs)
	}
	printRemoved(t.Removed, line)
	if form := travelled(t); form != "" {
		line("travels as", "%s", form)
	}
	for _, m := range t.Members {
		line(string(m.Role), "%s (%d bytes, sha-256 %s)", m.Name, m.Size, m.SHA256)
	}
	for _, c := range t.Changed {
		line("changed", "%s by hook %s (%s, %d bytes, sha-256 %s)", c.Name, c.Hook, c.Role, c.Size, c.SHA256)
	}
	s.printAttempts(line)
}

// printHook tells what became of a hook that is or was owed.
func printHook(h *ledger.OwedHook, line func(string, string, ...any)) {
	text := fmt.Sprintf("%s %s: ", h.Kind, h.Name)
	switch {
	case h.Open && h.Running:
		text += fmt.Sprintf("is being run, run %d", h.Runs)
	case h.Open && h.Tries == 0:
		text += "to be run"
	case h.Open:
		text += fmt.Sprintf("failed %d times, is run again %s: %s", h.Tries, when(h.Due), h.Reason)
	default:
		text += fmt.Sprintf("%s %s, runs: %d", h.Outcome, when(h.Done), h.Runs)
		if h.Reason != "" {
			text += ": " + h.Reason
		}
	}
	line("hook", "%s", text)
}

// travelled says in which form the files of a transfer were sealed; empty = not yet, or by
// a version that did not record it.
func travelled(t *ledger.Transfer) string {
	var s as2.Sealed
	if json.Unmarshal(t.Sealed, &s) != nil || len(s.Files) == 0 {
		return ""
	}
	name := "without a name"
	if s.Files[0].Filename != "" {
		name = fmt.Sprintf("%q", s.Files[0].Filename)
	}
	root := fmt.Sprintf("%s (%s, %d bytes)", name, s.Files[0].ContentType, s.Files[0].Size)
	switch {
	case s.Files[0].SHA256 != "":
		return root + ", with its attachments inside, sha-256 " + s.Files[0].SHA256
	case len(s.Files) == 1:
		return root
	}
	return fmt.Sprintf("multipart/related of %d parts, the document first: %s", len(s.Files), root)
}
