package outbox

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path"
	"slices"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
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

func encryptTo(c *x509.Certificate) func(time.Time) *cms.Recipient {
	return func(time.Time) *cms.Recipient { return &cms.Recipient{Certificate: c} }
}

// world is a disk with a partner behind it.
type world struct {
	disk    *simdisk.Disk
	now     time.Time
	partner partner
	seed    uint64
	mutate  mutation
	answers []answer // what the partner answers, post by post; the last one goes on

	dropped map[string]string // file name -> content: what lay in the outbox at the beginning

	async    bool // receipts are asked for on a connection of their own
	attempts int  // 0 = 3
	cipher   cms.Cipher
	set      func(*Partner)                                                       // what else is configured; nil = nothing
	ask      func(*world) func(context.Context, Question) (Answer, string, error) // a hook before sending; nil = none
	box      *Outbox                                                              // of the process that runs
	beside   beside                                                               // in which order that is done which is done at the same time
	together bool                                                                 // what has its verdict is filed when all others have theirs
}

// beside is an order of what is done at the same time.
type beside int

const (
	byTurns beside = iota // each call of one is followed by a call of the next
	firstFirst
	lastFirst
)

// do calls functions that are at work at the same time, the same way each time.
func (b beside) do(d *simdisk.Disk, fs []func()) {
	switch b {
	case byTurns:
		d.Alternate(fs...)
		return
	case lastFirst:
		slices.Reverse(fs)
	}
	for _, f := range fs {
		f()
	}
}

// mutation makes a wrong program out of the right one.
type mutation struct {
	fs    func(fsx.FS) fsx.FS
	steps func(*Outbox)
}

// partner really opens what it is sent, and remembers.
type partner struct {
	posts      int
	delivered  map[string]int    // content digest -> how often it was delivered
	messageIDs map[string]string // Message-ID -> content digest
	order      []string          // Message-IDs as they were first seen
	owed       []receipt         // receipts that were not taken yet
	taken      map[string]bool   // Message-IDs whose receipt was answered with 200
	bodies     map[string]string // Message-ID -> digest of the body that came with it
	changed    []string          // Message-IDs that came with other bytes than before
}

// receipt is one on its way to us.
type receipt struct {
	messageID string
	header    http.Header
	body      []byte
	withheld  bool // until the transfer was given up
}

// answer is how the partner behaves for one post.
type answer int

const (
	accept answer = iota
	reject
	lose // takes it, and the answer does not arrive
	busy // 503 without a receipt

	later    // 200, and a receipt when it was received
	early    // the receipt first, then 200
	withhold // 200, and the receipt when nobody waits for it any more
)

func newWorld(answers ...answer) *world { return newWorldOf(dropped, answers...) }

// newWorldOf has other files in its outbox.
func newWorldOf(dropped map[string]string, answers ...answer) *world {
	d := simdisk.New()
	w := &world{dropped: dropped, disk: d, now: moment, partner: partner{delivered: map[string]int{}, messageIDs: map[string]string{}, taken: map[string]bool{}, bodies: map[string]string{}}, answers: answers, cipher: cms.AES128CBC}
	root := d.Root("acme")
	for _, f := range append(Folders(), "ledger") {
		must(fsx.MkdirAll(root, f, 0o750))
	}
	l := w.ledger()
	must(l.Close())
	for _, name := range slices.Sorted(maps.Keys(dropped)) {
		w.write(path.Join(outboxDir, name), dropped[name])
	}
	d.SyncAll()
	return w
}

// write is what some other program writes, and does not sync.
func (w *world) write(name, content string) {
	f, err := w.disk.Outside("acme").OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o640)
	must(err)
	_, err = io.WriteString(f, content)
	must(errors.Join(err, f.Close()))
}

// dropped is what lies in most outboxes at the beginning: one batch.
var dropped = map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_scan.pdf": "%PDF-1.7 scan"}

func (w *world) Disk() *simdisk.Disk { return w.disk }

func (w *world) Memory() string { return fmt.Sprint(w.now, w.seed, w.partner) }

func (w *world) On(d *simdisk.Disk) crashtest.World {
	c := *w
	c.disk = d
	c.partner.delivered = maps.Clone(w.partner.delivered)
	c.partner.messageIDs = maps.Clone(w.partner.messageIDs)
	c.partner.order = slices.Clone(w.partner.order)
	c.partner.taken = maps.Clone(w.partner.taken)
	c.partner.bodies = maps.Clone(w.partner.bodies)
	c.partner.changed = slices.Clone(w.partner.changed)
	c.partner.owed = slices.Clone(w.partner.owed)
	return &c
}

func (w *world) ledger() *ledger.Ledger {
	vfs, prefix := w.disk.SQLite()
	l, err := ledger.Open(prefix+"/ledger.db", ledger.Options{VFS: vfs})
	must(err)
	return l
}

func (w *world) openLedger() (*ledger.Ledger, error) {
	vfs, prefix := w.disk.SQLite()
	return ledger.Open(prefix+"/ledger.db", ledger.Options{VFS: vfs})
}

func (w *world) policy() Policy {
	return Policy{Attempts: cmp.Or(w.attempts, 3), ReceiptWait: 30 * time.Minute, First: time.Minute, Max: time.Hour, Factor: 2, GiveUpAfter: 24 * time.Hour, AcceptDuplicate: true}
}

func (w *world) outbox(l *ledger.Ledger) *Outbox {
	rules, err := naming.Compile(naming.Config{Quiet: 0})
	must(err)
	ids := testKeys()
	var folder fsx.FS = w.disk.Root("acme")
	if w.mutate.fs != nil {
		folder = w.mutate.fs(folder)
	}
	w.seed++
	request := as2.ReceiptRequest{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA256}}
	if w.async {
		request.Async = "https://us.invalid/mdn"
	}
	p := Partner{Name: "acme", AS2ID: "ACME", Station: "us", StationAS2ID: "US", URL: "https://acme.invalid/", Folder: folder, Rules: rules, LateWindow: 24 * time.Hour,
		Bundle: BundleAlways, Sign: signerOf(ids[0]), Cipher: w.cipher, EncryptTo: encryptTo(ids[1].Certificate), Own: ids[0].Certificate, Identities: []cms.Identity{ids[0]},
		Certificates: []*x509.Certificate{ids[1].Certificate}, Trust: cms.Pinned(ids[1].Certificate),
		Receipt: request, EvidenceUpTo: 1 << 20, Policy: w.policy()}
	if w.set != nil {
		w.set(&p)
	}
	if w.ask != nil {
		p.BeforeSend = []BeforeSend{{Name: "number", Ask: w.ask(w)}}
	}
	o := New(Deps{Ledger: l, Now: func() time.Time { return w.now }, Rand: mathrand.NewChaCha8([32]byte{byte(w.seed), byte(w.seed >> 8)}), Post: w, Beside: func(fs ...func()) { w.beside.do(w.disk, fs) }, Process: fmt.Sprint(w.seed), Config: "c", UserAgent: "test"}, p)
	if w.mutate.steps != nil {
		o.steps = maps.Clone(steps)
		w.mutate.steps(o)
	}
	return o
}

// Post is the wire and the partner.
func (w *world) Post(_ context.Context, _ string, header []as2.Field, _ int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	b, err := body()
	if err != nil {
		return nil, &as2.PostError{Cause: err}
	}
	defer b.Close()
	message, err := io.ReadAll(b)
	if err != nil {
		return nil, &as2.PostError{Cause: err}
	}
	if err := w.disk.Tick("post"); err != nil {
		return nil, &as2.PostError{Cause: err}
	}
	how := w.answers[min(w.partner.posts, len(w.answers)-1)]
	w.partner.posts++
	if how == busy {
		return &as2.Answer{Status: 503, Header: http.Header{}, Body: []byte("busy")}, w.disk.Tick("answer")
	}
	res, err := w.partner.take(header, message, how == reject)
	if err != nil {
		return nil, err
	}
	if how >= later {
		w.partner.owed = append(w.partner.owed, receipt{as2.Get(header, "Message-ID"), res.Header, res.Body, how == withhold})
		res = &as2.Answer{Status: 200, Header: http.Header{}}
		if how == early {
			if err := w.deliver(false); err != nil {
				return nil, &as2.PostError{Unknown: true, Cause: err}
			}
		}
	}
	if err := w.disk.Tick("answer"); err != nil || how == lose {
		return nil, &as2.PostError{Unknown: true, Cause: errors.Join(errors.New("connection reset"), err)}
	}
	return res, nil
}

// take opens a message and gives a signed receipt; a known Message-ID is a duplicate.
func (p *partner) take(header []as2.Field, message []byte, refuse bool) (*as2.Answer, error) {
	h := http.Header{}
	for _, f := range header {
		h.Add(f.Name, f.Value)
	}
	env, err := as2.ParseEnvelope(h)
	if err != nil {
		return nil, err
	}
	ids := testKeys()
	var payload bytes.Buffer
	opened, err := as2.Open(env, bytes.NewReader(message), func(as2.Part) (io.WriteCloser, error) { return nopCloser{&payload}, nil }, as2.OpenOptions{Identities: []cms.Identity{ids[1]}, Trust: cms.Pinned(ids[0].Certificate), At: moment, RequireSigned: true, RequireEncrypted: true})
	if err != nil {
		return nil, fmt.Errorf("the partner cannot open it: %w", err)
	}
	d := as2.Processed
	id := as2.StripID(env.MessageID)
	if !slices.Contains(p.order, id) {
		p.order = append(p.order, id)
	}
	body := fmt.Sprintf("%x", sha256.Sum256(message))
	if before, known := p.bodies[id]; known && before != body {
		p.changed = append(p.changed, id)
	}
	p.bodies[id] = body
	switch {
	case refuse:
		d = as2.Failed(as2.UnexpectedProcessing)
	default:
		digest := fmt.Sprintf("%x", sha256.Sum256(payload.Bytes()))
		if _, known := p.messageIDs[id]; !known {
			p.delivered[digest]++
		}
		p.messageIDs[id] = digest
	}
	fields, mdn, err := as2.BuildMDN(as2.MDNOptions{From: "ACME", To: "US", MessageID: "<r>", OriginalMessageID: env.MessageID, Disposition: d, MIC: &opened.MICs[0], Text: "ok", UserAgent: "test", Date: moment, Sign: signerOf(ids[1])(moment)})
	if err != nil {
		return nil, err
	}
	rh := http.Header{}
	for _, f := range fields {
		rh.Add(f.Name, f.Value)
	}
	return &as2.Answer{Status: 200, Header: rh, Body: mdn}, nil
}

// deliver posts the receipts that the partner owes. What is not answered with 200 he
// posts again.
func (w *world) deliver(withheld bool) error {
	ctx := context.Background()
	var left []receipt
	defer func() { w.partner.owed = left }()
	for i, r := range w.partner.owed {
		if r.withheld && !withheld {
			left = append(left, r)
			continue
		}
		err := w.disk.Tick("receipt")
		var reply as2.Reply
		if err == nil {
			var t ledger.Transfer
			if err = w.box.Ledger.View(ctx, func(tx *ledger.Tx) (err error) { t, err = tx.TransferByMessageID(r.messageID); return err }); err == nil {
				reply, err = w.box.ReceiveReceipt(ctx, t.ID, r.header, r.body, "192.0.2.1:443")
			}
		}
		if err != nil {
			left = append(left, w.partner.owed[i:]...)
			return err
		}
		if reply.Status == 200 {
			w.partner.taken[as2.StripID(r.messageID)] = true
		}
		if err := w.disk.Tick("receipt answered"); err != nil {
			return err
		}
	}
	return nil
}

// run is the life of one agent: it lets time pass whenever nothing is due.
func run(cw crashtest.World) error {
	w := cw.(*world)
	l, err := w.openLedger()
	if err != nil {
		return err
	}
	defer func() { l.Close(); w.disk.Release() }() // the world may have stopped
	o := w.outbox(l)
	w.box = o
	ctx := context.Background()
	if err := o.Recover(ctx); err != nil {
		return err
	}
	var settled []*filing
	if w.together {
		o.steps = maps.Clone(o.steps)
		o.steps[ledger.StateSettled] = func(_ *Outbox, ctx context.Context, t *ledger.Transfer) error {
			row := *t
			settled = append(settled, &filing{ctx: ctx, t: &row})
			return nil
		}
	}
	ob := NewObserver()
	for range 40 {
		look := func() error { _, err := o.Scan(ctx, ob); return err }
		if ob.Left() > 0 {
			look = func() error { _, err := o.Refill(ctx, ob); return err }
		}
		if err := look(); err != nil {
			return err
		}
		o.Take(ctx, ob)
		var open []ledger.Transfer
		if err := l.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers("acme"); return err }); err != nil {
			return err
		}
		var due time.Time
		for _, t := range open {
			if !t.Rests() && (due.IsZero() || t.Due.Before(due)) {
				due = t.Due
			}
			if _, _, err = o.Carry(ctx, t.ID, func() bool { return true }); err != nil {
				return err
			}
		}
		o.fileTogether(settled)
		for _, f := range settled {
			if f.err != nil {
				return f.err
			}
		}
		settled = nil
		if len(open) == 0 && len(w.partner.owed) == 0 {
			return nil
		}
		if err := w.deliver(len(open) == 0); err != nil {
			return err
		}
		if due.After(w.now) {
			w.now = due
		}
		if w.disk.Stopped() {
			return simdisk.ErrStopped
		}
	}
	return errors.New("it does not come to an end")
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
