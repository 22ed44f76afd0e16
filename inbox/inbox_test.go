package inbox

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

var moment, testKeys, must = crashtest.Moment, crashtest.Identities, crashtest.Must

func signerOf(id cms.Identity) func(time.Time) *cms.Signer {
	return func(time.Time) *cms.Signer { return crashtest.Signer(id, cms.SHA256) }
}

// message is one on the wire.
type message struct {
	header http.Header
	body   []byte
}

// seal makes a message from the partner.
func seal(payload []byte, change func(*as2.SealOptions)) message {
	ids := testKeys()
	o := as2.SealOptions{From: "ACME", To: "US", MessageID: "<1@acme>", Date: moment, ContentType: "application/zip", Filename: "INV-1.zip", UserAgent: "test",
		Sign: signerOf(ids[1])(moment), Cipher: cms.AES128CBC, Recipients: []cms.Recipient{{Certificate: ids[0].Certificate}},
		Receipt: as2.ReceiptRequest{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA256}}, ReceiptTo: "x"}
	if change != nil {
		change(&o)
	}
	var body bytes.Buffer
	s, err := as2.Seal(&body, func(w io.Writer) error { _, err := w.Write(payload); return err }, o)
	must(err)
	m := message{http.Header{}, body.Bytes()}
	for _, f := range s.Header {
		m.header.Add(f.Name, f.Value)
	}
	return m
}

var batch = map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_a.pdf": "%PDF a", "INV-1_b.png": "PNG b"}

func zipped(files map[string]string) []byte {
	var buf bytes.Buffer
	var members []bundle.Member
	for _, name := range slices.Sorted(maps.Keys(files)) {
		members = append(members, bundle.Member{Name: name, Size: int64(len(files[name])), Modified: moment,
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(files[name])), nil }})
	}
	_, err := bundle.Write(&buf, members)
	must(err)
	return buf.Bytes()
}

// world is a disk of ours with a sender who does not give up.
type world struct {
	disk    *simdisk.Disk
	seed    uint64
	message message
	receipt []byte // what the sender got; nil = nothing yet
	differs bool   // he got two different ones
	change  func(*Partner)
	fs      func(fsx.FS) fsx.FS
	mutate  func(*Inbox)
}

func newWorld(m message) *world {
	w := &world{disk: simdisk.New(), message: m}
	root := w.disk.Root("acme")
	for _, f := range append(Folders(), "ledger") {
		must(fsx.MkdirAll(root, f, 0o750))
	}
	l, err := w.ledger()
	must(err)
	must(l.Close())
	w.disk.SyncAll()
	return w
}

func (w *world) Disk() *simdisk.Disk { return w.disk }

func (w *world) On(d *simdisk.Disk) crashtest.World {
	c := *w
	c.disk = d
	return &c
}

func (w *world) ledger() (*ledger.Ledger, error) {
	vfs, prefix := w.disk.SQLite()
	return ledger.Open(prefix+"/ledger.db", ledger.Options{VFS: vfs})
}

func (w *world) inbox(l *ledger.Ledger) *Inbox {
	rules, err := naming.Compile(naming.DefaultConfig())
	must(err)
	ids := testKeys()
	p := Partner{Name: "acme", AS2ID: "ACME", Station: "us", StationAS2ID: "US", Folder: w.disk.Root("acme"), Rules: rules,
		Identities: []cms.Identity{ids[0]}, Trust: cms.Pinned(ids[1].Certificate), Sign: signerOf(ids[0]),
		RequireSigned: true, RequireEncrypted: true, Unpack: true, KeepBroken: true, EvidenceUpTo: 1 << 20}
	if w.fs != nil {
		p.Folder = w.fs(p.Folder)
	}
	if w.change != nil {
		w.change(&p)
	}
	w.seed++
	in := New(Deps{Ledger: l, Now: func() time.Time { return moment }, Rand: mathrand.NewChaCha8([32]byte{byte(w.seed), byte(w.seed >> 8)}), Log: slog.New(slog.DiscardHandler), Config: "c", UserAgent: "test"}, []Partner{p})
	if w.mutate != nil {
		w.mutate(in)
	}
	return in
}

// post is one request to an inbox.
func post(in *Inbox, m message) as2.Reply {
	return in.Receive(context.Background(), &as2.Message{Header: m.header, Body: bytes.NewReader(m.body), Length: int64(len(m.body)), Remote: "test"})
}

// run is the life of one process: recover, then the sender posts until he has a receipt.
func run(cw crashtest.World) error {
	w := cw.(*world)
	l, err := w.ledger()
	if err != nil {
		return err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	in := w.inbox(l)
	if err := in.Recover(context.Background()); err != nil {
		return err
	}
	for range 3 {
		if w.receipt != nil {
			return nil
		}
		if err := w.disk.Tick("post"); err != nil {
			return err
		}
		reply := post(in, w.message)
		if err := w.disk.Tick("answer"); err != nil {
			return err
		}
		if reply.Status != 200 {
			continue
		}
		if w.receipt != nil && !bytes.Equal(w.receipt, reply.Body) {
			w.differs = true
		}
		w.receipt = reply.Body
	}
	if w.receipt == nil {
		return errors.New("the sender never got a receipt")
	}
	return nil
}

// standing are the rules I1 to I6 of DESIGN.md, before any recovery.
func standing(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	inInbox := map[string]string{}
	for name := range w.disk.Tree() {
		if rest, ok := strings.CutPrefix(name, "acme/inbox/"); ok {
			f, err := w.disk.Root("acme").OpenFile(path.Join(inboxDir, rest), fsx.ReadOnly, 0)
			must(err)
			b, err := io.ReadAll(f)
			must(errors.Join(err, f.Close()))
			inInbox[rest] = string(b)
		}
	}
	for name, content := range inInbox {
		if want, ok := batch[name]; !ok || content != want {
			say("I1: inbox/%s holds %q", name, content)
		}
	}
	if _, document := inInbox["INV-1.xml"]; document && len(inInbox) != len(batch) {
		say("I6: the document is there and of the attachments only %v", slices.Sorted(maps.Keys(inInbox)))
	}
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // only read from
	var row ledger.Received
	err = l.View(context.Background(), func(tx *ledger.Tx) (err error) { row, err = tx.ReceivedByMessage("ACME", "US", "1@acme"); return err })
	known := err == nil
	if len(inInbox) > 0 && !known {
		say("I1: files in the inbox that no row knows")
	}
	if w.receipt != nil && (len(inInbox) != len(batch) || !known || row.State != ledger.ReceivedPublished) {
		say("I2: a receipt has left, and the inbox holds %v, state %q", slices.Sorted(maps.Keys(inInbox)), row.State)
	}
	if w.differs {
		say("I3: two receipts for one message")
	}
	return problems
}

func final(cw crashtest.World) (problems []string) {
	problems = standing(cw)
	w := cw.(*world)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if w.receipt == nil {
		say("no receipt")
	}
	for name := range w.disk.Tree() {
		if strings.HasPrefix(name, "acme/.incoming/") || strings.HasSuffix(name, ".part") {
			say("left over: %s", name)
		}
	}
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // only read from
	findings, err := w.inbox(l).Check(context.Background())
	if err != nil || len(findings) > 0 {
		say("check: %v %v", findings, err)
	}
	return problems
}

func TestCrashMatrix(t *testing.T) {
	w := newWorld(seal(zipped(batch), nil))
	r := crashtest.Matrix(w, crashtest.Scenario{Run: run, Standing: standing, Final: final, Every: 100, Faults: true})
	t.Logf("%d cases", r.Cases)
	for _, p := range r.Problems {
		t.Error(p)
	}
}

// --- what comes in and what becomes of it ---

// outcome is what one post leaves behind.
type outcome struct {
	status   int
	mdn      *as2.MDN
	inbox    []string
	refusals []ledger.Refusal
	events   []string
}

func send(t *testing.T, w *world, ms ...message) outcome {
	t.Helper()
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // all was read
	in := w.inbox(l)
	var o outcome
	for _, m := range ms {
		reply := post(in, m)
		o.status = reply.Status
		h := http.Header{}
		for _, f := range reply.Header {
			h.Add(f.Name, f.Value)
		}
		o.mdn, _ = as2.ParseMDN(h, reply.Body, cms.Pinned(testKeys()[0].Certificate), moment)
	}
	for name, e := range w.disk.Tree() {
		if rest, ok := strings.CutPrefix(name, "acme/inbox/"); ok && !e.Folder {
			o.inbox = append(o.inbox, rest)
		}
		if strings.HasPrefix(name, "acme/.incoming/") {
			t.Errorf("left over: %s", name)
		}
	}
	slices.Sort(o.inbox)
	must(l.View(context.Background(), func(tx *ledger.Tx) error {
		var err1, err2 error
		o.refusals, err1 = tx.RecentRefusals("acme", 10)
		if len(o.refusals) == 0 {
			o.refusals, err1 = tx.RecentRefusals("", 10)
		}
		events, err2 := tx.RecentEvents("acme", 20)
		for _, e := range events {
			o.events = append(o.events, e.Code+": "+e.Text)
		}
		return errors.Join(err1, err2)
	}))
	return o
}

func TestDelivered(t *testing.T) {
	good := zipped(batch)
	for name, c := range map[string]struct {
		change   func(*Partner)
		messages []message
		inbox    []string
	}{
		"a batch":                {nil, []message{seal(good, nil)}, []string{"INV-1.xml", "INV-1_a.pdf", "INV-1_b.png"}},
		"the same message again": {nil, []message{seal(good, nil), seal(good, nil)}, []string{"INV-1.xml", "INV-1_a.pdf", "INV-1_b.png"}},
		"the same names, another message": {nil, []message{seal(good, nil), seal(good, func(o *as2.SealOptions) { o.MessageID = "<2@acme>" })},
			[]string{"INV-1.xml", "INV-1_a.pdf", "INV-1_b.png", "INV-1~2.xml", "INV-1~2_a.pdf", "INV-1~2_b.png"}},
		"no zip":           {nil, []message{seal([]byte("UNA:+.? '"), func(o *as2.SealOptions) { o.ContentType, o.Filename = "application/edifact", "ORD-7.edi" })}, []string{"ORD-7.edi"}},
		"a hostile name":   {nil, []message{seal([]byte("x"), func(o *as2.SealOptions) { o.ContentType, o.Filename = "text/plain", "../../etc/passwd" })}, []string{"_.._etc_passwd"}},
		"a zip left alone": {func(p *Partner) { p.Unpack = false }, []message{seal(good, nil)}, []string{"INV-1.zip"}},
		"a folder per batch": {func(p *Partner) { p.FolderPerBatch = true }, []message{seal(good, nil), seal(good, func(o *as2.SealOptions) { o.MessageID = "<2@acme>" })},
			[]string{"INV-1/INV-1.xml", "INV-1/INV-1_a.pdf", "INV-1/INV-1_b.png", "INV-1~2/INV-1.xml", "INV-1~2/INV-1_a.pdf", "INV-1~2/INV-1_b.png"}},
		"a broken zip is kept whole":   {nil, []message{seal([]byte("PK\x03\x04 broken"), nil)}, []string{"INV-1.zip"}},
		"a climbing zip is kept whole": {nil, []message{seal(hostileZip("../evil.xml"), nil)}, []string{"INV-1.zip"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = c.change
			o := send(t, w, c.messages...)
			if o.status != 200 || o.mdn == nil || !o.mdn.Signed || o.mdn.Disposition != as2.Processed || o.mdn.MIC == nil || !slices.Equal(o.inbox, c.inbox) {
				t.Errorf("%d, %+v\n%q\n%v", o.status, o.mdn, o.inbox, o.refusals)
			}
		})
	}
}

func hostileZip(name string) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	_, err := z.Create(name)
	must(errors.Join(err, z.Close()))
	return buf.Bytes()
}

func TestRefused(t *testing.T) {
	good := zipped(batch)
	ids := testKeys()
	for name, c := range map[string]struct {
		change   func(*Partner)
		messages []message
		status   int
		modifier string
		inbox    int
	}{
		"from a stranger":                        {nil, []message{seal(good, func(o *as2.SealOptions) { o.From = "NOBODY" })}, 200, as2.AuthenticationFailed, 0},
		"to nobody":                              {nil, []message{seal(good, func(o *as2.SealOptions) { o.To = "NOBODY" })}, 200, as2.AuthenticationFailed, 0},
		"signed by a stranger":                   {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) })}, 200, as2.AuthenticationFailed, 0},
		"encrypted to a stranger":                {nil, []message{seal(good, func(o *as2.SealOptions) { o.Recipients = []cms.Recipient{{Certificate: ids[2].Certificate}} })}, 200, as2.DecryptionFailed, 0},
		"not encrypted":                          {nil, []message{seal(good, func(o *as2.SealOptions) { o.Recipients = nil })}, 200, as2.InsufficientSecurity, 0},
		"not signed":                             {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign = nil })}, 200, as2.InsufficientSecurity, 0},
		"no receipt asked":                       {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign, o.Receipt = nil, as2.ReceiptRequest{} })}, 400, "", 0},
		"a broken zip, to be rejected":           {func(p *Partner) { p.KeepBroken = false }, []message{seal([]byte("PK\x03\x04 broken"), nil)}, 200, as2.UnexpectedProcessing, 0},
		"other content under a known Message-ID": {nil, []message{seal(good, nil), seal(zipped(map[string]string{"INV-1.xml": "other"}), nil)}, 200, as2.UnexpectedProcessing, 3},
		"a name that exists, to be rejected": {func(p *Partner) { p.RejectConflict = true },
			[]message{seal(good, nil), seal(good, func(o *as2.SealOptions) { o.MessageID = "<2@acme>" })}, 200, as2.UnexpectedProcessing, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = c.change
			o := send(t, w, c.messages...)
			if o.status != c.status || len(o.inbox) != c.inbox || len(o.refusals) != 1 || o.refusals[0].Fact == "" {
				t.Errorf("%d, inbox %q, refusals %+v", o.status, o.inbox, o.refusals)
			}
			if c.modifier != "" && (o.mdn == nil || o.mdn.Disposition.Modifier != c.modifier || o.mdn.MIC != nil) {
				t.Errorf("receipt %+v, want %s", o.mdn, c.modifier)
			}
		})
	}
}

// A first try that was refused does not stand in the way of a good one.
func TestRefusalDoesNotBlockARepeat(t *testing.T) {
	good := zipped(batch)
	w := newWorld(message{})
	o := send(t, w, seal(good, func(o *as2.SealOptions) { o.Recipients = nil }), seal(good, nil))
	if o.status != 200 || o.mdn.Disposition != as2.Processed || len(o.inbox) != 3 {
		t.Errorf("%+v", o)
	}
}

func TestFaultsOfOursGiveNoReceipt(t *testing.T) {
	m := seal(zipped(batch), nil)
	w := newWorld(message{})
	w.change = func(p *Partner) { p.Ready = func() error { return errors.New("not mounted") } }
	if o := send(t, w, m); o.status != 503 || o.mdn != nil || len(o.inbox) > 0 {
		t.Errorf("volume gone: %+v", o)
	}
	w = newWorld(message{})
	w.change = func(p *Partner) { p.Reserve = 1 << 50 }
	if o := send(t, w, m); o.status != 503 || o.mdn != nil {
		t.Errorf("below the reserve: %+v", o)
	}
	w = newWorld(message{})
	if o := send(t, w, seal(zipped(batch), func(o *as2.SealOptions) {}), message{m.header, m.body[:len(m.body)/2]}); len(o.inbox) != 3 {
		t.Errorf("a cut repeat: %+v", o)
	}
}

// Two copies of one message at the same time: one is delivered, both get its receipt.
func TestSimultaneousCopies(t *testing.T) {
	w := newWorld(message{})
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // all was read
	in := w.inbox(l)
	in.Rand = rand.Reader
	m := seal(zipped(batch), nil)
	replies := make([]as2.Reply, 4)
	var wait sync.WaitGroup
	for i := range replies {
		wait.Go(func() { replies[i] = post(in, m) })
	}
	wait.Wait()
	for _, r := range replies {
		if r.Status != 200 || !bytes.Equal(r.Body, replies[0].Body) {
			t.Errorf("status %d, %d bytes", r.Status, len(r.Body))
		}
	}
	n := 0
	for name := range w.disk.Tree() {
		if strings.HasPrefix(name, "acme/inbox/") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d files in the inbox", n)
	}
}

// Each finding of Check is planted once.
func TestCheckFinds(t *testing.T) {
	w := newWorld(message{})
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // all was read
	in := w.inbox(l)
	must(fsx.MkdirAll(w.disk.Root("acme"), ".incoming/stranger", 0o750))
	must(l.Update(context.Background(), func(tx *ledger.Tx) error {
		fold := func(s string) string { return s }
		return errors.Join(
			tx.InsertReceived(&ledger.Received{ID: "r1", Partner: "acme", MessageID: "1", State: ledger.ReceivedReceived, At: moment}, fold),
			tx.InsertReceived(&ledger.Received{ID: "r2", Partner: "acme", MessageID: "2", State: ledger.ReceivedReceived, Hold: "because", At: moment}, fold))
	}))
	findings, err := in.Check(context.Background())
	must(err)
	var facts []string
	for _, f := range findings {
		facts = append(facts, f.Fact)
	}
	for _, want := range []string{"does not know this message", "not yet in the inbox", "held: because"} {
		if !slices.ContainsFunc(facts, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("%q is not found: %q", want, facts)
		}
	}
}
