package outbox

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// What the document travels as, written out by hand.
const (
	invoiceHeader = "Content-Type: application/xml\r\nContent-Transfer-Encoding: binary\r\nContent-Disposition: attachment; filename=\"INV-1.xml\"\r\n\r\n"
	invoiceLF     = "<Invoice>\n</Invoice>\n"
	invoiceCRLF   = "<Invoice>\r\n</Invoice>\r\n"
)

func micFor(d cms.Digest, text string) *as2.MIC {
	h := d.New()
	h.Write([]byte(text))
	return &as2.MIC{Digest: d, Sum: h.Sum(nil)}
}

// A partner states a MIC in a digest that we did not offer, or over something else than
// the RFCs name: what counts, what does not, and what the operator learns.
func TestMICsOfThePartner(t *testing.T) {
	plain := func(p *Partner) { p.Cipher, p.EncryptTo = cms.NoCipher, nil }
	unsigned := func(p *Partner) { p.Sign = nil }
	compressedOnly := func(p *Partner) { unsigned(p); p.Compress = as2.CompressBeforeSign }
	canonical := func(p *Partner) { p.Quirks.CanonicalMIC = true }
	for name, c := range map[string]struct {
		change  []func(*Partner)
		mic     *as2.MIC
		verdict ledger.Verdict // none = held
		says    string
		events  string
	}{
		"as the RFCs have it":           {nil, micFor(cms.SHA256, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info sent"},
		"SHA-512, encrypted":            {nil, micFor(cms.SHA512, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-1, encrypted":              {nil, micFor(cms.SHA1, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-224, not encrypted":        {[]func(*Partner){plain}, micFor(cms.SHA224, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-384, encrypted only":       {[]func(*Partner){unsigned}, micFor(cms.SHA384, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-512, plain: the body only": {[]func(*Partner){plain, unsigned}, micFor(cms.SHA512, invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-512, and wrong":            {nil, micFor(cms.SHA512, "something else"), ledger.VerdictRejected, micFor(cms.SHA512, invoiceHeader+invoiceLF).String(), "alarm failed"},
		"SHA-512, and our key is gone":  {[]func(*Partner){func(p *Partner) { p.Identities = nil }}, micFor(cms.SHA512, invoiceHeader+invoiceLF), "", "cannot be computed", "alarm held"},
		"SHA-512, GCM":                  {[]func(*Partner){func(p *Partner) { p.Cipher = cms.AES256GCM }}, micFor(cms.SHA512, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},
		"SHA-512, CCM":                  {[]func(*Partner){func(p *Partner) { p.Cipher = cms.AES256CCM }}, micFor(cms.SHA512, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info mic-digest, info sent"},

		"compressed and unsigned":              {[]func(*Partner){compressedOnly}, micFor(cms.SHA256, invoiceHeader+invoiceLF), ledger.VerdictAccepted, "processed", "info sent"},
		"compressed and unsigned, as OpenAS2":  {[]func(*Partner){compressedOnly}, micFor(cms.SHA256, invoiceLF), ledger.VerdictAccepted, "processed", "info mic-variant, info sent"},
		"the same, not encrypted":              {[]func(*Partner){compressedOnly, plain}, micFor(cms.SHA256, invoiceLF), ledger.VerdictAccepted, "processed", "info mic-variant, info sent"},
		"the same, and our key is gone":        {[]func(*Partner){compressedOnly, func(p *Partner) { p.Identities = nil }}, micFor(cms.SHA256, invoiceLF), "", "could not be compared", "alarm held"},
		"signed, without the header":           {nil, micFor(cms.SHA256, invoiceLF), ledger.VerdictRejected, "; his is over: ", "alarm failed"},
		"CRLF, not agreed":                     {nil, micFor(cms.SHA256, invoiceHeader+invoiceCRLF), ledger.VerdictRejected, "; his is over: ", "alarm failed"},
		"CRLF, agreed":                         {[]func(*Partner){canonical}, micFor(cms.SHA256, invoiceHeader+invoiceCRLF), ledger.VerdictAccepted, "processed", "warning mic-variant, info sent"},
		"CRLF, agreed, without the header":     {[]func(*Partner){canonical}, micFor(cms.SHA256, invoiceCRLF), ledger.VerdictRejected, "; his is over: ", "alarm failed"},
		"something else":                       {nil, micFor(cms.SHA256, "something else"), ledger.VerdictRejected, "no known way", "alarm failed"},
		"something else, and our key is gone":  {[]func(*Partner){func(p *Partner) { p.Identities = nil }}, micFor(cms.SHA256, "else"), ledger.VerdictRejected, "could not be compared", "alarm failed"},
		"something else, where CRLF is agreed": {[]func(*Partner){canonical}, micFor(cms.SHA256, "something else"), ledger.VerdictRejected, "no known way", "alarm failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(map[string]string{"INV-1.xml": invoiceLF}, accept)
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			o := w.outbox(l)
			id := scan(t, o).Claimed[0]
			o.p.Bundle = BundleNever
			for _, f := range c.change {
				f(&o.p)
			}
			o.p.Policy.quirks = o.p.Quirks
			o.Post = poster(func() (*as2.Answer, error) {
				h, body := receiptFor(t, row(t, o, id), func(m *as2.MDNOptions) { m.MIC = c.mic })
				return &as2.Answer{Status: 200, Header: h, Body: body}, nil
			})
			tr := carry(t, o, id)
			if tr.Verdict != c.verdict || !strings.Contains(tr.Reason, c.says) || (tr.Hold == "") != (c.verdict != "") || codes(t, o, id) != c.events {
				t.Errorf("%s %q: %s (%s)", tr.State, tr.Verdict, tr.Reason, codes(t, o, id))
			}
			if c.verdict == ledger.VerdictRejected && !strings.Contains(tr.Reason, c.mic.String()) {
				t.Errorf("the partner's MIC is not named: %s", tr.Reason)
			}
			if strings.HasPrefix(name, "CRLF, not agreed") && !strings.Contains(tr.Next, "canonical_mic") {
				t.Errorf("the remedy is not named: %s", tr.Next)
			}
			clean(t, o)
		})
	}
}

// The message of a given-up transfer lies with the evidence; a late receipt in another
// digest is held against it there.
func TestMICOfALateReceipt(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	giveUp(t, w, o, tr)
	var s as2.Sealed
	must(json.Unmarshal(tr.Sealed, &s))
	f, err := o.p.Folder.OpenFile(path.Join(o.evidence(&tr), messageFile), fsx.ReadOnly, 0)
	must(err)
	mic, err := as2.Recompute(&s, f, cms.SHA384, as2.OpenOptions{Identities: o.p.Identities})
	must(err)
	must(f.Close())
	receive(t, o, tr, func(m *as2.MDNOptions) { m.MIC = &mic })
	carry(t, o, tr.ID)
	filed(t, o, tr.ID, ledger.VerdictAccepted)
}

// Of several MICs the one counts whose digest we know; the others are not asked for.
func TestSeveralMICs(t *testing.T) {
	s := as2.Sealed{Signed: true, MICs: []as2.MIC{*micFor(cms.SHA256, "x")}}
	for name, c := range map[string]struct {
		mics []as2.MIC
		kind eventKind
	}{
		"ours second":         {[]as2.MIC{*micFor(cms.SHA1, "x"), *micFor(cms.SHA256, "x")}, settled},
		"ours second, wrong":  {[]as2.MIC{*micFor(cms.SHA1, "x"), *micFor(cms.SHA256, "y")}, asks},
		"none of ours":        {[]as2.MIC{*micFor(cms.SHA1, "x"), *micFor(cms.SHA512, "x")}, asks},
		"ours first, another": {[]as2.MIC{*micFor(cms.SHA256, "x"), *micFor(cms.SHA512, "y")}, settled},
	} {
		m := &as2.MDN{Signed: true, Disposition: as2.Processed, MIC: &c.mics[0], MICs: c.mics}
		if e := judgeMIC(s, answerFacts{mdn: m}, Policy{}, ""); e.kind != c.kind {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// What is odd about a receipt that counts is told.
func TestOddReceipts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*as2.MDNOptions)
		events string
	}{
		"a warning":         {func(m *as2.MDNOptions) { m.Disposition = as2.Warned("something") }, "warning receipt-warning, info sent"},
		"another recipient": {func(m *as2.MDNOptions) { m.From = "ACME-2" }, "warning odd-recipient, info sent"},
	} {
		t.Run(name, func(t *testing.T) {
			_, o, tr := beginAsync(t, withhold)
			receive(t, o, tr, c.change)
			carry(t, o, tr.ID)
			filed(t, o, tr.ID, ledger.VerdictAccepted)
			if got := codes(t, o, tr.ID); got != c.events {
				t.Errorf("events: %s", got)
			}
		})
	}
	t.Run("an expired certificate", func(t *testing.T) {
		w, o, tr := beginAsync(t, withhold)
		tr.Due = moment.AddDate(30, 0, 0)
		must(o.Ledger.Update(context.Background(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&tr) }))
		w.now = moment.AddDate(20, 0, 0)
		receive(t, o, tr, nil)
		if got := codes(t, o, tr.ID); got != "alarm certificate-expired, info sent" {
			t.Errorf("events: %s", got)
		}
	})
}
