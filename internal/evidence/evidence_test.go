package evidence

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/outbox"
)

// world is a station that is its own partner and has sent one batch to itself.
type world struct {
	sent, received fstest.MapFS
	keys           inspection.Keys
	err            error
}

var document = []byte("<Invoice/>")

// invoice takes attachments.
var invoice = []byte(`<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><cbc:ID xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">1</cbc:ID></Invoice>`)

// exchanged and invoiced run the real agent once for all tests.
var (
	exchanged = sync.OnceValue(func() world { return agentOnce("always", document) })
	invoiced  = sync.OnceValue(func() world { return agentOnce("embedded", invoice) })
)

func agentOnce(form string, document []byte) (w world) {
	dir, err := os.MkdirTemp("", "evidence-")
	if err != nil {
		return world{err: err}
	}
	defer os.RemoveAll(dir)
	w.err = w.exchange(dir, form, document)
	return w
}

func (w *world) exchange(dir, form string, document []byte) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	text := fmt.Sprintf(`data_dir: data
create_keys: true
listen: [{address: %q, certificate: tls.pem, key: tls.key}]
stations:
  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}
partners:
  us:
    as2_id: US
    station: us
    url: "https://%s/as2"
    certificates: us.pem
    server_certificates: tls.pem
    naming: {quiet: 0s}
    outbox: {bundle: %s}
`, address, address, form)
	if err := errors.Join(l.Close(), os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600)); err != nil {
		return err
	}
	var cfg *config.Config
	run := func() error {
		if cfg, err = config.Load(filepath.Join(dir, "config.yaml"), time.Now()); err != nil {
			return err
		}
		return agent.Run(context.Background(), cfg, agent.Options{Log: slog.New(slog.DiscardHandler), Version: "test", UntilIdle: true})
	}
	if err := run(); err != nil {
		return err
	}
	partner := filepath.Join(dir, "data", "partners", "us")
	for name, content := range map[string][]byte{"INV-1.xml": document, "INV-1_a.pdf": []byte("%PDF")} {
		if err := os.WriteFile(filepath.Join(partner, "outbox", name), content, 0o600); err != nil {
			return err
		}
	}
	if err := run(); err != nil {
		return err
	}
	pair := cfg.Stations[0].Keys[0]
	w.keys = inspection.Keys{Identities: []cms.Identity{{Certificate: pair.Certificate, Key: crypto.PrivateKey(pair.Key)}}, At: time.Now()}
	return w.load(os.DirFS(filepath.Join(partner, ".evidence")))
}

// load reads the two evidence folders into memory.
func (w *world) load(dir fs.FS) error {
	return fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		id, name, _ := strings.Cut(path, "/")
		b, err := fs.ReadFile(dir, path)
		if err != nil {
			return err
		}
		into := &w.sent
		if _, err := fs.Stat(dir, id+"/"+inbox.EvidenceRecord); err == nil {
			into = &w.received
		}
		if *into == nil {
			*into = fstest.MapFS{}
		}
		(*into)[name] = &fstest.MapFile{Data: b}
		return nil
	})
}

func prove(t *testing.T, files fstest.MapFS, k inspection.Keys) *Proof {
	t.Helper()
	path := t.TempDir()
	for name, f := range files {
		if err := os.WriteFile(filepath.Join(path, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := fsx.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() // nothing is written
	spools, err := fsx.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := spools.Close(); err != nil {
			t.Error(err)
		}
	})
	n := 0
	p, err := Prove(dir, ".", k, func() (TempFile, error) {
		n++
		return fsx.NewSpool(spools, fmt.Sprint(n), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := spools.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
	return p
}

// copyOf is a folder that a test may change.
func copyOf(m fstest.MapFS) fstest.MapFS {
	c := fstest.MapFS{}
	for name, f := range m {
		c[name] = &fstest.MapFile{Data: append([]byte(nil), f.Data...)}
	}
	return c
}

// edit changes the JSON of a record.
func edit[T any](t *testing.T, f *fstest.MapFile, change func(*T)) {
	t.Helper()
	var v T
	if err := json.Unmarshal(f.Data, &v); err != nil {
		t.Fatal(err)
	}
	change(&v)
	all, kept := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	b, err := json.Marshal(v)
	if err = errors.Join(err, json.Unmarshal(b, &all), json.Unmarshal(f.Data, &kept)); err != nil {
		t.Fatal(err)
	}
	if with := kept["sealed_with"]; with != nil { // no part of the row
		all["sealed_with"] = with
	}
	if f.Data, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
}

// apart makes the evidence what earlier versions kept, header and receipt in files of their
// own, before it is changed.
func apart(t *testing.T, change func(fstest.MapFS)) func(fstest.MapFS) {
	return func(m fstest.MapFS) {
		edit(t, m[inbox.EvidenceRecord], func(x *inbox.Record) {
			answer, err := x.Answer()
			must(t, err)
			m[inbox.EvidenceHeader], m[inbox.EvidenceReceipt] = &fstest.MapFile{Data: []byte(x.Header)}, &fstest.MapFile{Data: answer}
			x.Header, x.Receipt = "", nil
		})
		change(m)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What the agent keeps proves reception and origin; whatever is changed or missing in it
// ends the proof, and the step that ends it says why.
func TestProof(t *testing.T) {
	w := exchanged()
	if w.err != nil {
		t.Fatal(w.err)
	}
	none := func(fstest.MapFS) {}
	flip := func(name string) func(fstest.MapFS) {
		return func(m fstest.MapFS) { m[name].Data[len(m[name].Data)/2] ^= 1 }
	}
	remove := func(name string) func(fstest.MapFS) { return func(m fstest.MapFS) { delete(m, name) } }
	replace := func(name, old, new string) func(fstest.MapFS) {
		return func(m fstest.MapFS) {
			changed := strings.Replace(string(m[name].Data), old, new, 1)
			if changed == string(m[name].Data) {
				t.Errorf("%q is not in %s", old, name)
			}
			m[name].Data = []byte(changed)
		}
	}
	record := func(change func(*inbox.Record)) func(fstest.MapFS) {
		return func(m fstest.MapFS) { edit(t, m[inbox.EvidenceRecord], change) }
	}
	changed := func(x *inbox.Record) {
		var reply as2.Reply
		must(t, json.Unmarshal(x.Receipt, &reply))
		body := bytes.Replace(reply.Body, []byte("; processed"), []byte("; Processed"), 1)
		if bytes.Equal(body, reply.Body) {
			t.Errorf("no disposition is in %q", body)
		}
		reply.Body = body
		receipt, err := json.Marshal(reply)
		must(t, err)
		x.Receipt = receipt
	}
	for name, c := range map[string]struct {
		of     fstest.MapFS
		change func(fstest.MapFS)
		keys   inspection.Keys
		proven bool
		says   string
	}{
		"sent":                  {w.sent, none, w.keys, true, "exactly these 2 files"},
		"sent, message changed": {w.sent, flip("message"), w.keys, false, "contradicts itself"},
		"sent, message cut":     {w.sent, func(m fstest.MapFS) { m["message"].Data = m["message"].Data[:900] }, w.keys, false, "was changed"},
		"sent, message gone":    {w.sent, remove("message"), w.keys, false, "message itself was not kept"},
		"sent, no key":          {w.sent, none, inspection.Keys{At: w.keys.At}, false, "cannot be opened again"},
		"sent, receipt gone": {w.sent, func(m fstest.MapFS) {
			edit(t, m[outbox.EvidenceTransfer], func(x *ledger.Transfer) { x.Receipt = nil })
		}, w.keys, false, "no receipt here"},
		"sent, receipt changed": {w.sent, func(m fstest.MapFS) {
			edit(t, m[outbox.EvidenceTransfer], func(x *ledger.Transfer) {
				x.Receipt = bytes.Replace(x.Receipt, []byte("; processed"), []byte("; Processed"), 1)
			})
		}, w.keys, false, "does not count"},
		"sent, other Message-ID": {w.sent, replace(outbox.EvidenceTransfer, `"message_id": "\u003c`, `"message_id": "\u003cx`), w.keys, false, "FAILED"},
		"sent, certificate gone": {w.sent, func(m fstest.MapFS) {
			m[outbox.EvidenceTransfer].Data = bytes.ReplaceAll(m[outbox.EvidenceTransfer].Data, []byte("role: "), []byte("rule: "))
		}, w.keys, false, "does not verify with the certificates"},
		"sent, record of other file": {w.sent, func(m fstest.MapFS) {
			edit(t, m[outbox.EvidenceTransfer], func(x *ledger.Transfer) { x.Members[0].SHA256 = "00" })
		}, w.keys, false, "is not in the message"},
		"sent, an error page more": {w.sent, func(m fstest.MapFS) {
			m["answer-2.http"] = &fstest.MapFile{Data: []byte("HTTP/1.1 200\r\nContent-Type: text/html\r\n\r\n<html>")}
		}, w.keys, true, "text/html"},

		"received":                                        {w.received, none, w.keys, true, "the sender signed exactly these 2 files"},
		"received, message changed":                       {w.received, flip("raw"), w.keys, false, "contradicts itself"},
		"received, message gone":                          {w.received, remove("raw"), w.keys, false, "no signature of the sender"},
		"received, receipt gone":                          {w.received, record(func(x *inbox.Record) { x.Receipt = nil }), w.keys, true, "none was asked for"},
		"received, receipt changed":                       {w.received, record(changed), w.keys, false, "signature does not verify"},
		"received, sender unknown":                        {w.received, record(func(x *inbox.Record) { x.SignedBy = nil }), w.keys, false, "does not verify"},
		"received, record of other file":                  {w.received, record(func(x *inbox.Record) { x.Files[0].SHA256 = "00" }), w.keys, false, "is not in the message"},
		"received by an earlier version":                  {w.received, apart(t, none), w.keys, true, "the sender signed exactly these 2 files"},
		"received by an earlier version, receipt changed": {w.received, apart(t, replace("receipt.mdn", "; processed", "; Processed")), w.keys, false, "signature does not verify"},
		"received by an earlier version, receipt gone":    {w.received, apart(t, remove("receipt.mdn")), w.keys, true, "none was asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(c.of)
			c.change(dir)
			p := prove(t, dir, c.keys)
			var all strings.Builder
			for _, s := range p.Steps {
				fmt.Fprintln(&all, s.Outcome, s.What, s.Text)
			}
			if p.Proven != c.proven || !strings.Contains(all.String()+p.Conclusion, c.says) {
				t.Errorf("proven %v: %s\n%s", p.Proven, p.Conclusion, all.String())
			}
			if p.Proven && (len(p.Files) != 2 || p.Files[0].Name != "INV-1.xml" || p.Files[0].SHA256 != digest(document)) {
				t.Errorf("files %+v", p.Files)
			}
		})
	}
}

// A folder of something else is no evidence.
// Where the attachments were embedded, the document on record is the one that was made of
// them, and the attachments are found inside of it.
func TestProofOfEmbeddedAttachments(t *testing.T) {
	w := invoiced()
	if w.err != nil {
		t.Fatal(w.err)
	}
	record := func(change func(*ledger.Transfer, *as2.Sealed)) func(fstest.MapFS) {
		return func(m fstest.MapFS) {
			edit(t, m[outbox.EvidenceTransfer], func(x *ledger.Transfer) {
				var s as2.Sealed
				if err := json.Unmarshal(x.Sealed, &s); err != nil {
					t.Fatal(err)
				}
				change(x, &s)
				var err error
				if x.Sealed, err = json.Marshal(s); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		says   string // empty = proven
	}{
		"as it was":                      {func(fstest.MapFS) {}, ""},
		"another document":               {record(func(_ *ledger.Transfer, s *as2.Sealed) { s.Files[0].SHA256 = digest(invoice) }), `"INV-1.xml" with SHA-256 ` + digest(invoice) + " was sent; it is not in the message"},
		"another attachment":             {record(func(x *ledger.Transfer, _ *as2.Sealed) { x.Members[1].SHA256 = digest(document) }), `"INV-1_a.pdf" with SHA-256 ` + digest(document) + " was sent; it is not in the message"},
		"the files as they were dropped": {record(func(_ *ledger.Transfer, s *as2.Sealed) { s.Files[0].SHA256 = "" }), `"INV-1.xml" with SHA-256 ` + digest(invoice) + " was sent; it is not in the message"},
	} {
		dir := copyOf(w.sent)
		c.change(dir)
		p := prove(t, dir, w.keys)
		var all strings.Builder
		for _, s := range p.Steps {
			fmt.Fprintln(&all, s.Outcome, s.What, s.Text)
		}
		if p.Proven != (c.says == "") || !strings.Contains(all.String(), c.says) {
			t.Errorf("%s: proven %v: %s\n%s", name, p.Proven, p.Conclusion, all.String())
		}
		if p.Proven && (len(p.Files) != 2 || p.Files[0].Name != "INV-1.xml" || p.Files[1].Name != "INV-1_a.pdf" || p.Files[1].SHA256 != digest([]byte("%PDF"))) {
			t.Errorf("%s: files %+v", name, p.Files)
		}
	}
}

// What a hook made is in the message in place of the file that was dropped, and both are on
// record.
func TestProofOfWhatHooksMade(t *testing.T) {
	w := exchanged()
	if w.err != nil {
		t.Fatal(w.err)
	}
	dropped := digest([]byte("as dropped"))
	for name, c := range map[string]struct {
		changed []ledger.Changed
		says    string // empty = proven
	}{
		"the document":     {[]ledger.Changed{{Name: "INV-1.xml", Role: ledger.RoleDocument, SHA256: digest(document)}}, ""},
		"another document": {[]ledger.Changed{{Name: "INV-1.xml", Role: ledger.RoleDocument, SHA256: digest(invoice)}}, digest(invoice) + " was sent; it is not in the message"},
		"something else":   {[]ledger.Changed{{Name: "INV-1_b.pdf", Role: ledger.RoleAttachment, SHA256: digest([]byte("%PDF"))}}, dropped + " was sent; it is not in the message"},
		"nothing":          {nil, dropped + " was sent; it is not in the message"},
	} {
		dir := copyOf(w.sent)
		edit(t, dir[outbox.EvidenceTransfer], func(x *ledger.Transfer) {
			x.Members[0].SHA256, x.Changed = dropped, c.changed
		})
		p := prove(t, dir, w.keys)
		var all strings.Builder
		for _, s := range p.Steps {
			fmt.Fprintln(&all, s.Outcome, s.What, s.Text)
		}
		if p.Proven != (c.says == "") || !strings.Contains(all.String(), c.says) {
			t.Errorf("%s: proven %v: %s\n%s", name, p.Proven, p.Conclusion, all.String())
		}
	}
}

func TestNoEvidence(t *testing.T) {
	dir, err := fsx.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() // nothing is written
	if _, err := Prove(dir, ".", inspection.Keys{}, nil); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
