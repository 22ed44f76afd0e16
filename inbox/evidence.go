package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/readable"
	"github.com/as2drop/as2drop/ledger"
)

// Record is message.json of an accepted message. A refused one has its header and receipt
// in files of their own, and so had all of earlier versions.
type Record struct {
	ledger.Received
	Header string `json:"header,omitempty"` // of the request; empty = it is in headers.txt
}

// ParseRecord reads message.json.
func ParseRecord(b []byte) (r Record, err error) {
	if err = json.Unmarshal(b, &r); err != nil || len(r.Receipt) == 0 {
		return r, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, r.Receipt) // as the ledger has it
	r.Receipt = compact.Bytes()
	return r, err
}

// Answer is the receipt as it was given: status line, header, body. nil = it is in a file of
// its own, or there is none.
func (r *Record) Answer() ([]byte, error) {
	if len(r.Receipt) == 0 {
		return nil, nil
	}
	reply, err := storedReply(r.Receipt)
	return rawAnswer(reply.Status, reply.Header, reply.Body), err
}

// keepRecord writes anew what is known of an accepted message. What the record says of the
// request stays.
func (in *Inbox) keepRecord(p *Partner, row *ledger.Received) error {
	record, err := readRecord(p, row.ID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	signed, receipt := record.SignedBy, record.ReceiptBy
	record.Received = *row
	if len(row.SignedBy)+len(row.ReceiptBy) == 0 {
		record.SignedBy, record.ReceiptBy = signed, receipt
	}
	if err := writeRecord(p, row.ID, record); err != nil {
		return err
	}
	return p.Folder.SyncDir(incoming(row.ID))
}

// readRecord reads the record of an accepted message in its staging folder.
func readRecord(p *Partner, id string) (Record, error) {
	b, err := fsx.ReadFile(p.Folder, path.Join(incoming(id), recordFile), maxKept)
	if err != nil {
		return Record{}, err
	}
	return ParseRecord(b)
}

// keepAccepted moves what is left of the staging folder of a published message to
// .evidence/<id>.
func (in *Inbox) keepAccepted(p *Partner, row *ledger.Received) error {
	base := incoming(row.ID)
	if there, err := strip(p, base); err != nil || !there {
		return err
	}
	// The record is there since before the first file moved. It says where they are, unless
	// something came in between.
	kept, err := readRecord(p, row.ID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || row.Hold != "" || !sameNames(&kept.Received, row) {
		if err := in.keepRecord(p, row); err != nil {
			return err
		}
	}
	if err := p.Folder.SyncDir(base); err != nil {
		return err
	}
	return toEvidence(p, row.ID)
}

// toEvidence moves a staging folder that holds nothing but evidence, durably. It need not
// be durable in .incoming that it is gone there: a folder has one name, and one that a power
// cut takes back is moved again.
func toEvidence(p *Partner, id string) error {
	err := fsx.MoveUnsynced(p.Folder, incoming(id), evidence(id))
	if errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		if err = fsx.MkdirAll(p.Folder, evidenceDir, dirPerm); err == nil {
			err = fsx.MoveUnsynced(p.Folder, incoming(id), evidence(id))
		}
	}
	if err != nil {
		return err
	}
	return p.Folder.SyncDir(evidenceDir)
}

// sameNames reports whether two rows say the same about the files of a message.
func sameNames(a, b *ledger.Received) bool {
	return a.Folder == b.Folder && slices.Equal(a.Files, b.Files)
}

// keepRefused keeps the message as it came, and throws away what was in it.
func (in *Inbox) keepRefused(p *Partner, row *ledger.Refusal) error {
	base := incoming(row.ID)
	if there, err := strip(p, base); err != nil || !there {
		return err
	}
	record := *row
	record.Receipt = nil
	if err := errors.Join(writeReceipt(p, row.ID, row.Receipt), writeRecord(p, row.ID, record)); err != nil {
		return err
	}
	if err := p.Folder.SyncDir(base); err != nil {
		return err
	}
	return toEvidence(p, row.ID)
}

// strip leaves in a staging folder what belongs to the evidence: header, and body up to a
// size. The folder is the caller's to sync.
func strip(p *Partner, base string) (there bool, err error) {
	there, err = fsx.Exists(p.Folder, base)
	if err != nil || !there {
		return there, err
	}
	return true, errors.Join(removeOpened(p.Folder, base), trimBody(p, base))
}

// writeReceipt writes the receipt as it is given. The folder is the caller's to sync.
func writeReceipt(p *Partner, id string, receipt []byte) error {
	if len(receipt) == 0 {
		return nil
	}
	reply, err := storedReply(receipt)
	if err != nil {
		return err
	}
	return fsx.RewriteUnsynced(p.Folder, path.Join(incoming(id), receiptFile), filePerm, rawAnswer(reply.Status, reply.Header, reply.Body))
}

// writeRecord writes message.json. The folder is the caller's to sync.
func writeRecord(p *Partner, id string, record any) error {
	body, err := recordBody(record)
	if err != nil {
		return err
	}
	return fsx.RewriteUnsynced(p.Folder, path.Join(incoming(id), recordFile), filePerm, body)
}

func recordBody(record any) ([]byte, error) { return readable.JSON(record) }

// trimBody removes the body of a stored message that is larger than what is kept.
func trimBody(p *Partner, base string) error {
	raw := path.Join(base, rawFile)
	info, err := p.Folder.Lstat(raw)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() <= p.EvidenceUpTo {
		return err
	}
	return p.Folder.Remove(raw)
}
