package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// opening are the options of somebody who has the station's key.
func opening() as2.OpenOptions { return as2.OpenOptions{Identities: []cms.Identity{testKeys()[0]}} }

// proven carries one transfer to its end and copies its evidence to an empty folder:
// what it proves it proves without ledger, config, and the rest of the partner's folder.
func proven(t *testing.T, o *Outbox, id string) fsx.FS {
	t.Helper()
	copied, err := fsx.OpenRoot(t.TempDir())
	must(err)
	t.Cleanup(func() { copied.Close() }) // only written to
	dir := path.Join(evidenceDir, id)
	must(fsx.MkdirAll(copied, dir, dirPerm))
	entries, err := o.p.Folder.ReadDir(dir)
	must(err)
	for _, e := range entries {
		body, err := fsx.ReadFile(o.p.Folder, path.Join(dir, e.Name()), 1<<20)
		must(err)
		must(fsx.Rewrite(copied, path.Join(dir, e.Name()), filePerm, body))
	}
	return copied
}

func names(t *testing.T, f fsx.FS, id string) string {
	t.Helper()
	entries, err := f.ReadDir(path.Join(evidenceDir, id))
	must(err)
	var list []string
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, receiptPrefix) {
			name = receiptPrefix + "*" + httpSuffix
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// The evidence alone proves message, MIC and signed receipt.
func TestEvidenceProves(t *testing.T) {
	t.Run("a receipt on the same connection", func(t *testing.T) {
		w, o := begin(t, lose, accept)
		tr := carry(t, o, scan(t, o).Claimed[0])
		w.now = tr.Due
		carry(t, o, tr.ID)
		filed(t, o, tr.ID, ledger.VerdictAccepted)
		f := proven(t, o, tr.ID)
		if got := names(t, f, tr.ID); got != "message transfer.json" {
			t.Errorf("the evidence is %s", got)
		}
		e, err := OpenEvidence(f, path.Join(evidenceDir, tr.ID))
		if err != nil {
			t.Fatal(err)
		}
		if e.Request.Get("Message-Id") != tr.MessageID || e.Request.Get("As2-To") != "ACME" || len(e.Partner) != 1 || len(e.Station) != 1 {
			t.Errorf("%v, %d and %d certificates", e.Request, len(e.Partner), len(e.Station))
		}
		if p := e.Verify(opening()); !p.Proven || !p.Message || len(p.Receipts) != 1 || !p.Receipts[0].Accepts {
			t.Errorf("%+v", p)
		}
		p := e.Verify(as2.OpenOptions{})
		if p.Proven || p.Message || !p.Receipts[0].Accepts || !strings.Contains(p.Fact, "cannot be opened") {
			t.Errorf("without the station's key: %+v", p)
		}
	})
	t.Run("a late receipt, and foreign ones beside it", func(t *testing.T) {
		w, o, tr := beginAsync(t, withhold)
		giveUp(t, w, o, tr)
		receive(t, o, tr, func(m *as2.MDNOptions) { m.Sign = crashtest.Signer(testKeys()[2], cms.SHA256) })
		receive(t, o, tr, nil)
		carry(t, o, tr.ID)
		filed(t, o, tr.ID, ledger.VerdictAccepted)
		f := proven(t, o, tr.ID)
		if got := names(t, f, tr.ID); got != "answer-1.http answer-2.http answer-3.http message receipt-*.http receipt-*.http transfer.json" {
			t.Errorf("the evidence is %s", got)
		}
		e, err := OpenEvidence(f, path.Join(evidenceDir, tr.ID))
		if err != nil {
			t.Fatal(err)
		}
		p := e.Verify(opening())
		accepts := 0
		for _, r := range p.Receipts {
			if r.Accepts {
				accepts++
			}
		}
		if !p.Proven || accepts != 1 || len(p.Receipts) != 5 {
			t.Errorf("%+v", p)
		}
	})
}

// Evidence that was changed, or that never proved anything, does not prove.
func TestEvidenceThatDoesNotProve(t *testing.T) {
	flip := func(name string) func(*testing.T, fsx.FS, string) {
		return func(t *testing.T, f fsx.FS, dir string) {
			body, err := fsx.ReadFile(f, path.Join(dir, name), 1<<20)
			must(err)
			body[len(body)/2] ^= 1
			must(fsx.Rewrite(f, path.Join(dir, name), filePerm, body))
		}
	}
	for name, c := range map[string]struct {
		receipt func(*as2.MDNOptions)
		setup   func(*Partner)
		change  func(*testing.T, fsx.FS, string)
		says    string
	}{
		"the message was changed": {nil, nil, flip(messageFile), "was changed"},
		"the message is gone": {nil, nil, func(t *testing.T, f fsx.FS, dir string) { must(fsx.RemoveAll(f, path.Join(dir, messageFile))) },
			"was not kept"},
		"the receipt is gone": {nil, nil, func(t *testing.T, f fsx.FS, dir string) {
			entries, err := f.ReadDir(dir)
			must(err)
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), receiptPrefix) {
					must(fsx.RemoveAll(f, path.Join(dir, e.Name())))
				}
			}
		}, ""},
		"the partner's certificate is another one": {nil, nil, func(t *testing.T, f fsx.FS, dir string) {
			reseal(f, dir, owned{"partner acme", testKeys()[2].Certificate})
		}, "does not count"},
		"the receipt rejects":                {rejecting, nil, nil, as2.DecryptionFailed},
		"the receipt has another MIC":        {func(m *as2.MDNOptions) { m.MIC = micFor(cms.SHA256, "else") }, nil, nil, "not the one of the message"},
		"the receipt is unsigned, as agreed": {func(m *as2.MDNOptions) { m.Sign = nil }, func(p *Partner) { p.Receipt.Signed = false }, nil, "proves nothing"},
		"the receipt has no MIC":             {func(m *as2.MDNOptions) { m.MIC = nil }, nil, nil, "no MIC"},
		"the station's certificate as partner's": {nil, nil, func(t *testing.T, f fsx.FS, dir string) {
			reseal(f, dir, owned{"station us", testKeys()[1].Certificate})
		}, "does not count"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(withhold)
			w.async = true
			l := w.ledger()
			t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
			o := w.outbox(l)
			if c.setup != nil {
				c.setup(&o.p)
			}
			tr := carry(t, o, scan(t, o).Claimed[0])
			if status := receive(t, o, tr, c.receipt); status != 200 {
				t.Fatal(status)
			}
			carry(t, o, tr.ID)
			f := proven(t, o, tr.ID)
			if c.change != nil {
				c.change(t, f, path.Join(evidenceDir, tr.ID))
			}
			e, err := OpenEvidence(f, path.Join(evidenceDir, tr.ID))
			if err != nil {
				t.Fatal(err)
			}
			p := e.Verify(opening())
			if p.Proven || !strings.Contains(fmt.Sprintf("%+v", p), c.says) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// reseal puts other certificates into the record of some evidence.
func reseal(f fsx.FS, dir string, certs ...owned) {
	name := path.Join(dir, transferFile)
	body, err := fsx.ReadFile(f, name, 1<<20)
	must(err)
	var r record
	must(json.Unmarshal(body, &r))
	r.SealedWith.Certificates = string(appendCertificates(nil, certs))
	body, err = transferJSON(&r.Transfer, r.SealedWith)
	must(err)
	must(fsx.Rewrite(f, name, filePerm, body))
}

// inManyFiles makes the evidence of a transfer what an earlier version wrote.
func inManyFiles(f fsx.FS, dir string) {
	body, err := fsx.ReadFile(f, path.Join(dir, transferFile), 1<<20)
	must(err)
	var r record
	must(json.Unmarshal(body, &r))
	var s as2.Sealed
	must(json.Unmarshal(r.Sealed, &s))
	with := r.SealedWith
	body, err = transferJSON(&r.Transfer, nil)
	must(err)
	for name, content := range map[string][]byte{transferFile: body, requestFile: requestHead(with.URL, &s), certificatesFile: []byte(with.Certificates), answerName(r.Posts): r.Receipt} {
		must(fsx.Rewrite(f, path.Join(dir, name), filePerm, content))
	}
}

// Evidence of an earlier version has a file for each thing, and proves as much.
func TestEvidenceInManyFiles(t *testing.T) {
	_, o := begin(t, accept)
	tr := carry(t, o, scan(t, o).Claimed[0])
	f, dir := proven(t, o, tr.ID), path.Join(evidenceDir, tr.ID)
	inManyFiles(f, dir)
	e, err := OpenEvidence(f, dir)
	if err != nil {
		t.Fatal(err)
	}
	if p := e.Verify(opening()); !p.Proven || len(p.Receipts) != 1 || p.Receipts[0].File != "answer-1.http" || e.Request.Get("Message-Id") != tr.MessageID || len(e.Station) != 1 {
		t.Errorf("%+v", p)
	}
	// Check wants all of them.
	inManyFiles(o.p.Folder, dir)
	clean(t, o)
	for _, name := range []string{requestFile, certificatesFile} {
		body, err := fsx.ReadFile(o.p.Folder, path.Join(dir, name), 1<<20)
		must(err)
		must(fsx.RemoveAll(o.p.Folder, path.Join(dir, name)))
		if found, err := o.Check(context.Background()); err != nil || len(found) != 1 || !strings.Contains(found[0].Fact, "a part of the evidence is missing") {
			t.Errorf("without %s: %+v, %v", name, found, err)
		}
		must(fsx.Rewrite(o.p.Folder, path.Join(dir, name), filePerm, body))
	}
}

// What an earlier version sealed and did not file is filed with the files that it wrote.
func TestEvidenceOfAnUpgrade(t *testing.T) {
	w, o, tr := beginAsync(t, withhold)
	var s as2.Sealed
	must(json.Unmarshal(tr.Sealed, &s))
	dir := o.evidence(&tr)
	must(fsx.MkdirAll(o.p.Folder, dir, dirPerm))
	must(fsx.Rewrite(o.p.Folder, path.Join(dir, requestFile), filePerm, requestHead(o.p.URL, &s)))
	must(fsx.Rewrite(o.p.Folder, path.Join(dir, certificatesFile), filePerm, appendCertificates(nil, []owned{{"partner acme", testKeys()[1].Certificate}, {"station us", testKeys()[0].Certificate}})))
	before := tr
	before.State = ledger.StateSealed
	must(o.writeTransfer(&before, o.work(&tr), nil))
	clean(t, o)
	// With its ledger lost, it is what the partner may have.
	lost := w.On(w.disk.Kill()).(*world)
	crashtest.PutBack(lost.disk, nil)
	mended, err := repair(lost)
	if err != nil || len(mended) == 0 || !strings.Contains(mended[0].Repair, "it is taken in, sealed") {
		t.Errorf("%+v, %v", mended, err)
	}
	receive(t, o, tr, nil)
	carry(t, o, tr.ID)
	clean(t, o)
	e, err := OpenEvidence(o.p.Folder, dir)
	if err != nil {
		t.Fatal(err)
	}
	if p := e.Verify(opening()); !p.Proven {
		t.Errorf("%+v", p)
	}
}

// Evidence that cannot be read is an error that names the file.
func TestEvidenceThatCannotBeRead(t *testing.T) {
	_, o := begin(t, accept)
	tr := carry(t, o, scan(t, o).Claimed[0])
	for _, name := range []string{transferFile, requestFile, certificatesFile, "answer-1.http"} {
		for what, content := range map[string]string{"empty": "", "garbage": "\x00\x01", "cut off": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"} {
			f := proven(t, o, tr.ID)
			inManyFiles(f, path.Join(evidenceDir, tr.ID))
			must(fsx.Rewrite(f, path.Join(evidenceDir, tr.ID, name), filePerm, []byte(content)))
			if e, err := OpenEvidence(f, path.Join(evidenceDir, tr.ID)); err == nil && (name != certificatesFile || len(e.Partner) > 0) {
				t.Errorf("%s, %s: no error", name, what)
			}
		}
	}
	if _, err := OpenEvidence(proven(t, o, tr.ID), "unknown"); err == nil {
		t.Error("no error for a transfer that is not there")
	}
}
