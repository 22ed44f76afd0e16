package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// related is a multipart/related message, written by hand: header of each part, empty
// line, content.
func related(id, start string, parts ...string) message {
	h := http.Header{}
	h.Set("AS2-From", "PARTNER")
	h.Set("AS2-To", "US")
	h.Set("Message-ID", id)
	h.Set("Disposition-Notification-To", "x")
	h.Set("Content-Type", `multipart/related; boundary=b; type="application/xml"; start="`+start+`"`)
	body := ""
	for _, p := range parts {
		body += "--b\r\n" + strings.ReplaceAll(p, "\n", "\r\n") + "\r\n"
	}
	return message{h, []byte(body + "--b--\r\n")}
}

// A message of several files is one batch (RFC 6362): its root is the document,
// whatever the names say, and all keep their names.
func TestSeveralParts(t *testing.T) {
	invoice := "Content-Type: application/xml; name=\"INV-1.xml\"\nContent-ID: <doc>\n\n<Invoice/>"
	scan := "Content-Type: application/pdf\nContent-Disposition: attachment; filename=\"INV-1_scan.pdf\"\n\n%PDF"
	zip := "Content-Type: application/zip\nContent-Disposition: attachment; filename=\"INV-1_all.zip\"\n\n" + string(zipped(map[string]string{"a.txt": "a"}))
	for name, c := range map[string]struct {
		change   func(*Partner)
		messages []message
		document string
		inbox    []string
	}{
		"a document and its scan":    {nil, []message{related("<1@x>", "<doc>", scan, invoice)}, "INV-1.xml", []string{"INV-1.xml", "INV-1_scan.pdf"}},
		"a zip among them":           {nil, []message{related("<1@x>", "<doc>", invoice, zip)}, "INV-1.xml", []string{"INV-1.xml", "INV-1_all.zip"}},
		"the root has another name":  {nil, []message{related("<1@x>", "<doc>", scan, "Content-Type: application/pdf; name=cover.pdf\nContent-ID: <doc>\n\n%PDF 2")}, "cover.pdf", []string{"INV-1_scan.pdf", "cover.pdf"}},
		"names speak for another":    {nil, []message{related("<1@x>", "<doc>", "Content-Type: application/pdf; name=cover.pdf\nContent-ID: <doc>\n\n%PDF 2", strings.ReplaceAll(invoice, "<doc>", "<x>"))}, "cover.pdf", []string{"INV-1.xml", "cover.pdf"}},
		"no root is named":           {nil, []message{related("<1@x>", "", invoice, scan)}, "INV-1.xml", []string{"INV-1.xml", "INV-1_scan.pdf"}},
		"twice the same name":        {nil, []message{related("<1@x>", "<doc>", invoice, scan, scan)}, "INV-1.xml", []string{"INV-1.xml", "INV-1_scan.pdf", "INV-1_scan~2.pdf"}},
		"names that climb":           {nil, []message{related("<1@x>", "<doc>", invoice, strings.ReplaceAll(scan, "INV-1_scan", "../../INV-1_scan"))}, "INV-1.xml", []string{"INV-1.xml", "_.._INV-1_scan.pdf"}},
		"the same names once more":   {nil, []message{related("<1@x>", "<doc>", scan, invoice), related("<2@x>", "<doc>", scan, invoice)}, "INV-1~2.xml", []string{"INV-1.xml", "INV-1_scan.pdf", "INV-1~2.xml", "INV-1~2_scan.pdf"}},
		"a folder per batch":         {func(p *Partner) { p.FolderPerBatch = true }, []message{related("<1@x>", "<doc>", scan, invoice)}, "INV-1.xml", []string{"INV-1/INV-1.xml", "INV-1/INV-1_scan.pdf"}},
		"as many as allowed":         {func(p *Partner) { p.Limits.Entries = 2 }, []message{related("<1@x>", "<doc>", scan, invoice)}, "INV-1.xml", []string{"INV-1.xml", "INV-1_scan.pdf"}},
		"a name as RFC 2231 has it":  {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, `name="INV-1.xml"`, "name*=utf-8''R%C3%BCckgabe%20%E2%82%AC.xml"))}, "Rückgabe €.xml", []string{"Rückgabe €.xml"}},
		"the same, in pieces":        {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, `name="INV-1.xml"`, "name*0*=utf-8''R%C3%BCck; name*1=gabe; name*2=.xml"))}, "Rückgabe.xml", []string{"Rückgabe.xml"}},
		"a name in Latin-1":          {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, `name="INV-1.xml"`, "name*=iso-8859-1'de'R%FCckgabe.xml"))}, "Rückgabe.xml", []string{"Rückgabe.xml"}},
		"a name as it is, in UTF-8":  {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, "INV-1.xml", "Rückgabe.xml"))}, "Rückgabe.xml", []string{"Rückgabe.xml"}},
		"a name as RFC 2047 has it":  {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, "INV-1.xml", "=?UTF-8?Q?R=C3=BCckgabe.xml?="))}, "Rückgabe.xml", []string{"Rückgabe.xml"}},
		"a reserved name of Windows": {nil, []message{related("<1@x>", "<doc>", strings.ReplaceAll(invoice, "INV-1.xml", "con.xml"))}, "_con.xml", []string{"_con.xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) {
				foreign(false)(p)
				if c.change != nil {
					c.change(p)
				}
			}
			o := send(t, w, c.messages...)
			if o.status != 200 || o.mdn == nil || o.mdn.Disposition != as2.Processed || !slices.Equal(o.inbox, c.inbox) {
				t.Fatalf("%d, %+v\n%q\n%v", o.status, o.mdn, o.inbox, o.refusals)
			}
			last := o.received[slices.IndexFunc(o.received, func(r ledger.Received) bool {
				return r.MessageID == as2.StripID(c.messages[len(c.messages)-1].header.Get("Message-ID"))
			})]
			for _, f := range last.Files {
				if f.Document != (f.Final == c.document) {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// The name is kept verbatim on record, whatever became of it on disk.
func TestForeignNamesAreOnRecord(t *testing.T) {
	w := newWorld(message{})
	w.change = foreign(false)
	o := send(t, w, related("<1@x>", "<doc>", "Content-Type: application/xml\nContent-ID: <doc>\nContent-Disposition: attachment; filename=\"a/b:c?.xml \"\n\n<x/>"))
	if f := o.received[0].Files[0]; f.Entry != "a/b:c?.xml " || f.Final != "a_b_c_.xml" {
		t.Errorf("%+v", f)
	}
}

// Parts without a name get one by what they are.
func TestPartsWithoutNames(t *testing.T) {
	var parts []string
	want := map[string]string{"application/xml": ".xml", "application/pdf": ".pdf", "image/png": ".png", "text/csv": ".csv", "application/x-unheard-of": ".bin"}
	for typ := range want {
		parts = append(parts, "Content-Type: "+typ+"\n\nx")
	}
	w := newWorld(message{})
	w.change = foreign(false)
	o := send(t, w, related("<1@x>", "", parts...))
	if len(o.received) != 1 || len(o.inbox) != len(want) {
		t.Fatalf("%q, %v", o.inbox, o.refusals)
	}
	for _, ext := range want {
		if !slices.ContainsFunc(o.inbox, func(n string) bool { return strings.HasPrefix(n, o.received[0].ID+"-") && filepath.Ext(n) == ext }) {
			t.Errorf("nothing ends with %s: %q", ext, o.inbox)
		}
	}
	w = newWorld(message{})
	w.change = foreign(false)
	m := related("<1@x>", "")
	m.header.Set("Content-Type", "application/edi-x12")
	if o = send(t, w, message{m.header, []byte("ISA*00*")}); len(o.inbox) != 1 || o.inbox[0] != o.received[0].ID+".x12" {
		t.Errorf("%q", o.inbox)
	}
}

// The limit on files holds for parts too.
func TestTooManyParts(t *testing.T) {
	w := newWorld(message{})
	w.change = func(p *Partner) { foreign(false)(p); p.Limits.Entries = 2 }
	part := "Content-Type: text/plain\n\nx"
	if o := send(t, w, related("<1@x>", "", part, part, part)); len(o.inbox) > 0 || len(o.refusals) != 1 || !strings.Contains(o.refusals[0].Fact, "more than 2 files") {
		t.Errorf("%q, %+v", o.inbox, o.refusals)
	}
}

// streamedCCM is a message whose content has no length.
func streamedCCM() message {
	body, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", "cms-bouncycastle-aes-128-ccm-stream", "message.der"))
	must(err)
	m := related("<1@x>", "")
	m.header.Set("Content-Type", "application/pkcs7-mime; smime-type=authEnveloped-data")
	m.header.Set("Disposition-Notification-Options", "signed-receipt-micalg=optional, sha-256")
	m.body = body
	return m
}

// A message without an end does not fill the volume beyond the reserve, although nothing of it
// can be opened before all of it is there.
func TestSpoolWithoutEnd(t *testing.T) {
	const reserve = 1 << 20
	m := streamedCCM()
	w := newWorld(message{})
	w.change = func(p *Partner) {
		foreign(false)(p)
		p.Ciphers, p.Reserve, p.EvidenceUpTo = []cms.Cipher{cms.AES128CCM}, reserve, 1
	}
	in := w.opened(t)
	volume := &filling{FS: in.names["acme"].Folder, free: reserve + 2*spaceEvery}
	in.names["acme"].Folder = volume
	const header = 420 // bytes before the content
	segments := strings.Repeat("\x04\x82\x10\x00"+strings.Repeat("x", 4096), 100)
	endless := io.MultiReader(bytes.NewReader(m.body[:header]), io.LimitReader(&again{segments, nil}, 1<<30))
	if reply := in.Receive(t.Context(), &as2.Message{Header: m.header, Body: endless, Length: -1}); reply.Status != 503 || volume.free < reserve {
		t.Errorf("%d %s, %d bytes are left", reply.Status, reply.Body, volume.free)
	}
}

// A disk that does not take a message until it can be opened is no fault of the message: it is
// asked for again, and not refused.
func TestSpoolOnAFullDisk(t *testing.T) {
	for name, broken := range map[string]func(fsx.FS) fsx.FS{
		"made":    func(f fsx.FS) fsx.FS { return badSpools{f, badFile{open: errNoRoom}} },
		"written": func(f fsx.FS) fsx.FS { return badSpools{f, badFile{write: errNoRoom}} },
		"read":    func(f fsx.FS) fsx.FS { return badSpools{f, badFile{read: errNoRoom}} },
		"removed": func(f fsx.FS) fsx.FS { return badSpools{f, badFile{end: errNoRoom}} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.fs = broken
			w.change = func(p *Partner) { foreign(false)(p); p.Ciphers = []cms.Cipher{cms.AES128CCM} }
			in := w.opened(t)
			if reply := post(in, streamedCCM()); reply.Status != 503 || len(recordOf(in.Ledger).refused) > 0 {
				t.Errorf("%d %s", reply.Status, reply.Body)
			}
		})
	}
}

var errNoRoom = errors.New("no space left on device")

// badSpools is a disk on which spools fail.
type badSpools struct {
	fsx.FS
	as badFile
}

func (b badSpools) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	if !strings.HasPrefix(filepath.Base(name), spoolName) {
		return b.FS.OpenFile(name, flag, perm)
	}
	f, err := b.FS.OpenFile(name, flag, perm)
	if err = errors.Join(err, b.as.open); err != nil {
		return nil, err
	}
	bad := b.as
	bad.File = f
	return bad, nil
}

type badFile struct {
	fsx.File
	open, write, read, end error
}

func (b badFile) Write(p []byte) (int, error) {
	if b.write != nil {
		return 0, b.write
	}
	return b.File.Write(p)
}

func (b badFile) ReadAt(p []byte, at int64) (int, error) {
	if b.read != nil {
		return 0, b.read
	}
	return b.File.ReadAt(p, at)
}

func (b badFile) Close() error { return errors.Join(b.File.Close(), b.end) }

// again reads a text again and again.
type again struct {
	text string
	left io.Reader
}

func (a *again) Read(p []byte) (int, error) {
	if a.left == nil {
		a.left = strings.NewReader(a.text)
	}
	n, err := a.left.Read(p)
	if err == io.EOF {
		a.left, err = nil, nil
	}
	return n, err
}

// CCM whose length is not stated goes through a spool in the staging folder, which is
// gone before anything is delivered.
func TestSpool(t *testing.T) {
	m := streamedCCM()
	w := newWorld(message{})
	var spools []string
	w.fs = func(f fsx.FS) fsx.FS {
		return watched{f, func(name string) {
			if strings.HasPrefix(filepath.Base(name), spoolName) {
				spools = append(spools, name)
			}
		}}
	}
	w.change = func(p *Partner) { foreign(false)(p); p.Ciphers = []cms.Cipher{cms.AES128CCM} }
	o := send(t, w, m)
	if len(o.inbox) != 1 || o.mdn == nil || !strings.HasPrefix(fmt.Sprintf("%x", o.mdn.MIC.Sum), "bfc72674e678f8de") || len(spools) != 1 || filepath.Dir(filepath.Dir(spools[0])) != incomingDir {
		t.Errorf("%q, spools %q, %v", o.inbox, spools, o.refusals)
	}
	for name := range w.disk.Tree() {
		if strings.Contains(name, spoolName) {
			t.Errorf("left over: %s", name)
		}
	}
}

// watched tells which files are opened.
type watched struct {
	fsx.FS
	tell func(string)
}

func (w watched) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	w.tell(name)
	return w.FS.OpenFile(name, flag, perm)
}
