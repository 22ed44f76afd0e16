package inbox

import (
	"encoding/json"
	"path"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// keepAccepted moves what is left of the staging folder of a published message to
// .evidence/<id>.
func (in *Inbox) keepAccepted(p *Partner, row *ledger.Received) error {
	record := *row
	record.Receipt = nil // it is in a file of its own
	return keep(p, row.ID, row.Receipt, record)
}

// keepRefused keeps the message as it came, and throws away what was in it.
func (in *Inbox) keepRefused(p *Partner, row *ledger.Refusal) error {
	record := *row
	record.Receipt = nil
	return keep(p, row.ID, row.Receipt, record)
}

// keep makes evidence of a staging folder: header, body up to a size, the receipt as it
// was given, and the record. It may be repeated.
func keep(p *Partner, id string, receipt []byte, record any) error {
	base := incoming(id)
	there, err := fsx.Exists(p.Folder, base)
	if err != nil || !there {
		return err
	}
	if err := removeOpened(p.Folder, base); err != nil {
		return err
	}
	if err := trimBody(p, base); err != nil {
		return err
	}
	if len(receipt) > 0 {
		reply, err := storedReply(receipt)
		if err != nil {
			return err
		}
		if err := fsx.Rewrite(p.Folder, path.Join(base, receiptFile), filePerm, rawAnswer(reply.Status, reply.Header, reply.Body)); err != nil {
			return err
		}
	}
	body, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	if err := fsx.Rewrite(p.Folder, path.Join(base, recordFile), filePerm, append(body, '\n')); err != nil {
		return err
	}
	return fsx.Move(p.Folder, base, evidence(id))
}

// trimBody removes the body of a stored message that is larger than what is kept.
func trimBody(p *Partner, base string) error {
	raw := path.Join(base, rawFile)
	there, err := fsx.Exists(p.Folder, raw)
	if err != nil || !there {
		return err
	}
	info, err := p.Folder.Lstat(raw)
	if err != nil || info.Size() <= p.EvidenceUpTo {
		return err
	}
	return fsx.RemoveAll(p.Folder, raw)
}
