package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

const sentRecord = outbox.EvidenceTransfer

func proveSent(dir fs.FS, record []byte, k inspection.Keys, temp Temp) (p *Proof, err error) {
	var t ledger.Transfer
	var sealed as2.Sealed
	if err := json.Unmarshal(record, &t); err != nil {
		return nil, fmt.Errorf("%s: %w", sentRecord, err)
	}
	if len(t.Sealed) > 0 {
		if err := json.Unmarshal(t.Sealed, &sealed); err != nil {
			return nil, fmt.Errorf("%s: %w", sentRecord, err)
		}
	}
	p = &Proof{ID: t.ID, Direction: "sent", MessageID: t.MessageID}
	certs, err := certificates(dir)
	if err != nil {
		return nil, err
	}
	m, err := p.sentMessage(dir, &t, trustOnly(k, cms.Pinned(certs.Station...)), temp)
	if err != nil {
		return nil, err
	}
	receipted, err := p.receipts(dir, m, &sealed, trustOnly(k, cms.Pinned(certs.Partner...)))
	if err != nil {
		return nil, err
	}
	switch {
	case p.failed():
		p.Conclusion = "the evidence contradicts itself: see the steps that FAILED"
	case !receipted:
		p.Conclusion = "not proven: no receipt here shows that the partner took this message"
	case m == nil:
		p.Conclusion = "the partner signed for the digest that was recorded when the message was sealed; the message itself was not kept, so the digest cannot be computed anew"
	default:
		p.Proven = true
		p.Conclusion = fmt.Sprintf("proven: the partner signed that he received exactly these %d files", len(p.Files))
	}
	return p, nil
}

func certificates(dir fs.FS) (outbox.EvidenceCerts, error) {
	b, err := fs.ReadFile(dir, outbox.EvidenceCertificates)
	if err != nil {
		return outbox.EvidenceCerts{}, err
	}
	return outbox.ParseEvidenceCerts(b)
}

// sentMessage opens what was sent. It returns nil if it was not kept or cannot be opened.
func (p *Proof) sentMessage(dir fs.FS, t *ledger.Transfer, k inspection.Keys, temp Temp) (m *inspection.Message, err error) {
	if _, err := fs.Stat(dir, outbox.EvidenceMessage); err != nil {
		p.step("message", Missing, "it was larger than evidence_up_to and not kept, or not filed yet")
		return nil, nil
	}
	header, err := fs.ReadFile(dir, outbox.EvidenceRequest)
	if err != nil {
		return nil, err
	}
	c := &contents{temp: temp}
	defer func() { err = errors.Join(err, c.close()) }()
	m, err = open(dir, header, outbox.EvidenceMessage, k, c)
	if err != nil {
		return nil, err
	}
	if as2.StripID(m.MessageID) != as2.StripID(t.MessageID) {
		p.step("message", Failed, "its header says Message-ID %q, the record says %q", m.MessageID, t.MessageID)
	}
	if len(m.Files) == 0 {
		p.step("message", Missing, "it could not be opened: %s", m.Fault)
		return nil, nil
	}
	p.signature(m, "we")
	if p.Files, err = c.files(m); err != nil {
		return nil, err
	}
	for _, member := range t.Members {
		if member.SHA256 == "" {
			continue // a marker: it was not sent
		}
		if !slices.ContainsFunc(p.Files, func(f File) bool { return f.SHA256 == member.SHA256 }) {
			p.step("files", Failed, "the record says that %q with SHA-256 %s was sent; it is not in the message", member.Name, member.SHA256)
		}
	}
	p.step("message", Proven, "opened from what went over the wire; %d files in it", len(p.Files))
	return m, nil
}

// receipts looks for one that proves reception among everything that was answered.
func (p *Proof) receipts(dir fs.FS, m *inspection.Message, sealed *as2.Sealed, k inspection.Keys) (proven bool, err error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), outbox.EvidenceAnswers) && !strings.HasPrefix(e.Name(), outbox.EvidenceReceipts) {
			continue
		}
		ok, err := p.receipt(dir, e.Name(), m, sealed, k)
		if err != nil {
			return false, err
		}
		proven = proven || ok
	}
	return proven, nil
}

func (p *Proof) receipt(dir fs.FS, name string, m *inspection.Message, sealed *as2.Sealed, k inspection.Keys) (proven bool, err error) {
	f, err := dir.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	raw, err := inspection.Read(f, nil)
	if err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	r, err := inspection.OpenReceipt(raw, k)
	switch {
	case err != nil:
		p.step(name, Shown, "%v", err)
		return false, nil
	case !r.Signed:
		p.step(name, Shown, "says %q, and has no signature that counts: %s", r.Disposition, orNone(r.Claim))
		return false, nil
	case !r.Accepted:
		p.step(name, Shown, "signed by %q: %q", r.Signer, r.Disposition)
		return false, nil
	}
	match := recorded(sealed, r)
	if m != nil {
		match = m.Match(r)
	}
	if !match.Equal {
		p.step(name, Shown, "signed by %q: %q, but %s", r.Signer, r.Disposition, match.Text)
		return false, nil
	}
	p.step(name, Proven, "%q, signed by %q, certificate SHA-256 %s; %s", r.Disposition, r.Signer, r.SignedBy, match.Text)
	return true, nil
}

// recorded holds a receipt against the digests taken when the message was sealed.
func recorded(sealed *as2.Sealed, r *inspection.Receipt) *inspection.Match {
	for _, theirs := range r.MICs() {
		if ours, ok := as2.FindMIC(sealed.MICs, theirs.Digest); ok && ours.Equal(theirs) {
			return &inspection.Match{Equal: true, Text: fmt.Sprintf("its MIC %q is the one recorded when the message was sealed", theirs)}
		}
	}
	return &inspection.Match{Text: fmt.Sprintf("its MIC %q is none of those recorded when the message was sealed", r.MIC)}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
