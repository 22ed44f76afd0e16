package outbox

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// sealWith scans and seals one transfer after a change of the partner.
func sealWith(t *testing.T, change func(*Partner)) (*world, *Outbox, ledger.Transfer) {
	t.Helper()
	w, o := begin(t, accept)
	id := scan(t, o).Claimed[0]
	change(&o.p)
	for range 2 {
		if _, err := o.Step(context.Background(), id); err != nil {
			t.Fatal(err)
		}
	}
	return w, o, row(t, o, id)
}

// What can never be sealed with this config is held, once, with reason and remedy, and
// nothing is sent with less protection than configured. When the config is right again
// it goes on by itself.
func TestWhatCannotBeSealedIsHeld(t *testing.T) {
	right := Partner{}
	for name, c := range map[string]struct {
		change func(*Partner)
		says   string
	}{
		"nobody to encrypt to":            {func(p *Partner) { p.EncryptTo = nil }, "no certificate to encrypt to"},
		"nobody to encrypt to now":        {func(p *Partner) { p.EncryptTo = func(time.Time) *cms.Recipient { return nil } }, "no certificate to encrypt to"},
		"an empty recipient":              {func(p *Partner) { p.EncryptTo = func(time.Time) *cms.Recipient { return &cms.Recipient{} } }, "no certificate to encrypt to"},
		"nobody to sign":                  {func(p *Partner) { p.Sign = func(time.Time) *cms.Signer { return nil } }, "no certificate to sign with"},
		"a legacy cipher for version 1.3": {func(p *Partner) { p.Version, p.Cipher = "1.3", cms.DESEDE3CBC }, "des-ede3-cbc"},
		"SHA-1 for version 1.3": {func(p *Partner) {
			p.Version, p.Sign = "1.3", func(time.Time) *cms.Signer { return crashtest.Signer(testKeys()[0], cms.SHA1) }
		}, "sha1"},
		"a key that cannot be encrypted to": {func(p *Partner) {
			p.EncryptTo = func(time.Time) *cms.Recipient { return &cms.Recipient{Certificate: &x509.Certificate{}} }
		}, "RSA"},
		// The config has changed since it was claimed.
		"attachments without a form": {func(p *Partner) { p.Bundle = BundleNever }, "has attachments, and bundle: never"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, tr := sealWith(t, func(p *Partner) { right = *p; c.change(p) })
			if tr.State != ledger.StateClaimed || !strings.Contains(strings.ToLower(tr.Hold), strings.ToLower(c.says)) || tr.HoldBy != "agent" || tr.Next == "" {
				t.Fatalf("%s, held %q by %q, next %q", tr.State, tr.Hold, tr.HoldBy, tr.Next)
			}
			if again := carry(t, o, tr.ID); again.Version != tr.Version || w.partner.posts != 0 || codes(t, o, tr.ID) != "alarm seal" {
				t.Errorf("tried again: %s", codes(t, o, tr.ID))
			}
			if ok, _ := fsx.Exists(o.p.Folder, path.Join(o.work(&tr), messageFile)); ok {
				t.Error("a message is there")
			}
			clean(t, o)
			// The same config once more: one more try, one more alarm.
			must(o.Recover(context.Background()))
			if tr = carry(t, o, tr.ID); tr.Hold == "" {
				t.Errorf("%s: %s", tr.State, tr.Reason)
			}
			right.Policy, o.p = o.p.Policy, right
			must(o.Recover(context.Background()))
			carry(t, o, tr.ID)
			filed(t, o, tr.ID, ledger.VerdictAccepted)
		})
	}
}

// Faults of disk or random source pass: the step is repeated, nothing is held.
func TestFaultsWhileSealingPass(t *testing.T) {
	for name, spoil := range map[string]func(*Outbox){
		"disk full":            func(o *Outbox) { o.p.Folder = noRoom{o.p.Folder, "/" + messageFile} },
		"no spool":             func(o *Outbox) { o.p.Cipher, o.p.Folder = cms.AES128CCM, noRoom{o.p.Folder, spoolFile} },
		"a spool in no order":  func(o *Outbox) { o.p.Cipher, o.p.Folder = cms.AES128CCM, badSpool{o.p.Folder, false} },
		"a spool that is lost": func(o *Outbox) { o.p.Cipher, o.p.Folder = cms.AES128CCM, badSpool{o.p.Folder, true} },
		"no random bytes":      func(o *Outbox) { o.Rand = readerFunc(func([]byte) (int, error) { return 0, syscall.EIO }) },
		"an unreadable file":   func(o *Outbox) { o.p.Folder = noRoom{o.p.Folder, "/INV-1.xml"} },
		"no room for a record": func(o *Outbox) { o.p.Folder = noRoom{o.p.Folder, transferFile + ".part"} },
	} {
		t.Run(name, func(t *testing.T) {
			_, o := begin(t, accept)
			id := scan(t, o).Claimed[0]
			if _, err := o.Step(context.Background(), id); err != nil {
				t.Fatal(err)
			}
			whole, rand := o.p.Folder, o.Rand
			spoil(o)
			if _, err := o.Step(context.Background(), id); err == nil {
				t.Error("no error")
			}
			if tr := row(t, o, id); tr.State != ledger.StateClaimed || tr.Hold != "" {
				t.Errorf("%s, held %q", tr.State, tr.Hold)
			}
			o.p.Folder, o.Rand = whole, rand
			carry(t, o, id)
			filed(t, o, id, ledger.VerdictAccepted)
		})
	}
}

// noRoom is a disk that cannot open one file.
type noRoom struct {
	fsx.FS
	name string
}

func (n noRoom) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	if strings.HasSuffix(name, n.name) || strings.HasSuffix(name, n.name+".part") {
		return nil, syscall.ENOSPC
	}
	return n.FS.OpenFile(name, flag, perm)
}

// badSpool is a disk that takes nothing of a spool, or takes it and cannot give it back.
type badSpool struct {
	fsx.FS
	takes bool
}

func (b badSpool) OpenFile(name string, flag int, perm os.FileMode) (fsx.File, error) {
	f, err := b.FS.OpenFile(name, flag, perm)
	if err == nil && strings.HasSuffix(name, spoolFile) {
		f = badFile{f, b.takes}
	}
	return f, err
}

type badFile struct {
	fsx.File
	takes bool
}

func (b badFile) Write(p []byte) (int, error) {
	if b.takes {
		return b.File.Write(p)
	}
	return 0, syscall.EIO
}

func (b badFile) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

// Legacy algorithms leave a warning with each transfer.
func TestLegacyAlgorithmsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Partner)
		want   int
	}{
		"modern": {func(*Partner) {}, 0},
		"3DES":   {func(p *Partner) { p.Cipher = cms.DESEDE3CBC }, 1},
		"3DES and SHA-1": {func(p *Partner) {
			p.Cipher, p.Sign = cms.DESEDE3CBC, func(time.Time) *cms.Signer { return crashtest.Signer(testKeys()[0], cms.SHA1) }
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, o, tr := sealWith(t, c.change)
			if got := strings.Count(codes(t, o, tr.ID), "warning legacy-algorithm"); got != c.want || tr.State != ledger.StateSealed {
				t.Errorf("%s: %s", tr.State, codes(t, o, tr.ID))
			}
		})
	}
}

// What the config says of the message arrives in it.
func TestMessageIsMadeAsConfigured(t *testing.T) {
	var sealed as2.Sealed
	header := func(name string) string { return as2.Get(sealed.Header, name) }
	_, o, tr := sealWith(t, func(p *Partner) {
		p.Version, p.ContentType, p.Subject = "1.1", "application/edi-x12", "hello"
		p.Extra = []as2.Field{{Name: "X-Route", Value: "7"}}
		p.Quirks = as2.Quirks{OpaqueSignature: true, NoSignedAttributes: true, NoAlgorithmProtection: true}
		p.Cipher, p.EncryptTo = cms.NoCipher, nil
	})
	must(json.Unmarshal(tr.Sealed, &sealed))
	if header("AS2-Version") != "1.1" || header("Subject") != "hello" || header("X-Route") != "7" || !strings.Contains(header("Content-Type"), "signed-data") {
		t.Errorf("%v", sealed.Header)
	}
	body, err := fsx.ReadFile(o.p.Folder, path.Join(o.work(&tr), messageFile), 1<<20)
	must(err)
	if !bytes.Contains(body, []byte("Content-Type: application/edi-x12\r\n")) {
		t.Errorf("%q", body[:min(300, len(body))])
	}
	messageDigest := []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4} // the attribute's OID
	if bytes.Contains(body, messageDigest) {
		t.Error("there are signed attributes")
	}
	env, err := sealed.Envelope()
	must(err)
	ids := testKeys()
	if _, err := as2.Open(env, bytes.NewReader(body), discard, as2.OpenOptions{Trust: cms.Pinned(ids[0].Certificate), At: moment, RequireSigned: true}); err != nil {
		t.Errorf("it cannot be opened: %v", err)
	}
}

func discard(as2.Part) (io.WriteCloser, error) { return nopCloser{io.Discard}, nil }

// CCM needs the content twice; its spool lies with the files and is gone afterwards,
// also when a crash left one behind.
func TestSpoolOfCCM(t *testing.T) {
	_, o := begin(t, accept)
	o.p.Cipher = cms.AES256CCM
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	tr := row(t, o, id)
	spool := path.Join(o.work(&tr), spoolFile)
	must(fsx.Rewrite(o.p.Folder, spool, filePerm, []byte("left by a crash")))
	used := false
	o.p.Folder = hook(o.p.Folder, messageFile, func() { used, _ = fsx.Exists(o.p.Folder, spool) })
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if tr = row(t, o, id); tr.State != ledger.StateSealed || used {
		t.Errorf("%s, spool left: %v", tr.State, used)
	}
	clean(t, o)
	carry(t, o, id)
	filed(t, o, id, ledger.VerdictAccepted)
}

// A refusal by the hook files the dropped files and nothing of what an earlier try made.
func TestRefusedAfterACrash(t *testing.T) {
	_, o := begin(t, accept)
	o.p.BeforeSend = []BeforeSend{{Name: "never", Ask: refusing}}
	id := scan(t, o).Claimed[0]
	if _, err := o.Step(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	tr := row(t, o, id)
	must(fsx.Rewrite(o.p.Folder, path.Join(o.work(&tr), spoolFile), filePerm, []byte("x")))
	must(fsx.Rewrite(o.p.Folder, path.Join(o.work(&tr), messageFile), filePerm, []byte("x")))
	must(fsx.MkdirAll(o.p.Folder, o.evidence(&tr), dirPerm))
	carry(t, o, id)
	tr = filed(t, o, id, ledger.VerdictRefused)
	for _, name := range []string{path.Join(tr.FilePath, spoolFile), path.Join(tr.FilePath, messageFile), o.evidence(&tr)} {
		if ok, _ := fsx.Exists(o.p.Folder, name); ok {
			t.Errorf("%s is there", name)
		}
	}
}

func refusing(context.Context, Question) (Answer, string, error) {
	return Answer{Refuse: "not today"}, "", nil
}

// A partner changes his certificate: both are configured for a while, and nothing stops.
func TestRolloverWithoutDowntime(t *testing.T) {
	ids := testKeys()
	old, fresh := ids[1], ids[2]
	w, o, tr := beginAsync(t, withhold)
	o.p.Certificates = []*x509.Certificate{old.Certificate, fresh.Certificate}
	o.p.Trust = cms.Pinned(o.p.Certificates...)
	// Sealed with the old one; the receipt is signed by the new one already.
	if status := receive(t, o, tr, func(m *as2.MDNOptions) { m.Sign = crashtest.Signer(fresh, cms.SHA256) }); status != 200 {
		t.Fatal(status)
	}
	carry(t, o, tr.ID)
	tr = filed(t, o, tr.ID, ledger.VerdictAccepted)
	e, err := OpenEvidence(o.p.Folder, path.Join(evidenceDir, tr.ID))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Partner) != 2 || !e.Partner[0].Equal(old.Certificate) || !e.Partner[1].Equal(fresh.Certificate) {
		t.Errorf("%d certificates of the partner in the evidence", len(e.Partner))
	}
	// At the hour X the messages are encrypted to the new one, those on their way are not
	// touched.
	switchAt := w.now.Add(time.Hour)
	o.p.EncryptTo = func(at time.Time) *cms.Recipient {
		if at.Before(switchAt) {
			return &cms.Recipient{Certificate: old.Certificate}
		}
		return &cms.Recipient{Certificate: fresh.Certificate}
	}
	for _, c := range []struct {
		key, document string
		to            *x509.Certificate
	}{{"INV-2", "INV-2.xml", old.Certificate}, {"INV-3", "INV-3.xml", fresh.Certificate}} {
		w.write(path.Join(outboxDir, c.document), "<Next/>")
		next := carry(t, o, scan(t, o).Claimed[0])
		if len(next.Certificates) != 1 || next.Certificates[0] != fingerprint(c.to) {
			t.Errorf("%s: %s, sealed for %v", c.document, next.State, next.Certificates)
		}
		w.now = switchAt
	}
}

// The certificate that a message is sealed for leaves the config: held. It comes back:
// the same bytes go on, by themselves at the next start.
func TestCertificateThatComesBack(t *testing.T) {
	w, o := begin(t, busy, accept)
	id := scan(t, o).Claimed[0]
	first := carry(t, o, id)
	w.now = first.Due
	configured := o.p.Certificates
	o.p.Certificates = []*x509.Certificate{testKeys()[2].Certificate}
	tr := carry(t, o, id)
	if !strings.Contains(tr.Hold, "certificate") || tr.HoldCode != holdCertificate || tr.Posts != 1 {
		t.Fatalf("%s, held %q, %d posts", tr.State, tr.Hold, tr.Posts)
	}
	must(o.Recover(context.Background()))
	if again := carry(t, o, id); again.Version != tr.Version {
		t.Errorf("it went on without the certificate: %s", again.State)
	}
	o.p.Certificates = configured
	must(o.Recover(context.Background()))
	tr = carry(t, o, id)
	if tr = filed(t, o, id, ledger.VerdictAccepted); string(tr.Sealed) != string(first.Sealed) {
		t.Error("it was sealed anew")
	}
	if got := codes(t, o, id); !strings.Contains(got, "alarm certificate-gone, info hold-ended, info sent") {
		t.Errorf("events: %s", got)
	}
}

// Without a url nothing is sent; with one it goes on at the next start. What an operator
// holds stays held.
func TestHoldsAtTheNextStart(t *testing.T) {
	_, o := begin(t, accept)
	url := o.p.URL
	o.p.URL = ""
	id := scan(t, o).Claimed[0]
	if tr := carry(t, o, id); tr.HoldCode != holdURL {
		t.Fatalf("held %q", tr.Hold)
	}
	o.p.URL = url
	grantWish(t, o, ledger.WishHold, id)
	must(o.Recover(context.Background()))
	if tr := carry(t, o, id); tr.Hold != "wait" {
		t.Fatalf("held %q", tr.Hold)
	}
	grantWish(t, o, ledger.WishRelease, id)
	carry(t, o, id)
	filed(t, o, id, ledger.VerdictAccepted)
}

// Message-IDs have neither blanks nor control characters, whatever our AS2 name has: what
// does not fit is left out (rfc4130bis, 5.3.3).
func TestRightSideOfAMessageID(t *testing.T) {
	for name, want := range map[string]string{
		"ACME":         "as2drop.ACME",
		"ACME Corp, 1": "as2drop.ACMECorp1",
		"a.b-c":        "as2drop.a.b-c",
		`"q" <x>`:      "as2drop.qx",
	} {
		if got := host(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// An error that sealing itself answers a write with is none of the files: it would come
// again.
func TestErrorsOfThePayload(t *testing.T) {
	broken := errors.New("the message is too long for this cipher")
	for name, c := range map[string]struct {
		write, read error
		passes      bool
	}{"the cipher refuses": {broken, nil, false}, "the file cannot be read": {nil, syscall.EIO, true}} {
		p := &passing{}
		err := p.payload(func(w io.Writer) error {
			if c.read != nil {
				return c.read
			}
			_, err := w.Write([]byte("x"))
			return err
		})(writerFunc(func(b []byte) (int, error) { return 0, c.write }))
		if err == nil || (p.err != nil) != c.passes {
			t.Errorf("%s: %v, noted %v", name, err, p.err)
		}
	}
}
