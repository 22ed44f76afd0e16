package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// settle commits a verdict with the place the files will be filed in.
func (o *Outbox) settle(ctx context.Context, t *ledger.Transfer, d decision, more ...func(*ledger.Tx) error) error {
	now := o.Now().UTC()
	t.State, t.Verdict, t.Reason, t.Next = ledger.StateSettled, d.verdict, d.reason, d.next
	t.Settled, t.Due = now, now
	endHold(t)
	t.Behind, t.Blocks = false, false
	t.Removed = lasting(t.Removed)
	switch {
	case d.verdict.Sent():
		t.FilePath = path.Join(sentDir, now.Format(time.DateOnly), o.folderName(t))
		more = append(more, o.event(t, ledger.Info, "sent", "", "%s: %s: %s", t.Document, t.Verdict, t.Reason))
	case d.dismissed:
		t.FilePath = path.Join(failedDir, o.folderName(t))
		more = append(more, o.event(t, ledger.Info, "operator-dismiss", "", "%s: %s: %s", t.Document, t.Verdict, t.Reason))
	default:
		t.FilePath = path.Join(failedDir, o.folderName(t))
		o.blocks(t)
		more = append(more, o.event(t, ledger.Alarm, "failed", t.Next, "%s: %s: %s", t.Document, t.Verdict, t.Reason))
	}
	if err := o.save(ctx, t, append(more, countVerdict(t))...); err != nil {
		return err
	}
	failpoint.Hit("after verdict")
	return nil
}

// countVerdict has the verdict counted that is committed.
func countVerdict(t *ledger.Transfer) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) error { tx.Settled(t); return nil }
}

// takenAway are the files of a given-up transfer that somebody took out of failed before
// a receipt came after all.
func (o *Outbox) takenAway(t *ledger.Transfer) (names []string, err error) {
	for _, m := range t.Members {
		there, err := fsx.Exists(o.p.Folder, path.Join(t.FilePath, m.Name))
		if err != nil {
			return nil, err
		}
		if !there {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// overtaken are the attempts that a receipt overtook: the verdict is there, nobody posts
// any more, and what came of the POST is not on record.
func (o *Outbox) overtaken(ctx context.Context, t *ledger.Transfer) (attempts []ledger.Attempt, err error) {
	if o.memo(t.ID).closed {
		return nil, nil // as this call has recorded
	}
	err = o.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { attempts, err = tx.Attempts(t.ID); return err })
	return slices.DeleteFunc(attempts, func(a ledger.Attempt) bool {
		return a.Outcome != ledger.OutcomeOpen && a.Outcome != ledger.OutcomeWaiting
	}), err
}

// closeAttempts closes those that a receipt overtook.
func (o *Outbox) closeAttempts(overtaken []ledger.Attempt) func(*ledger.Tx) error {
	return func(tx *ledger.Tx) (err error) {
		for _, a := range overtaken {
			a.Outcome, a.Counted, a.Closed, a.Text = ledger.OutcomeUnknown, true, o.Now().UTC(), "the receipt came before its answer was recorded"
			err = errors.Join(err, tx.CloseAttempt(a))
		}
		return err
	}
}

// takeBack moves a folder that a later receipt refiles back under .work, or makes sure
// that it is there to stay.
func (o *Outbox) takeBack(t *ledger.Transfer, dir string) error {
	if t.RefileFrom == "" {
		return nil
	}
	err := fsx.Move(o.p.Folder, t.RefileFrom, dir)
	if !errors.Is(err, fsx.ErrGone) {
		return err
	}
	if there, err := fsx.Exists(o.p.Folder, t.FilePath); err != nil || there {
		return err // it is at its new place
	}
	// Somebody took the whole folder away; the verdict gets one all the same.
	return fsx.MkdirAll(o.p.Folder, dir, dirPerm)
}

// complete puts into the folder what it is filed with, once the evidence is durable. It may
// be repeated. The folder is synced once, when it is complete: until it is moved to its place
// it counts for nothing.
//
// The transfer.json that says sealed is overwritten, not replaced, as the evidence has the
// new one and the message: a file that is removed for each document makes every new one
// expensive on ext4 without a journal, which passes over the inodes of those that were
// removed just now.
func (o *Outbox) complete(f *filing, dir string) error {
	t := f.t
	names, err := o.names(dir)
	if err != nil {
		return err
	}
	if err := o.removeFrom(dir, names, o.unfinished(t)...); err != nil {
		return err
	}
	if len(t.Receipt) > 0 {
		if err := o.write(path.Join(dir, receiptFile), t.Receipt); err != nil {
			return err
		}
	}
	if !t.Verdict.Sent() {
		if err := o.write(path.Join(dir, whyFile), []byte(why(t))); err != nil {
			return err
		}
	}
	body, err := recordJSON(f.body, nil)
	if err != nil {
		return err
	}
	record := path.Join(dir, transferFile)
	if len(t.Sealed) > 0 && slices.Contains(names, transferFile) {
		err = o.write(record, body)
	} else {
		err = fsx.RewriteUnsynced(o.p.Folder, record, filePerm, body)
	}
	if err != nil {
		return err
	}
	return o.p.Folder.SyncDir(dir)
}

// unfinished are files of the working folder that a verdict which did not last has left, or
// sealing that did not come to its end before an operator gave the transfer up.
func (o *Outbox) unfinished(t *ledger.Transfer) []string {
	names := []string{hookPart, transferFile + ".part", receiptFile + ".part", whyFile + ".part"}
	if t.Verdict.Sent() {
		names = append(names, whyFile)
	}
	if len(t.Changed) == 0 {
		names = append(names, changedDir)
	}
	if len(t.Sealed) == 0 {
		names = append(names, messageFile, messageFile+".part", spoolFile)
	}
	return names
}

// why is the text that an operator finds beside files that were not delivered.
func why(t *ledger.Transfer) string {
	var b strings.Builder
	perhaps := t.Posts > 0 && t.Unknown && t.Verdict == ledger.VerdictGaveUp
	if perhaps {
		fmt.Fprintf(&b, "It is not known whether %s was delivered to %s.\n\n", t.Document, t.Partner)
	} else {
		fmt.Fprintf(&b, "%s was not delivered to %s.\n\n", t.Document, t.Partner)
	}
	fmt.Fprintf(&b, "Verdict: %s, %s\n", t.Verdict, t.Settled.Format("2006-01-02 15:04:05 UTC"))
	fmt.Fprintf(&b, "Fact:    %s\n", t.Reason)
	if t.Posts > 0 {
		fmt.Fprintf(&b, "Posted:  %d times, Message-ID %s\n", t.Posts, t.MessageID)
	} else {
		b.WriteString("Posted:  never\n")
	}
	switch {
	case perhaps:
		b.WriteString("Careful: the partner may have received it. Ask before you send the files in another way;\n         retry uses the same Message-ID, so he can recognise it.\n")
	case t.Posts > 0 && t.Verdict == ledger.VerdictGaveUp:
		b.WriteString("         The partner did not receive it.\n")
	}
	if found := Objections(t); len(found) > 0 {
		b.WriteString("\nWhat the checks found:\n")
		for _, line := range found {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	b.WriteString("\nWhat to do:\n")
	again := "send it again:         "
	if t.Next != "" {
		fmt.Fprintf(&b, "  - %s\n", t.Next)
		again = "then send it again:    "
	}
	fmt.Fprintf(&b, "  - %s as2drop retry %s\n", again, t.ID)
	fmt.Fprintf(&b, "  - see everything of it:   as2drop show %s\n", t.ID)
	b.WriteString("\nFiles:\n")
	for _, m := range t.Members {
		fmt.Fprintf(&b, "  %s (%s, %d bytes)\n", m.Name, m.Role, m.Size)
	}
	for _, c := range t.Changed {
		fmt.Fprintf(&b, "  %s/%s (%s, %d bytes; made by the hook %s, to be sent in place of the file of that name, or beside the others)\n", changedDir, c.Name, c.Role, c.Size, c.Hook)
	}
	return b.String()
}
