package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	t.Settled, t.Due, t.Hold, t.HoldBy = now, now, "", ""
	if d.verdict.Sent() {
		t.FilePath = path.Join(sentDir, now.Format(time.DateOnly), o.folderName(t))
		more = append(more, o.event(t, ledger.Info, "sent", "", "%s: %s: %s", t.Document, t.Verdict, t.Reason))
	} else {
		t.FilePath = path.Join(failedDir, o.folderName(t))
		more = append(more, o.event(t, ledger.Alarm, "failed", t.Next, "%s: %s: %s", t.Document, t.Verdict, t.Reason))
	}
	if err := o.save(ctx, t, more...); err != nil {
		return err
	}
	failpoint.Hit("after verdict")
	return nil
}

// file completes the folder under .work and moves it to its place in one rename.
func (o *Outbox) file(ctx context.Context, t *ledger.Transfer) error {
	dir := o.work(t)
	there, err := fsx.Exists(o.p.Folder, dir)
	if err != nil {
		return err
	}
	if there {
		if err := o.complete(t, dir); err != nil {
			return err
		}
		failpoint.Hit("before filed")
		if err := fsx.MkdirAll(o.p.Folder, path.Dir(t.FilePath), dirPerm); err != nil {
			return err
		}
		if err := fsx.Move(o.p.Folder, dir, t.FilePath); err != nil {
			return err
		}
	} else if err := o.alreadyFiled(t); err != nil {
		return err
	}
	t.State, t.Filed = ledger.StateFiled, o.Now().UTC()
	return o.save(ctx, t)
}

// alreadyFiled makes sure that the folder at the target is the one of this transfer.
func (o *Outbox) alreadyFiled(t *ledger.Transfer) error {
	filed, err := o.readTransfer(t.FilePath)
	if err != nil {
		return fmt.Errorf("its folder is neither in %s nor in %s: %w", o.work(t), t.FilePath, err)
	}
	if filed.ID != t.ID {
		return fmt.Errorf("%s holds transfer %q", t.FilePath, filed.ID)
	}
	return nil
}

// complete puts into the folder what it is filed with, and moves evidence away. It
// may be repeated.
func (o *Outbox) complete(t *ledger.Transfer, dir string) error {
	if len(t.Receipt) > 0 {
		if err := fsx.Rewrite(o.p.Folder, path.Join(dir, receiptFile), filePerm, t.Receipt); err != nil {
			return err
		}
	}
	if !t.Verdict.Sent() {
		if err := fsx.Rewrite(o.p.Folder, path.Join(dir, whyFile), filePerm, []byte(why(t))); err != nil {
			return err
		}
	}
	if err := o.writeTransfer(t, dir); err != nil {
		return err
	}
	return o.keepEvidence(t, dir)
}

// keepEvidence moves answers and, up to a size, the sealed message to .evidence/<id>.
// A message that may have to be posted again is kept at any size.
func (o *Outbox) keepEvidence(t *ledger.Transfer, dir string) error {
	answers, message := path.Join(dir, answersDir), path.Join(dir, messageFile)
	if ok, err := fsx.Exists(o.p.Folder, answers); err != nil {
		return err
	} else if ok {
		if err := o.moveAnswers(t, answers); err != nil {
			return err
		}
	}
	info, err := o.p.Folder.Lstat(message)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // never sealed, or moved before a crash
	}
	if err != nil {
		return err
	}
	if t.Verdict != ledger.VerdictGaveUp && info.Size() > o.p.EvidenceUpTo {
		return fsx.RemoveAll(o.p.Folder, message)
	}
	if err := fsx.MkdirAll(o.p.Folder, o.evidence(t), dirPerm); err != nil {
		return err
	}
	return fsx.Move(o.p.Folder, message, path.Join(o.evidence(t), messageFile))
}

// moveAnswers moves them one by one: a transfer that was reopened has earlier ones there.
func (o *Outbox) moveAnswers(t *ledger.Transfer, answers string) error {
	entries, err := o.p.Folder.ReadDir(answers)
	if err != nil {
		return err
	}
	if err := fsx.MkdirAll(o.p.Folder, o.evidence(t), dirPerm); err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".part") {
			continue // a crash left it; it goes with the folder
		}
		if err := fsx.Move(o.p.Folder, path.Join(answers, e.Name()), path.Join(o.evidence(t), e.Name())); err != nil && !errors.Is(err, fsx.ErrGone) {
			return err
		}
	}
	return fsx.RemoveAll(o.p.Folder, answers)
}

// why is the text that an operator finds beside files that were not delivered.
func why(t *ledger.Transfer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s was not delivered to %s.\n\n", t.Document, t.Partner)
	fmt.Fprintf(&b, "Verdict: %s, %s\n", t.Verdict, t.Settled.Format("2006-01-02 15:04:05 UTC"))
	fmt.Fprintf(&b, "Fact:    %s\n", t.Reason)
	if t.Posts > 0 {
		fmt.Fprintf(&b, "Posted:  %d times, Message-ID %s\n", t.Posts, t.MessageID)
	} else {
		b.WriteString("Posted:  never\n")
	}
	switch {
	case t.Posts > 0 && t.Unknown && t.Verdict == ledger.VerdictGaveUp:
		b.WriteString("Careful: the partner may have received it. Ask before you send the files in another way;\n         retry uses the same Message-ID, so he can recognise it.\n")
	case t.Posts > 0 && t.Verdict == ledger.VerdictGaveUp:
		b.WriteString("         The partner did not receive it.\n")
	}
	b.WriteString("\nWhat to do:\n")
	if t.Next != "" {
		fmt.Fprintf(&b, "  - %s\n", strings.NewReplacer(" ID", " "+t.ID, " PARTNER", " "+t.Partner).Replace(t.Next))
	}
	fmt.Fprintf(&b, "  - then send it again:     as2drop retry %s\n", t.ID)
	fmt.Fprintf(&b, "  - see everything of it:   as2drop show %s\n", t.ID)
	b.WriteString("\nFiles:\n")
	for _, m := range t.Members {
		fmt.Fprintf(&b, "  %s (%s, %d bytes)\n", m.Name, m.Role, m.Size)
	}
	return b.String()
}
