package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
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
	disk     *simdisk.Disk
	now      time.Time
	seed     uint64
	message  message
	taken    bool              // the sender got a 2xx
	receipt  []byte            // what the sender got; nil = nothing yet
	reply    as2.Reply         // the same, as it was posted
	last     as2.Reply         // the answer that send got
	differs  bool              // he got two different ones
	posts    int               // of receipts, to the sender's own server
	answers  []int             // what that answers, post by post; the last one goes on; 0 = the connection breaks
	refused  bool              // the message must be
	gaveUp   bool              // the receipt must be given up
	folder   string            // of the batch in the inbox, with a slash
	files    map[string]string // what the inbox holds at the end, where it is not the batch
	change   func(*Partner)
	fs       func(fsx.FS) fsx.FS
	mutate   func(*Inbox)
	answered func(*Inbox) // called when the sender has his answer
}

func newWorld(m message) *world {
	w := &world{disk: simdisk.New(), now: moment, message: m, answers: []int{200}}
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

func (w *world) Memory() string {
	return fmt.Sprint(w.now, w.seed, w.taken, w.receipt, w.reply, w.last, w.differs, w.posts)
}

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
		Post: w, ReceiptHosts: []string{"acme.example"}, ReceiptRetry: ReceiptRetry{Attempts: 6}, RequireSigned: true, RequireEncrypted: true, Unpack: true, KeepBroken: true, EvidenceUpTo: 1 << 20, AfterReceived: []string{"erp"}}
	if w.fs != nil {
		p.Folder = w.fs(p.Folder)
	}
	if w.change != nil {
		w.change(&p)
	}
	w.seed++
	in := New(Deps{Ledger: l, Now: func() time.Time { return w.now }, Rand: mathrand.NewChaCha8([32]byte{byte(w.seed), byte(w.seed >> 8)}), Log: slog.New(slog.DiscardHandler), Config: "c", UserAgent: "test"}, []Partner{p})
	if w.mutate != nil {
		w.mutate(in)
	}
	return in
}

// post is one request to an inbox.
func post(in *Inbox, m message) as2.Reply {
	length := int64(len(m.body))
	if m.header.Get("Transfer-Encoding") != "" {
		length = -1
	}
	return in.Receive(context.Background(), &as2.Message{Header: m.header, Body: bytes.NewReader(m.body), Length: length, Remote: "test"})
}

// Post is the sender's own server, where receipts come in.
func (w *world) Post(_ context.Context, _ string, header []as2.Field, _ int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	b, err := body()
	must(err)
	receipt, err := io.ReadAll(b)
	must(errors.Join(err, b.Close()))
	if err := w.disk.Tick("receipt"); err != nil {
		return nil, &as2.PostError{Cause: err}
	}
	status := w.answers[min(w.posts, len(w.answers)-1)]
	w.posts++
	if status/100 == 2 || status == 0 {
		w.got(receipt)
		w.reply = as2.Reply{Header: header, Body: receipt}
	}
	if err := w.disk.Tick("answer to the receipt"); err != nil || status == 0 {
		return nil, &as2.PostError{Unknown: true, Cause: errors.Join(errors.New("connection reset"), err)}
	}
	return &as2.Answer{Status: status, Header: http.Header{"Server": {"test"}}, Body: []byte("thanks")}, nil
}

func (w *world) got(receipt []byte) {
	w.differs = w.differs || w.receipt != nil && !bytes.Equal(w.receipt, receipt)
	w.receipt = receipt
}

// attempts is how often a receipt is posted.
func attempts(n int) func(*Partner) { return func(p *Partner) { p.ReceiptRetry.Attempts = n } }

// with changes a world before it begins.
func (w *world) with(change func(*world)) *world {
	change(w)
	return w
}

// work lets time pass until nothing is left to do. A fault of ours is no reason to
// start again.
func (w *world) work(in *Inbox) error {
	for range 40 {
		next, _ := in.Work(context.Background(), "acme")
		if w.disk.Stopped() {
			return simdisk.ErrStopped
		}
		if next.IsZero() {
			return nil
		}
		if next.After(w.now) {
			w.now = next
		}
	}
	return errors.New("the work does not come to an end")
}
