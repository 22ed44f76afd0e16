package inbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// receive stages, opens and delivers one message. An error that is an *as2.Fault is
// the sender's; what is left in .incoming is the caller's to refuse or remove.
func (r *request) receive(ctx context.Context) (as2.Reply, error) {
	// A sender that hangs up must not tear an effect from its record.
	ctx = context.WithoutCancel(ctx)
	id, err := ledger.NewID(r.Now(), r.Rand)
	if err != nil {
		return as2.Reply{}, err
	}
	r.id = id
	opened, err := r.stage()
	var f *as2.Fault
	if err != nil && !errors.As(err, &f) {
		return as2.Reply{}, errors.Join(err, fsx.RemoveAll(r.p.Folder, incoming(id)))
	}
	if err != nil {
		return as2.Reply{}, err
	}
	known, err := r.known(ctx)
	if err != nil {
		return as2.Reply{}, err
	}
	if known != nil {
		return r.repeat(ctx, known, opened)
	}
	row, err := r.unpack(opened)
	if err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("after stage")
	if err := r.record(ctx, row, opened); err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("after received")
	if err := r.deliver(ctx, r.p, row); err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("before answer")
	r.Log.Info("received", "partner", r.p.Name, "id", row.ID, "message_id", row.MessageID, "key", row.Key, "files", len(row.Files))
	return storedReply(row)
}

// stage writes the opened payload, and up to a size the raw message, to .incoming/<id>
// and syncs them.
func (r *request) stage() (*as2.Opened, error) {
	dir := incoming(r.id)
	if err := fsx.MkdirAll(r.p.Folder, dir, dirPerm); err != nil {
		return nil, err
	}
	var header bytes.Buffer
	_ = r.m.Header.WriteSubset(&header, map[string]bool{"Authorization": true}) // a bytes.Buffer takes everything
	if err := fsx.Rewrite(r.p.Folder, path.Join(dir, headerFile), filePerm, header.Bytes()); err != nil {
		return nil, err
	}
	raw, err := r.create(path.Join(dir, rawFile))
	if err != nil {
		return nil, err
	}
	payload, err := r.create(path.Join(dir, payloadFile))
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	kept := &limitedTee{w: raw, left: r.p.EvidenceUpTo}
	body := io.TeeReader(r.m.Body, kept)
	opened, err := as2.Open(r.env, body, func(as2.Part) (io.WriteCloser, error) { return keepOpen{payload}, nil }, as2.OpenOptions{
		Identities: r.p.Identities, Trust: r.p.Trust, Ciphers: r.p.Ciphers, Digests: r.p.Digests, At: r.Now(), MaxPayload: r.p.MaxMessage,
		RequireSigned: r.p.RequireSigned, RequireEncrypted: r.p.RequireEncrypted,
	})
	var f *as2.Fault
	if errors.As(err, &f) {
		// The rest of the message belongs to the evidence, and the sender waits for its end.
		if _, cerr := io.Copy(io.Discard, body); cerr != nil {
			err = cerr
		}
	}
	for _, file := range []fsx.File{raw, payload} {
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if kept.left < 0 {
		err = errors.Join(err, fsx.RemoveAll(r.p.Folder, path.Join(dir, rawFile)))
	}
	if serr := r.p.Folder.SyncDir(dir); serr != nil {
		return nil, serr
	}
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (r *request) create(name string) (fsx.File, error) {
	return r.p.Folder.OpenFile(name, fsx.CreateNew, filePerm)
}

// keepOpen leaves a file open for its sync.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// limitedTee keeps the first bytes of a stream; left below zero says that it was longer.
type limitedTee struct {
	w    io.Writer
	left int64
}

func (l *limitedTee) Write(p []byte) (int, error) {
	if l.left < 0 {
		return len(p), nil
	}
	if l.left -= int64(len(p)); l.left < 0 {
		return len(p), nil
	}
	return l.w.Write(p)
}

// known is the row of an earlier copy of the message, or nil.
func (r *request) known(ctx context.Context) (*ledger.Received, error) {
	var row ledger.Received
	err := r.Ledger.View(ctx, func(tx *ledger.Tx) (err error) {
		row, err = tx.ReceivedByMessage(r.env.From, r.env.To, as2.StripID(r.env.MessageID))
		return err
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	return &row, err
}

// repeat answers a copy of a message that was taken before: the stored receipt if it
// is the same, refused if it is another one.
func (r *request) repeat(ctx context.Context, row *ledger.Received, opened *as2.Opened) (as2.Reply, error) {
	if !sameContent(row, opened) {
		return as2.Reply{}, as2.NewFault(as2.UnexpectedProcessing, "A different message with this Message-ID was received before.",
			"other content under the Message-ID of "+row.ID)
	}
	if err := fsx.RemoveAll(r.p.Folder, incoming(r.id)); err != nil {
		return as2.Reply{}, err
	}
	r.id = ""
	if row.State == ledger.ReceivedReceived {
		if err := r.publish(ctx, r.p, row); err != nil {
			return as2.Reply{}, err
		}
	}
	row.Repeats++
	err := r.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		return errors.Join(tx.SaveReceived(row, r.p.fold),
			tx.AddEvent(r.event(row.ID, ledger.Info, "repeat", "", "message %s came again and got the same receipt", r.env.MessageID)))
	})
	if err != nil {
		return as2.Reply{}, err
	}
	return storedReply(row)
}

// sameContent compares the digests that both have.
func sameContent(row *ledger.Received, opened *as2.Opened) bool {
	compared := false
	for _, m := range opened.MICs {
		if sum, ok := row.MICs[m.Digest.String()]; ok {
			if sum != base64.StdEncoding.EncodeToString(m.Sum) {
				return false
			}
			compared = true
		}
	}
	return compared
}

func storedReply(row *ledger.Received) (as2.Reply, error) {
	var reply as2.Reply
	err := json.Unmarshal(row.Receipt, &reply)
	return reply, err
}

// unpack turns the payload into staged files and plans their names.
func (r *request) unpack(opened *as2.Opened) (*ledger.Received, error) {
	row := &ledger.Received{
		ID: r.id, Partner: r.p.Name, Station: r.p.Station, From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID),
		State: ledger.ReceivedReceived, At: r.Now().UTC(), MICs: map[string]string{}, Layers: as2.LayerNames(opened.Layers), Notes: opened.Notes, Config: r.Config,
	}
	if opened.Signer != nil {
		row.Signer = opened.Signer.Subject.String()
	}
	for _, m := range opened.MICs {
		row.MICs[m.Digest.String()] = base64.StdEncoding.EncodeToString(m.Sum)
	}
	var err error
	if r.p.Unpack {
		err = r.unzip(row, opened)
		var broken *bundle.BrokenError
		if errors.As(err, &broken) {
			if !r.p.KeepBroken {
				return nil, as2.NewFault(as2.UnexpectedProcessing, "The zip could not be unpacked: "+broken.Error(), broken.Error())
			}
			row.Notes = append(row.Notes, "delivered whole, because it could not be unpacked: "+broken.Error())
			row.Files, err = nil, fsx.RemoveAll(r.p.Folder, path.Join(incoming(r.id), filesDir))
		}
	}
	if err == nil && row.Files == nil {
		row.Files, err = r.whole(opened)
	}
	if err != nil {
		return nil, err
	}
	r.plan(row)
	return row, nil
}

// whole delivers the payload as one file.
func (r *request) whole(opened *as2.Opened) ([]ledger.ReceivedFile, error) {
	f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), payloadFile), fsx.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	got, err := bundle.Copy(io.Discard, f, payloadFile, opened.Size)
	if err != nil {
		return nil, err
	}
	name := opened.Parts[0].Filename
	if name == "" {
		name = r.id + extension(opened.Parts[0].ContentType)
	}
	return []ledger.ReceivedFile{{Entry: name, Staged: payloadFile, Size: got.Size, SHA256: got.SHA256}}, nil
}

// extension is for payloads that come without a name.
func extension(contentType string) string {
	switch contentType {
	case "application/xml", "text/xml":
		return ".xml"
	case "application/edifact":
		return ".edi"
	case "application/edi-x12":
		return ".x12"
	case "application/zip":
		return ".zip"
	case "application/pdf":
		return ".pdf"
	}
	return ".bin"
}

// unzip unpacks the payload if it is a zip, each entry under a number.
func (r *request) unzip(row *ledger.Received, opened *as2.Opened) error {
	f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), payloadFile), fsx.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	if !isZip(f, opened) {
		return nil
	}
	dir := path.Join(incoming(r.id), filesDir)
	if err := fsx.MkdirAll(r.p.Folder, dir, dirPerm); err != nil {
		return err
	}
	entries, err := bundle.Unpack(f, opened.Size, r.p.Limits, func(i int, _ string) (io.WriteCloser, error) {
		out, err := r.create(path.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return nil, err
		}
		return syncedFile{out}, nil
	})
	if err != nil {
		return err
	}
	if err := r.p.Folder.SyncDir(dir); err != nil {
		return err
	}
	for i, e := range entries {
		row.Files = append(row.Files, ledger.ReceivedFile{Entry: e.Path, Staged: path.Join(filesDir, fmt.Sprint(i)), Final: e.Name, Size: e.Size, SHA256: e.SHA256})
	}
	return nil
}

// isZip goes by the first bytes; what is only called a zip is unpacked too, to be
// found broken.
func isZip(f io.ReaderAt, opened *as2.Opened) bool {
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0) // a shorter file is no zip
	if n == 4 && (string(magic[:]) == "PK\x03\x04" || string(magic[:]) == "PK\x05\x06") {
		return true
	}
	return opened.Parts[0].ContentType == "application/zip" || strings.EqualFold(path.Ext(opened.Parts[0].Filename), ".zip")
}

// syncedFile makes what was written durable when it is closed.
type syncedFile struct{ fsx.File }

func (s syncedFile) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// plan gives safe names and finds the document.
func (r *request) plan(row *ledger.Received) {
	names := make([]string, len(row.Files))
	used := map[string]bool{}
	for i := range row.Files {
		f := &row.Files[i]
		name := f.Final
		if name == "" {
			name = f.Entry
		}
		name = naming.Safe(name)
		for n := 2; used[r.p.fold(name)]; n++ { // two names became one
			name = r.p.Rules.Rekey([]string{naming.Safe(f.Entry)}, n)[0]
		}
		used[r.p.fold(name)] = true
		f.Final, names[i] = name, name
	}
	document, key, ok := r.p.Rules.Pair(names)
	row.Key = key
	if !ok {
		document, row.Key = names[len(names)-1], strings.TrimSuffix(names[0], path.Ext(names[0]))
		row.Notes = append(row.Notes, "no entry is the document for certain; all were delivered in the order of the zip")
	}
	for i := range row.Files {
		row.Files[i].Document = row.Files[i].Final == document
	}
	if r.p.FolderPerBatch {
		row.Folder = naming.Safe(row.Key)
	}
}

// maxKeys bounds how many new keys are tried for a batch whose names are taken.
const maxKeys = 1000

// record commits the intent to publish, with names that nothing has and the receipt.
func (r *request) record(ctx context.Context, row *ledger.Received, opened *as2.Opened) error {
	receipt, err := r.receipt(as2.Processed, opened, "")
	if err != nil {
		return err
	}
	if row.Receipt, err = json.Marshal(receipt); err != nil {
		return err
	}
	original := slices.Clone(row.Files)
	folder := row.Folder
	for n := 1; ; n++ {
		taken, err := r.taken(ctx, r.p, row)
		if err != nil {
			return err
		}
		if !taken {
			err := r.commit(ctx, r.p, row)
			if !errors.Is(err, ledger.ErrExists) {
				return err
			}
			// A name was reserved in between; the message itself cannot have come, the
			// flight is ours.
		}
		if r.p.RejectConflict {
			return as2.NewFault(as2.UnexpectedProcessing, "A file of this name was received before and is still there.", "name conflict: "+row.Files[0].Final)
		}
		if n == maxKeys {
			return fmt.Errorf("inbox: %s: no free name for %q after %d tries", r.p.Name, row.Files[0].Final, n)
		}
		rekey(r.p, row, original, folder, n+1)
	}
}

// rekey gives a batch its n-th key.
func rekey(p *Partner, row *ledger.Received, original []ledger.ReceivedFile, folder string, n int) {
	if folder != "" {
		row.Folder = fmt.Sprintf("%s~%d", folder, n)
		return
	}
	names := make([]string, len(original))
	for i, f := range original {
		names[i] = f.Final
	}
	for i, name := range p.Rules.Rekey(names, n) {
		row.Files[i].Final = naming.Safe(name)
	}
}

// taken reports whether a final name of the batch is in use.
func (in *Inbox) taken(ctx context.Context, p *Partner, row *ledger.Received) (bool, error) {
	names := []string{row.Folder}
	if row.Folder == "" {
		names = names[:0]
		for _, f := range row.Files {
			names = append(names, f.Final)
		}
	}
	for _, n := range names {
		if there, err := fsx.Exists(p.Folder, path.Join(inboxDir, n)); err != nil || there {
			return there, err
		}
	}
	var reserved bool
	err := in.Ledger.View(ctx, func(tx *ledger.Tx) error {
		for _, n := range names {
			r, err := tx.NameReserved(p.Name, p.fold(n))
			if err != nil {
				return err
			}
			reserved = reserved || r
		}
		return nil
	})
	return reserved, err
}

// insert commits the intent to publish, with events for what is worth knowing.
func (in *Inbox) insert(ctx context.Context, p *Partner, row *ledger.Received) error {
	e := ledger.Event{At: in.Now().UTC(), Partner: p.Name, Subject: row.ID}
	return in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := tx.InsertReceived(row, p.fold); err != nil {
			return err
		}
		for _, n := range row.Notes {
			e.Level, e.Code, e.Text = ledger.Warning, "received-note", "message "+row.MessageID+": "+n
			if err := tx.AddEvent(e); err != nil {
				return err
			}
		}
		e.Level, e.Code, e.Text = ledger.Info, "received", fmt.Sprintf("message %s: %s with %d files", row.MessageID, row.Key, len(row.Files))
		return tx.AddEvent(e)
	})
}

func (r *request) event(subject string, level ledger.Level, code, hint, format string, args ...any) ledger.Event {
	name := ""
	if r.p != nil {
		name = r.p.Name
	}
	return ledger.Event{At: r.Now().UTC(), Level: level, Partner: name, Subject: subject, Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}

// receipt builds the answer that was asked for (RFC 4130, 7.2).
func (r *request) receipt(d as2.Disposition, opened *as2.Opened, text string) (as2.Reply, error) {
	if !r.env.Receipt.Wanted {
		if d.Accepted() {
			return as2.Reply{Status: 200}, nil
		}
		return as2.Reply{Status: 400, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain; charset=utf-8"}}, Body: []byte(text + "\n")}, nil
	}
	id, err := ledger.NewID(r.Now(), r.Rand)
	if err != nil {
		return as2.Reply{}, err
	}
	o := as2.MDNOptions{
		From: r.env.To, To: r.env.From, MessageID: "<mdn-" + id + "@as2drop>", OriginalMessageID: r.env.MessageID, Recipient: r.env.Recipient,
		Disposition: d, Text: text, UserAgent: r.UserAgent, Date: r.Now(), Rand: r.Rand,
	}
	if d.Accepted() {
		o.Text = "The message was received, verified and stored."
	}
	signer := r.stations[r.env.To]
	if r.p != nil {
		signer = r.p.Sign
	}
	if r.env.Receipt.Signed && signer != nil {
		s := *signer(r.Now())
		s.Digest = cms.SHA256
		if opened != nil && len(opened.MICs) > 0 {
			s.Digest = opened.MICs[0].Digest
		}
		o.Sign = &s
	}
	if opened != nil && len(opened.MICs) > 0 {
		o.MIC = &opened.MICs[0]
	}
	h, body, err := as2.BuildMDN(o)
	return as2.Reply{Status: 200, Header: h, Body: body}, err
}
