package inbox

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/ledger"
)

// --- what comes in and what becomes of it ---

// outcome is what one post leaves behind.
type outcome struct {
	status   int
	mdn      *as2.MDN
	inbox    []string
	received []ledger.Received
	refusals []ledger.Refusal
	events   []ledger.Event
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
		if len(reply.Body) == 0 {
			must(w.work(in))
			reply = w.reply
		}
		w.last = reply
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
		events, err2 := tx.RecentEvents("acme", 50)
		o.events = events
		received, err3 := tx.RecentReceived("acme", 10)
		o.received = received
		return errors.Join(err1, err2, err3)
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
		opened   bool // RFC 4130, 7.3.1: then the receipt states the digest
	}{
		"from a stranger":                        {nil, []message{seal(good, func(o *as2.SealOptions) { o.From = "NOBODY" })}, 200, as2.AuthenticationFailed, 0, false},
		"to nobody":                              {nil, []message{seal(good, func(o *as2.SealOptions) { o.To = "NOBODY" })}, 200, as2.AuthenticationFailed, 0, false},
		"signed by a stranger":                   {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) })}, 200, as2.AuthenticationFailed, 0, false},
		"encrypted to a stranger":                {nil, []message{seal(good, func(o *as2.SealOptions) { o.Recipients = []cms.Recipient{{Certificate: ids[2].Certificate}} })}, 200, as2.DecryptionFailed, 0, false},
		"not encrypted":                          {nil, []message{seal(good, func(o *as2.SealOptions) { o.Recipients = nil })}, 200, as2.InsufficientSecurity, 0, false},
		"not signed":                             {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign = nil })}, 200, as2.InsufficientSecurity, 0, false},
		"no receipt asked":                       {nil, []message{seal(good, func(o *as2.SealOptions) { o.Sign, o.Receipt = nil, as2.ReceiptRequest{} })}, 400, "", 0, false},
		"a broken zip, to be rejected":           {func(p *Partner) { p.KeepBroken = false }, []message{seal([]byte("PK\x03\x04 broken"), nil)}, 200, as2.UnexpectedProcessing, 0, true},
		"other content under a known Message-ID": {nil, []message{seal(good, nil), seal(zipped(map[string]string{"INV-1.xml": "other"}), nil)}, 200, as2.UnexpectedProcessing, 3, true},
		"a name that exists, to be rejected": {func(p *Partner) { p.RejectConflict = true },
			[]message{seal(good, nil), seal(good, func(o *as2.SealOptions) { o.MessageID = "<2@acme>" })}, 200, as2.UnexpectedProcessing, 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = c.change
			o := send(t, w, c.messages...)
			if o.status != c.status || len(o.inbox) != c.inbox || len(o.refusals) != 1 || o.refusals[0].Fact == "" {
				t.Errorf("%d, inbox %q, refusals %+v", o.status, o.inbox, o.refusals)
			}
			if c.modifier != "" && (o.mdn == nil || o.mdn.Disposition.Modifier != c.modifier || o.mdn.MIC != nil != c.opened) {
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

// A folder of the batch's name appears after the name was recorded as free: both stay.
func TestAFolderOfThatNameAppears(t *testing.T) {
	w := newWorld(message{}).with(perBatch)
	in := w.opened(t)
	commit := in.commit
	in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
		err := commit(ctx, r, row)
		must(w.disk.Outside("acme").Mkdir("inbox/INV-1", 0o750))
		return err
	}
	reply := post(in, seal(zipped(batch), nil))
	files := w.content()
	if reply.Status != 200 || len(files) != 3 || files["INV-1~2/INV-1.xml"] != batch["INV-1.xml"] {
		t.Errorf("%d, %v", reply.Status, files)
	}
}

// A reader takes what was published before that is on record.
func TestTakenBeforeItIsOnRecord(t *testing.T) {
	for name, change := range map[string]func(*world){"files": func(*world) {}, "a folder per batch": perBatch} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{}).with(change)
			in := w.opened(t)
			in.deliver = func(ctx context.Context, p *Partner, row *ledger.Received, fresh bool) error {
				must(in.moveAll(p, row))
				out := w.disk.Outside("acme")
				for name := range w.content() {
					must(out.Remove("inbox/" + name))
				}
				if w.folder != "" {
					must(out.Remove("inbox/INV-1"))
				}
				return in.publish(ctx, p, row, fresh)
			}
			reply := post(in, seal(zipped(batch), nil))
			rec := recordOf(in.Ledger)
			if reply.Status != 200 || rec.received.State != ledger.ReceivedPublished || !rec.received.Files[0].Taken {
				t.Errorf("%d, %+v", reply.Status, rec.received)
			}
		})
	}
}
