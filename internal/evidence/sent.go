package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// proveSent lets package outbox hold the receipts against the message, and adds who
// signed the message and what is in it.
func proveSent(folder fsx.FS, dir string, k inspection.Keys, temp Temp) (*Proof, error) {
	e, err := outbox.OpenEvidence(folder, dir)
	if err != nil {
		return nil, err
	}
	p := &Proof{ID: e.Transfer.ID, Direction: "sent", MessageID: e.Transfer.MessageID, Files: []File{}}
	kept, err := p.openSent(e, trustOnly(k, cms.Pinned(e.Station...)), temp)
	if err != nil {
		return nil, err
	}
	v := e.Verify(as2.OpenOptions{Identities: k.Identities, Spool: k.Spool})
	switch {
	case v.Message:
		p.step("message", Proven, "%s", v.Fact)
	case kept:
		p.step("message", Failed, "%s", v.Fact)
	default:
		p.step("message", Missing, "%s", v.Fact)
	}
	receipted := false
	for _, r := range v.Receipts {
		switch {
		case r.Accepts:
			receipted = true
			p.step(r.File, Proven, "signed by %q, certificate SHA-256 %s: %s", r.Signer, r.Certificate, r.Fact)
		case r.Signer != "":
			p.step(r.File, Shown, "signed by %q, and proves nothing: %s", r.Signer, r.Fact)
		default:
			p.step(r.File, Shown, "proves nothing: %s", r.Fact)
		}
	}
	switch {
	case p.failed():
		p.Conclusion = "the evidence contradicts itself: see the steps that FAILED"
	case !receipted:
		p.Conclusion = "not proven: no receipt here shows that the partner took this message"
	case !v.Proven:
		p.Conclusion = "not proven: the partner signed for the digest that was recorded when the message was sealed, but it cannot be computed from the message anew"
	default:
		p.Proven = true
		p.Conclusion = fmt.Sprintf("proven: the partner signed that he received exactly these %d files", len(p.Files))
	}
	return p, nil
}

// openSent opens what was sent. It reports false if it was not kept or cannot be
// opened; why says package outbox.
func (p *Proof) openSent(e *outbox.Evidence, k inspection.Keys, temp Temp) (opened bool, err error) {
	body, err := e.Message()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer body.Close() // opened for reading: nothing can be lost
	c := &contents{temp: temp}
	defer func() { err = errors.Join(err, c.close()) }()
	m, err := open(e.Head, body, k, c)
	if err != nil || len(m.Files) == 0 {
		return false, err
	}
	if as2.StripID(m.MessageID) != as2.StripID(e.Transfer.MessageID) {
		p.step("message", Failed, "its header says Message-ID %q, the record says %q", m.MessageID, e.Transfer.MessageID)
	}
	p.signature(m, "we")
	if p.Files, err = c.files(m); err != nil {
		return false, err
	}
	made := madeOf(&e.Transfer)
	if made != "" {
		inside, err := c.inside(m)
		if err != nil {
			return false, err
		}
		p.Files = append(p.Files, inside...)
	}
	sent := func(name string, role ledger.Role, sum string) {
		if made != "" && role == ledger.RoleDocument {
			sum = made // it was sent with the attachments in it
		}
		if !slices.ContainsFunc(p.Files, func(f File) bool { return f.SHA256 == sum }) {
			p.step("files", Failed, "the record says that %q with SHA-256 %s was sent; it is not in the message", name, sum)
		}
	}
	for _, member := range e.Transfer.Members {
		if member.SHA256 != "" && !e.Transfer.Replaced(member.Name) { // a marker has none
			sent(member.Name, member.Role, member.SHA256)
		}
	}
	for _, c := range e.Transfer.Changed {
		sent(c.Name, c.Role, c.SHA256)
	}
	return true, nil
}

// madeOf is the digest of the document that was made of a batch; empty where the files
// travelled as they were.
func madeOf(t *ledger.Transfer) string {
	var s as2.Sealed
	if json.Unmarshal(t.Sealed, &s) != nil || len(s.Files) == 0 {
		return ""
	}
	return s.Files[0].SHA256
}
