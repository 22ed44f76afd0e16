package inspection

import (
	"fmt"
	"io"

	"github.com/as2drop/as2drop/as2"
)

// maxReceipt bounds a receipt, in bytes.
const maxReceipt = 1 << 20

// OpenReceipt takes a receipt apart. The error says what it is if it is none.
func OpenReceipt(raw *Raw, k Keys) (*Receipt, error) {
	h := raw.Header
	b, err := io.ReadAll(io.LimitReader(raw.Body, maxReceipt))
	if err != nil {
		return nil, err
	}
	m, err := as2.ParseMDN(h, b, k.trust(as2.UnquoteName(h.Get("AS2-From"))), k.At)
	if err != nil {
		return nil, err
	}
	r := &Receipt{
		From: m.From, To: m.To, OriginalMessageID: m.OriginalMessageID, FinalRecipient: m.FinalRecipient, ReportingUA: m.ReportingUA,
		Disposition: m.DispositionText, Accepted: m.Disposition.Accepted(), Meaning: m.Disposition.Explain(), MIC: m.MICText,
		Text: m.Text, Details: m.Details, Signed: m.Signed, Claim: m.Claim, Layers: m.Layers, Notes: m.Notes, mics: m.MICs,
	}
	switch {
	case m.Signed:
		r.Signer, r.SignedBy, r.Digest, r.Scheme = m.Signer.Subject.String(), fingerprint(m.Signer), m.Digest.String(), m.Scheme.String()
	case m.Claim != "":
		r.Notes = append(r.Notes, k.noTrust(m.From)...)
	}
	return r, nil
}

// Compare inspects a message and a receipt for it, and says whether the receipt proves
// that this message arrived.
func Compare(message, receipt *Raw, k Keys, save as2.Sink) (*Report, error) {
	m, err := OpenMessage(message, k, save)
	if err != nil {
		return nil, err
	}
	r, err := OpenReceipt(receipt, k)
	if err != nil {
		return nil, fmt.Errorf("the receipt: %w", err)
	}
	return &Report{Start: message.Start, Message: m, Receipt: r, Match: m.Match(r)}, nil
}

// Match holds the MIC of a receipt against the message and, where it differs, finds out
// what the other side has hashed.
func (m *Message) Match(r *Receipt) *Match {
	x := m.examined
	switch {
	case as2.StripID(m.MessageID) != as2.StripID(r.OriginalMessageID):
		return &Match{Text: fmt.Sprintf("the receipt is for another message: %q, this is %q", r.OriginalMessageID, m.MessageID)}
	case r.MIC == "":
		return &Match{Text: "the receipt states no MIC, so it does not say what was received"}
	case len(r.mics) == 0:
		return &Match{Text: fmt.Sprintf("the receipt's MIC cannot be read: %q", r.MIC)}
	}
	theirs := r.mics[0]
	v, known := x.Explain(theirs)
	switch {
	case !known:
		ours, ok := as2.FindMIC(x.Opened.MICs, theirs.Digest)
		if !ok {
			return &Match{Text: fmt.Sprintf("the receipt's MIC is %q; this message could not be opened far enough to compute ours", theirs)}
		}
		return &Match{Text: fmt.Sprintf("the receipt's MIC is %q, ours is %q, and no known way to compute it gives the receipt's: other bytes were received", theirs, ours)}
	case v.Rule && v.MIC.Digest == theirs.Digest:
		return &Match{Equal: true, Over: v.Name, Text: fmt.Sprintf("the receipt's MIC is that of this message, over: %s", v.Name)}
	case v.Rule:
		return &Match{Over: v.Name, Text: fmt.Sprintf("the receipt's MIC is that of this message in %v, but the receipt calls it %v", v.MIC.Digest, theirs.Digest)}
	}
	rule := "what the RFCs name"
	if i := ruleOf(x); i >= 0 {
		rule = x.Variations[i].Name
	}
	return &Match{Over: v.Name, Text: fmt.Sprintf("the other side has the content and hashes something else: %s in %v; it should be: %s", v.Name, v.MIC.Digest, rule)}
}

func ruleOf(x *as2.Examination) int {
	for i, v := range x.Variations {
		if v.Rule {
			return i
		}
	}
	return -1
}

// noTrust says that a signature could not be held against anything.
func (k Keys) noTrust(name string) []string {
	if t := k.trust(name); len(t.Certificates) > 0 || len(t.Authorities) > 0 {
		return nil
	}
	return []string{fmt.Sprintf("no certificate of %q is known here, so no signature of his could be verified: name it with --trust, or a config that has it", name)}
}
