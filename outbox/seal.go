package outbox

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// seal makes the message in one pass: the files in their form, sign, encrypt, into
// .work/<id>/message.
// After a crash it is made again from nothing; once it is committed it is fixed for
// life.
func (o *Outbox) seal(ctx context.Context, t *ledger.Transfer) error {
	if waits, err := o.waitsForTurn(ctx, t); err != nil || waits {
		return err
	}
	dir := o.work(t)
	m := o.memo(t.ID)
	if m.made != nil {
		if m.made.by == o {
			return o.commitAhead(ctx, t, m.made)
		}
		// That it is claimed is committed with another message, which is made now.
		if err := o.p.Folder.SyncDir(outboxDir); err != nil {
			return err
		}
	}
	if !m.fresh {
		if err := o.forget(t, dir); err != nil {
			return err
		}
	}
	m.fresh = false // from here on it may have something
	if over, err := o.askHooks(ctx, t, dir); err != nil || over {
		return err
	}
	switch refused, err := o.runChecks(ctx, t, dir); {
	case err != nil:
		return err
	case refused:
		return o.refuse(ctx, t, dir, o.refusal(t))
	}
	options, blocked := o.sealOptions(t)
	if blocked != "" {
		return o.hold(ctx, t, unsealable(blocked))
	}
	return o.sealWith(ctx, t, dir, options)
}

// sealWith seals what may be sent.
func (o *Outbox) sealWith(ctx context.Context, t *ledger.Transfer, dir string, options as2.SealOptions) error {
	form, blocked, err := o.travels(t, dir)
	var fault *embedded.Error
	switch {
	case errors.As(err, &fault):
		return o.refuse(ctx, t, dir, unembeddable(t, fault))
	case err != nil:
		return err
	case blocked != "":
		return o.hold(ctx, t, unsealable(blocked))
	}
	if err := o.enough(o.sealedSize(form)); err != nil {
		return err
	}
	sealed, err := o.makeMessage(dir, form.files, options)
	if err == nil {
		err = o.sumReplaced(t, dir)
	}
	var changed *bundle.ChangedError
	var refused *refusedError
	switch {
	case errors.As(err, &changed):
		return o.undo(ctx, t, changed.Error())
	case errors.As(err, &refused):
		// It would come again each time with this config: no reason to try.
		return o.hold(ctx, t, unsealable(refused.Error()))
	case err != nil:
		return err
	}
	if undone, err := o.undoIfChanged(ctx, t, dir); err != nil || undone {
		return err
	}
	sealed.Files[0].SHA256 = form.made
	failpoint.Hit("after seal")
	known := o.sealingNow(options)
	if err := o.isSealed(t, sealed, options); err != nil {
		return err
	}
	if err := o.writeTransfer(t, dir, known); err != nil {
		return err
	}
	return o.commitSealed(ctx, t, sealed, known)
}

// refuse files a batch that must not be sent as it is; one that was not finished when it
// was looked at goes back.
func (o *Outbox) refuse(ctx context.Context, t *ledger.Transfer, dir string, d decision) error {
	if undone, err := o.undoIfChanged(ctx, t, dir); err != nil || undone {
		return err
	}
	return o.settle(ctx, t, d)
}

// undoIfChanged gives the files back if one of them is not as it was claimed. Who changed a
// file without changing its size did so before or after it was read.
func (o *Outbox) undoIfChanged(ctx context.Context, t *ledger.Transfer, dir string) (undone bool, err error) {
	for _, m := range t.Members {
		same, err := o.sameFile(m, path.Join(dir, m.Name))
		if err != nil {
			return false, err
		}
		if !same {
			return true, errors.Join(o.forget(t, dir), o.undo(ctx, t, fmt.Sprintf("%q was changed while it was being read", m.Name)))
		}
	}
	return false, nil
}

// isSealed notes on a transfer what its message is.
func (o *Outbox) isSealed(t *ledger.Transfer, sealed *as2.Sealed, options as2.SealOptions) (err error) {
	if t.Sealed, err = json.Marshal(sealed); err != nil {
		return err
	}
	t.Certificates = nil
	if len(options.Recipients) > 0 {
		t.Certificates = []string{fingerprint(options.Recipients[0].Certificate)}
	}
	t.State = ledger.StateSealed
	t.Due = o.p.Policy.allowed(o.Now()).UTC()
	return nil
}

// commitSealed commits what was sealed. Its transfer.json says so before, and so before it is
// posted: whoever has to rebuild the ledger learns from it that the partner may have the
// message. The sync of its folder is that of the message too.
func (o *Outbox) commitSealed(ctx context.Context, t *ledger.Transfer, sealed *as2.Sealed, known *sealing) error {
	more := append(o.warned(t), o.sameContent(t), o.openWithSealed(t, sealed))
	for _, n := range sealed.Notes {
		more = append(more, o.event(t, ledger.Warning, "legacy-algorithm", "agree on modern algorithms with the partner", "%s: %s", t.Document, n))
	}
	o.memo(t.ID).with = known
	return o.save(ctx, t, more...)
}

func unsealable(fact string) obstacle {
	return obstacle{holdSeal, "no message can be made of it: " + fact, "correct certificates, sign, encrypt, version or bundle in the config and restart, or: as2drop release ID"}
}

// forget removes what an earlier try left that did not come to its end. A transfer.json
// that says sealed says claimed again before that: beside the next message it would be one that
// the partner may have.
func (o *Outbox) forget(t *ledger.Transfer, dir string) error {
	t.Changed, t.Objections, t.MoreObjections = nil, nil, 0
	t.Sealed, t.Certificates = nil, nil // made ahead, and not committed
	names, err := o.names(dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, transferFile) {
		if err := o.writeTransfer(t, dir, nil); err != nil {
			return err
		}
	}
	if err := o.removeFrom(dir, names, messageFile, messageFile+".part", transferFile+".part", spoolFile, hookPart, changedDir); err != nil {
		return err
	}
	return o.removeEach(o.evidence(t)) // an earlier version wrote it before it was sealed
}

// names are what is in a folder, nothing where it is not there.
func (o *Outbox) names(dir string) ([]string, error) {
	names, err := o.p.Folder.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// removeFrom removes those of some names that are among the ones in a folder.
func (o *Outbox) removeFrom(dir string, there []string, names ...string) error {
	for _, name := range names {
		if slices.Contains(there, name) {
			if err := fsx.RemoveAll(o.p.Folder, path.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeEach removes those of some names that are there.
func (o *Outbox) removeEach(names ...string) error {
	for _, name := range names {
		there, err := fsx.Exists(o.p.Folder, name)
		if err == nil && there {
			err = fsx.RemoveAll(o.p.Folder, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refusedError is an error of sealing that is none of disk, files or random source.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// makeMessage seals into .work/<id>/message. The folder is not synced: the message counts
// for nothing before it is committed as sealed, and is made anew if it is not.
func (o *Outbox) makeMessage(dir string, files []as2.File, options as2.SealOptions) (*as2.Sealed, error) {
	passing := &passing{}
	for i := range files {
		files[i].Write = passing.payload(files[i].Write)
	}
	options.Rand = passing.reader(options.Rand)
	options.Spool = func() (cms.Spool, error) {
		s, err := fsx.NewSpool(o.p.Folder, path.Join(dir, spoolFile), filePerm)
		if err != nil {
			return nil, passing.note(err)
		}
		return cms.NotedSpool(s, passing.note), nil
	}
	var sealed *as2.Sealed
	err := fsx.WriteUnsynced(o.p.Folder, path.Join(dir, messageFile), filePerm, func(w io.Writer) (err error) {
		sealed, err = as2.SealFiles(passing.writer(w), files, options)
		if err != nil && passing.err == nil {
			return &refusedError{err}
		}
		return err
	})
	return sealed, err
}

// sealOptions are what the config says now. blocked says what is missing: a message is
// never less protected than configured.
func (o *Outbox) sealOptions(t *ledger.Transfer) (s as2.SealOptions, blocked string) {
	subject := o.p.Subject
	if subject == "" {
		subject = naming.Safe(t.Document)
	}
	now := o.Now()
	s = as2.SealOptions{
		From: o.p.StationAS2ID, To: o.p.AS2ID, MessageID: t.MessageID, Subject: ascii(subject), UserAgent: o.UserAgent, Date: now,
		Version: o.p.Version, Extra: o.p.Extra, Quirks: o.p.Quirks,
		Compress: o.p.Compress, Receipt: o.p.Receipt, ReceiptTo: o.p.StationAS2ID, Rand: o.Rand,
	}
	if o.p.Sign != nil {
		signer := o.p.Sign(now)
		if signer == nil || signer.Certificate == nil {
			return s, "the station has no certificate to sign with now"
		}
		s.Sign = signer
	}
	if o.p.Cipher == cms.NoCipher {
		return s, ""
	}
	var to *cms.Recipient
	if o.p.EncryptTo != nil {
		to = o.p.EncryptTo(now)
	}
	if to == nil || to.Certificate == nil {
		return s, "the partner has no certificate to encrypt to now"
	}
	s.Cipher, s.Recipients = o.p.Cipher, []cms.Recipient{*to}
	// For our own station too, so that what was sent can be opened later. Only RSA keys
	// can be encrypted to.
	if o.p.Own != nil && !o.p.Own.Equal(to.Certificate) && o.p.Own.PublicKeyAlgorithm == x509.RSA {
		s.Recipients = append(s.Recipients, cms.Recipient{Certificate: o.p.Own, Transport: to.Transport})
	}
	return s, ""
}

// ascii keeps a header line plain.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '_'
		}
		return r
	}, s)
}
