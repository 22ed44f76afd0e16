package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// seal makes the message in one pass: zip, sign, encrypt, into .work/<id>/message.
// After a crash it is made again from nothing; once it is committed it is fixed for
// life.
func (o *Outbox) seal(ctx context.Context, t *ledger.Transfer) error {
	if o.Hook != nil {
		refuse, err := o.Hook.BeforeSeal(ctx, *t)
		if err != nil {
			return err
		}
		if refuse != "" {
			return o.settle(ctx, t, decision{verdict: ledger.VerdictRefused, reason: refuse, next: "change the files and drop them again"})
		}
	}
	if err := o.enough(t.Size()); err != nil {
		return err
	}
	dir := o.work(t)
	message := path.Join(dir, messageFile)
	if err := fsx.RemoveAll(o.p.Folder, message); err != nil {
		return err
	}
	var sealed *as2.Sealed
	to := o.encryptTo()
	err := fsx.Publish(o.p.Folder, message, filePerm, func(w io.Writer) (err error) {
		sealed, err = as2.Seal(w, func(w io.Writer) error { return o.payload(t, dir, w) }, o.sealOptions(t, to))
		return err
	})
	var changed *bundle.ChangedError
	if errors.As(err, &changed) {
		return o.undo(ctx, t, changed.Error())
	}
	if err != nil {
		return err
	}
	// Who changed a file without changing its size did so before or after it was read.
	for _, m := range t.Members {
		same, err := o.sameFile(m, path.Join(dir, m.Name))
		if err != nil {
			return err
		}
		if !same {
			return errors.Join(fsx.RemoveAll(o.p.Folder, message), o.undo(ctx, t, fmt.Sprintf("%q was changed while it was being read", m.Name)))
		}
	}
	failpoint.Hit("after seal")
	if t.Sealed, err = json.Marshal(sealed); err != nil {
		return err
	}
	t.Certificates = nil
	if to != nil {
		t.Certificates = []string{fingerprint(to.Certificate)}
	}
	t.State = ledger.StateSealed
	t.Due = o.p.Policy.allowed(o.Now()).UTC()
	if err := o.save(ctx, t); err != nil {
		return err
	}
	return o.writeTransfer(t, dir)
}

// encryptTo is whom a message is encrypted to now; nil = nobody.
func (o *Outbox) encryptTo() *cms.Recipient {
	if o.p.Cipher == cms.NoCipher || o.p.EncryptTo == nil {
		return nil
	}
	return o.p.EncryptTo(o.Now())
}

// payload writes what is sealed: the zip, or the document alone.
func (o *Outbox) payload(t *ledger.Transfer, dir string, w io.Writer) error {
	if !o.zipped(t) {
		return o.single(t, dir, w)
	}
	var members []bundle.Member
	var index []int
	for i, m := range t.Members {
		if m.Role == ledger.RoleMarker {
			continue
		}
		members = append(members, bundle.Member{Name: m.Name, Size: m.Size, Modified: time.Unix(0, m.MTime),
			Open: func() (io.ReadCloser, error) {
				return o.p.Folder.OpenFile(path.Join(dir, m.Name), fsx.ReadOnly, 0)
			}})
		index = append(index, i)
	}
	written, err := bundle.Write(w, members)
	for i, x := range written {
		t.Members[index[i]].SHA256 = x.SHA256
	}
	return err
}

func (o *Outbox) single(t *ledger.Transfer, dir string, w io.Writer) error {
	m := &t.Members[0]
	f, err := o.p.Folder.OpenFile(path.Join(dir, m.Name), fsx.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	got, err := bundle.Copy(w, f, m.Name, m.Size)
	m.SHA256 = got.SHA256
	return err
}

// zipped reports whether the batch travels as a zip.
func (o *Outbox) zipped(t *ledger.Transfer) bool {
	attachments := 0
	for _, m := range t.Members {
		if m.Role == ledger.RoleAttachment {
			attachments++
		}
	}
	switch o.p.Bundle {
	case BundleNever:
		return false
	case BundleWithAttachments:
		return attachments > 0
	}
	return true
}

func (o *Outbox) sealOptions(t *ledger.Transfer, to *cms.Recipient) as2.SealOptions {
	subject := o.p.Subject
	if subject == "" {
		subject = naming.Safe(t.Document)
	}
	s := as2.SealOptions{
		From: o.p.StationAS2ID, To: o.p.AS2ID, MessageID: t.MessageID, Subject: ascii(subject), UserAgent: o.UserAgent, Date: o.Now(),
		ContentType: contentType(t.Document), Filename: t.Document,
		Compress: o.p.Compress, Receipt: o.p.Receipt, ReceiptTo: o.p.StationAS2ID, Rand: o.Rand,
	}
	if o.zipped(t) {
		s.ContentType, s.Filename = "application/zip", naming.BundleName(t.Key, t.ID)
	}
	if o.p.Sign != nil {
		s.Sign = o.p.Sign(o.Now())
	}
	if to != nil {
		s.Cipher, s.Recipients = o.p.Cipher, []cms.Recipient{*to}
		// For our own station too, so that what was sent can be shown later.
		if o.p.Own != nil && !o.p.Own.Equal(to.Certificate) {
			s.Recipients = append(s.Recipients, cms.Recipient{Certificate: o.p.Own})
		}
	}
	return s
}

// contentType goes by the extension.
func contentType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".xml":
		return "application/xml"
	case ".edi", ".edifact":
		return "application/edifact"
	case ".x12":
		return "application/edi-x12"
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	}
	return "application/octet-stream"
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
