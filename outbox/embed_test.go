package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

const (
	ublHead = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"><cbc:ID>1</cbc:ID>`
	ublTail = `</Invoice>`
)

// takes is a batch whose document takes its attachment, and withScan what becomes of it.
var (
	takes    = map[string]string{"INV-1.xml": ublHead + ublTail, "INV-1_scan.pdf": "%PDF-1.7 scan"}
	withScan = ublHead + `<cac:AdditionalDocumentReference><cbc:ID>INV-1_scan.pdf</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="INV-1_scan.pdf">` +
		base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 scan")) + `</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>` + ublTail
)

// The partner gets one document, with the scan in it; on record are the files as they were
// dropped, and what was made of them.
func TestAttachmentsInTheDocument(t *testing.T) {
	o, tr := sealedWith(t, takes, func(p *Partner) { p.Bundle = BundleEmbedded })
	if tr.State != ledger.StateSealed {
		t.Fatalf("%s: %s", tr.State, tr.Reason)
	}
	parts, contents := seen(t, o, &tr)
	if len(parts) != 1 || parts[0].Filename != "INV-1.xml" || parts[0].ContentType != "application/xml" || contents[0] != withScan {
		t.Errorf("%+v: %q", parts, contents)
	}
	for _, m := range tr.Members {
		if m.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(takes[m.Name]))) {
			t.Errorf("%s: the digest on record is %q", m.Name, m.SHA256)
		}
	}
	var s as2.Sealed
	must(json.Unmarshal(tr.Sealed, &s))
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(withScan))); s.Files[0].SHA256 != want || s.Files[0].Size != int64(len(withScan)) {
		t.Errorf("on record is %+v, want %s", s.Files[0], want)
	}
}

// Room is asked for what is going to be written, not for what was dropped: base64 is longer,
// inside of the document and around it.
func TestRoomForBase64(t *testing.T) {
	plain := len(takes["INV-1.xml"]) + len(takes["INV-1_scan.pdf"])
	for _, c := range []struct {
		form   Bundle
		base64 bool
		needed int
	}{
		{BundleMultipart, false, plain},
		{BundleMultipart, true, plain + plain/3},
		{BundleEmbedded, false, len(withScan)},
		{BundleEmbedded, true, len(withScan) + len(withScan)/3},
	} {
		for free, want := range map[int]error{c.needed - 1: ErrNoSpace, c.needed: nil} {
			w := newWorldOf(takes, accept)
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			w.set = func(p *Partner) { p.Bundle, p.Quirks.PayloadBase64 = c.form, c.base64 }
			o := w.outbox(l)
			id := scan(t, o).Claimed[0]
			if _, err := o.Step(context.Background(), id); err != nil {
				t.Fatal(err)
			}
			w.disk.SetFree(uint64(free))
			if _, err := o.Step(context.Background(), id); !errors.Is(err, want) {
				t.Errorf("%s, in base64 %v, %d bytes free: %v", c.form, c.base64, free, err)
			}
		}
	}
}

// What cannot be embedded is filed under failed before anything is sent, with the file, the
// place, the cause and what to do; retry sends it after the config was changed.
func TestDocumentThatCannotTakeItsAttachments(t *testing.T) {
	signed := ublHead + `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>` + ublTail
	for name, c := range map[string]struct{ document, reason string }{
		"broken":       {ublHead + "\n<cbc:Note>R&D</cbc:Note>" + ublTail, `"INV-1.xml" cannot take its attachments: line 2, column 12: & begins no reference`},
		"another kind": {"<Invoice/>", `"INV-1.xml" cannot take its attachments: line 1, column 1: the document is <Invoice> in the namespace ""`},
		"signed":       {signed, `"INV-1.xml" cannot take its attachments: line 1, column 257: the document is signed`},
		"no XML":       {"UNA:+.? '\nUNB", `"INV-1.xml" cannot take its attachments: line 1, column 1: text before the root element`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(map[string]string{"INV-1.xml": c.document, "INV-1_scan.pdf": "%PDF"}, accept)
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			w.set = func(p *Partner) { p.Bundle = BundleEmbedded }
			o := w.outbox(l)
			id := scan(t, o).Claimed[0]
			carry(t, o, id)
			tr := filed(t, o, id, ledger.VerdictRefused)
			if w.partner.posts != 0 || !strings.HasPrefix(tr.FilePath, failedDir) || !strings.HasPrefix(tr.Reason, c.reason) || !strings.Contains(tr.Next, "another form for outbox.bundle") && name != "broken" {
				t.Errorf("%d posts, %s: %s -> %s", w.partner.posts, tr.FilePath, tr.Reason, tr.Next)
			}
			why, err := fsx.ReadFile(o.p.Folder, path.Join(tr.FilePath, whyFile), 1<<16)
			if err != nil || !strings.Contains(string(why), c.reason) {
				t.Errorf("%s, %v", why, err)
			}
			for _, m := range tr.Members {
				if there, err := fsx.Exists(o.p.Folder, path.Join(tr.FilePath, m.Name)); err != nil || !there {
					t.Errorf("%s is not in %s: %v", m.Name, tr.FilePath, err)
				}
			}
		})
	}
}

// A document that is still being written when it is looked at is not refused for what it
// lacks: it goes back to the outbox.
func TestDocumentThatWasNotFinished(t *testing.T) {
	w := newWorldOf(map[string]string{"INV-1.xml": ublHead, "INV-1_scan.pdf": "%PDF"}, accept)
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	w.set = func(p *Partner) { p.Bundle = BundleEmbedded }
	o := w.outbox(l)
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	w.write(path.Join(workDir, id, "INV-1.xml"), ublHead+" ")
	if tr := carry(t, o, id); tr.State != ledger.StateUndone || w.partner.posts != 0 {
		t.Errorf("%s: %s", tr.State, tr.Reason)
	}
}

// The refusal is found, committed and filed whatever happens in between, and nothing is
// ever posted.
func TestCrashMatrixOfARefusal(t *testing.T) {
	w := newWorldOf(dropped, accept)
	w.set = func(p *Partner) { p.Bundle = BundleEmbedded }
	unsent := func(cw crashtest.World) []string {
		problems := final(ledger.VerdictRefused, 0)(cw)
		if n := cw.(*world).partner.posts; n != 0 {
			problems = append(problems, fmt.Sprintf("%d posts", n))
		}
		return problems
	}
	r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: unsent, Faults: true})
	t.Logf("%d cases of %d", r.Cases, r.Left)
	for _, p := range r.Problems {
		t.Error(p)
	}
}
