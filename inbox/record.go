package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"unicode/utf8"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// maxKeys bounds how many new keys are tried for a batch whose names are taken.
const maxKeys = 1000

// record commits the intent to publish, with names that nothing has and the receipt.
func (r *request) record(ctx context.Context, row *ledger.Received) error {
	reply, by, err := r.receipt(as2.Processed, "")
	if err != nil {
		return err
	}
	if row.Receipt, err = json.Marshal(reply); err != nil {
		return err
	}
	r.receiptBy, r.reply = by, reply
	original := slices.Clone(row.Files)
	folder := row.Folder
	for n := 1; ; n++ {
		taken, err := taken(r.p, row)
		if err != nil {
			return err
		}
		if taken == "" {
			// Before it is committed, and so before a file moves: whoever has to rebuild the
			// ledger learns from it that the message was delivered, and under which names.
			if err := r.writeRecord(row); err != nil {
				return err
			}
			if err := r.settle(); err != nil {
				return err
			}
			if err := r.commit(ctx, r, row); !errors.Is(err, ledger.ErrExists) {
				return err
			}
			// The message itself cannot have come, the flight is ours: it is a name.
			if taken, err = r.reserved(ctx, row); err != nil {
				return err
			}
		}
		if r.p.RejectConflict {
			return as2.NewFault(as2.DuplicateFilename, "A file of this name was received before and is still there.", "name conflict: "+taken)
		}
		if n == maxKeys {
			return fmt.Errorf("inbox: %s: no free name for %q after %d tries", r.p.Name, row.Files[0].Final, n)
		}
		rekey(r.p, row, original, folder, n+1)
	}
}

// writeRecord writes message.json of an accepted message, behind all that it names. It is
// durable with settle.
func (r *request) writeRecord(row *ledger.Received) error {
	record := Record{Received: *row}
	record.SignedBy, record.ReceiptBy = r.signedBy(), r.receiptBy
	var err error
	if header := r.header(); r.stored == nil && utf8.Valid(header) {
		record.Header = string(header)
	} else if r.stored == nil {
		err = r.keepHeader() // JSON would say something else
	}
	body, berr := recordBody(record)
	if err = errors.Join(err, berr); err == nil {
		err = r.write(recordFile+partName, body)
	}
	if err == nil {
		err = r.syncFiles()
	}
	if err == nil {
		// A power cut that leaves the record, and not what it names, would have it say without
		// the ledger that somebody has taken those files from the inbox.
		err = r.p.Folder.SyncDir(incoming(r.id))
	}
	if err != nil {
		return err
	}
	name := path.Join(incoming(r.id), recordFile)
	return r.p.Folder.Replace(name+partName, name)
}

// signedBy is the certificate that signed the message.
func (r *request) signedBy() []byte {
	if r.opened.Signer == nil {
		return nil
	}
	return r.opened.Signer.Raw
}

// rekey gives a batch its n-th key.
func rekey(p *Partner, row *ledger.Received, original []ledger.ReceivedFile, folder string, n int) {
	if slices.ContainsFunc(original, func(f ledger.ReceivedFile) bool { return folder != "" || f.Folder != "" }) {
		if folder != "" {
			row.Folder = fmt.Sprintf("%s~%d", folder, n)
		}
		for i, f := range original {
			if f.Folder != "" {
				row.Files[i].Folder = fmt.Sprintf("%s~%d", f.Folder, n)
			}
		}
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

// taken is the first final name of the batch that is in use in the inbox, empty if none is.
func taken(p *Partner, row *ledger.Received) (string, error) {
	for _, name := range row.Places() {
		there, err := fsx.Exists(p.Folder, path.Join(inboxDir, name))
		if err != nil || there {
			return name, err
		}
	}
	return "", nil
}

// reserved is the first final name of the batch that another message is about to take,
// empty if none is.
func (r *request) reserved(ctx context.Context, row *ledger.Received) (name string, err error) {
	err = r.Ledger.View(ctx, func(tx *ledger.Tx) error {
		for _, n := range row.Places() {
			reserved, err := tx.NameReserved(r.p.Name, r.p.fold(n))
			if err != nil {
				return err
			}
			if reserved && name == "" {
				name = n
			}
		}
		return nil
	})
	return name, err
}

// insert commits the intent to publish, with events for what is worth knowing, and the
// receipt that is owed if the sender did not wait for it.
func (in *Inbox) insert(ctx context.Context, r *request, row *ledger.Received) error {
	return in.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := tx.InsertReceived(row, r.p.fold); err != nil {
			return err
		}
		for _, n := range row.Notes {
			if err := tx.AddEvent(r.event(row.ID, ledger.Warning, "received-note", "", "message %s: %s", row.MessageID, n)); err != nil {
				return err
			}
		}
		if err := tx.AddEvent(r.event(row.ID, ledger.Info, "received", "", "message %s: %s with %d files", row.MessageID, row.Key, len(row.Files))); err != nil {
			return err
		}
		return r.owe(tx, row.ID, row.Receipt, "accepted")
	})
}
