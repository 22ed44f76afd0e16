package evidence

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/ledger"
)

func proveReceived(folder fsx.FS, dir string, k inspection.Keys, temp Temp) (p *Proof, err error) {
	var row inbox.Record
	record, err := fsx.ReadFile(folder, path.Join(dir, inbox.EvidenceRecord), maxRecord)
	if err == nil {
		row, err = inbox.ParseRecord(record)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", inbox.EvidenceRecord, err)
	}
	p = &Proof{ID: row.ID, Direction: "received", MessageID: row.MessageID, Files: []File{}}
	if row.State == "" {
		p.Conclusion = "not proven: the message was refused"
		p.step("record", Shown, "the message was refused; as2drop inspect takes it apart")
		return p, nil
	}
	sender, err := trusted(row.SignedBy)
	if err != nil {
		return nil, fmt.Errorf("%s: signed_by: %w", inbox.EvidenceRecord, err)
	}
	ours, err := trusted(row.ReceiptBy)
	if err != nil {
		return nil, fmt.Errorf("%s: receipt_by: %w", inbox.EvidenceRecord, err)
	}
	m, signed, err := p.receivedMessage(folder, dir, &row.Received, trustOnly(k, sender), temp)
	if err != nil {
		return nil, err
	}
	if m != nil {
		if err := p.ourReceipt(folder, dir, &row, m, trustOnly(k, ours)); err != nil {
			return nil, err
		}
	}
	switch {
	case p.failed():
		p.Conclusion = "the evidence contradicts itself: see the steps that FAILED"
	case m == nil || !signed:
		p.Conclusion = "not proven: there is no signature of the sender here over what was received"
	default:
		p.Proven = true
		p.Conclusion = fmt.Sprintf("proven: the sender signed exactly these %d files", len(p.Files))
	}
	return p, nil
}

func trusted(der []byte) (cms.Trust, error) {
	if len(der) == 0 {
		return cms.Trust{}, nil
	}
	cert, err := x509.ParseCertificate(der)
	return cms.Pinned(cert), err
}

// receivedMessage opens what came. It returns nil if it was not kept or cannot be opened.
func (p *Proof) receivedMessage(folder fsx.FS, dir string, row *ledger.Received, k inspection.Keys, temp Temp) (m *inspection.Message, signed bool, err error) {
	header, body, err := receivedMessage(folder, dir)
	if errors.Is(err, fs.ErrNotExist) {
		p.step("message", Missing, "it was larger than evidence_up_to and not kept")
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer body.Close() // opened for reading: nothing can be lost
	c := &contents{temp: temp}
	defer func() { err = errors.Join(err, c.close()) }()
	m, err = open(header, body, k, c)
	if err != nil {
		return nil, false, err
	}
	if len(m.Files) == 0 {
		p.step("message", Missing, "it could not be opened: %s", m.Fault)
		return nil, false, nil
	}
	signed = p.signature(m, "the sender")
	if p.Files, err = c.files(m); err != nil {
		return nil, false, err
	}
	known := func(sum string) bool {
		return slices.ContainsFunc(p.Files, func(f File) bool { return f.SHA256 == sum })
	}
	if slices.ContainsFunc(row.Files, func(f ledger.ReceivedFile) bool { return !known(f.SHA256) }) {
		// Then it was not unpacked, or further than one zip.
		digests, err := c.digests(m)
		if err != nil {
			return nil, false, err
		}
		known = func(sum string) bool { return digests[sum] }
	}
	for _, delivered := range row.Files {
		if !known(delivered.SHA256) {
			p.step("files", Failed, "the record says that %q with SHA-256 %s was delivered; it is not in the message", delivered.Final, delivered.SHA256)
		}
	}
	p.step("message", Proven, "opened from what came over the wire; %d files in it", len(p.Files))
	return m, signed, nil
}

// ourReceipt shows what we have signed for.
func (p *Proof) ourReceipt(folder fsx.FS, dir string, row *inbox.Record, m *inspection.Message, k inspection.Keys) error {
	answer, err := row.Answer()
	if err != nil {
		return fmt.Errorf("%s: %w", inbox.EvidenceRecord, err)
	}
	if answer == nil {
		answer, err = fsx.ReadFile(folder, path.Join(dir, inbox.EvidenceReceipt), maxRecord)
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.step("receipt", Shown, "none was asked for")
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := inspection.Read(bytes.NewReader(answer), nil)
	if err != nil {
		return fmt.Errorf("our receipt: %w", err)
	}
	r, err := inspection.OpenReceipt(raw, k)
	switch {
	case errors.Is(err, as2.ErrNotMDN):
		p.step("receipt", Shown, "none was asked for")
		return nil
	case err != nil:
		return err
	}
	match := m.Match(r)
	switch {
	case !match.Equal:
		p.step("receipt", Failed, "ours: %q, but %s", r.Disposition, match.Text)
	case r.Claim != "":
		p.step("receipt", Failed, "ours: %q, but its signature does not verify: %s", r.Disposition, r.Claim)
	case r.Signed:
		p.step("receipt", Proven, "we signed with %q: %q; %s", r.Signer, r.Disposition, match.Text)
	default:
		p.step("receipt", Shown, "ours, unsigned: %q; %s", r.Disposition, match.Text)
	}
	return nil
}
