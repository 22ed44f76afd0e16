package inbox

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Each finding of Check is planted once, and each is found alone.
func TestCheckFinds(t *testing.T) {
	fold := func(s string) string { return s }
	received := func(id, hold string, state ledger.ReceivedState) func(*ledger.Tx) error {
		return func(tx *ledger.Tx) error {
			return tx.InsertReceived(&ledger.Received{ID: id, Partner: "acme", MessageID: id, State: state, Hold: hold, At: moment}, fold)
		}
	}
	stored := func(s ledger.Stored) func(*ledger.Tx) error {
		s.ID, s.Partner, s.At = "s1", "acme", moment
		return func(tx *ledger.Tx) error { return tx.InsertStored(&s) }
	}
	owed := func(m ledger.OwedMDN, more ...func(*ledger.Tx) error) func(*ledger.Tx) error {
		m.Received, m.Partner, m.Open, m.URL = "r1", "acme", true, "https://acme.example"
		return func(tx *ledger.Tx) error {
			err := tx.OweMDN(&m)
			for _, f := range more {
				err = errors.Join(err, f(tx))
			}
			return err
		}
	}
	published := received("r1", "", ledger.ReceivedPublished)
	both := []string{".incoming/s1/" + headerFile, ".incoming/s1/" + rawFile}
	for name, c := range map[string]struct {
		plant func(*ledger.Tx) error
		files []string
		want  []string // the facts, in order
	}{
		"nothing":                     {published, nil, nil},
		"a folder that nobody knows":  {nil, []string{".incoming/stranger/x"}, []string{"the ledger does not know this message"}},
		"received, not in the inbox":  {received("r1", "", ledger.ReceivedReceived), []string{".incoming/r1/x"}, []string{"received at 2026-11-23 12:00:00 UTC and not yet in the inbox"}},
		"received, and held":          {received("r1", "because", ledger.ReceivedReceived), []string{".incoming/r1/x"}, []string{"held: because"}},
		"evidence left behind":        {published, []string{".incoming/r1/" + rawFile}, []string{"the message is done with, and its evidence is not in .evidence yet"}},
		"the same of a refusal":       {func(tx *ledger.Tx) error { return tx.AddRefusal(ledger.Refusal{ID: "f1", Partner: "acme"}) }, []string{".incoming/f1/x"}, []string{"the message is done with, and its evidence is not in .evidence yet"}},
		"a repeat's folder":           {stored(ledger.Stored{}), both, []string{"the ledger does not know this message"}},
		"stored, not opened":          {stored(ledger.Stored{Open: true}), both, []string{"stored at 2026-11-23 12:00:00 UTC and not yet opened"}},
		"stored, and held":            {stored(ledger.Stored{Open: true, Hold: "because"}), both, []string{"stored, and held: because"}},
		"stored, the folder is gone":  {stored(ledger.Stored{Open: true}), nil, []string{"the folder of a stored message is missing"}},
		"stored, the body is gone":    {stored(ledger.Stored{Open: true}), both[:1], []string{"the file of a stored message is missing", "stored at 2026-11-23 12:00:00 UTC and not yet opened"}},
		"stored, the header is gone":  {stored(ledger.Stored{Open: true}), both[1:], []string{"the file of a stored message is missing", "stored at 2026-11-23 12:00:00 UTC and not yet opened"}},
		"stored, a spool left":        {stored(ledger.Stored{Open: true}), append(both, ".incoming/s1/spool-1"), []string{"what was in a stored message lies here unverified", "stored at 2026-11-23 12:00:00 UTC and not yet opened"}},
		"stored, a part left":         {stored(ledger.Stored{Open: true}), append(both, ".incoming/s1/payload-0"), []string{"what was in a stored message lies here unverified", "stored at 2026-11-23 12:00:00 UTC and not yet opened"}},
		"a receipt without a message": {owed(ledger.OwedMDN{}), nil, []string{"a receipt is owed for a message that is not in the ledger"}},
		"a receipt that is owed":      {owed(ledger.OwedMDN{}, published), nil, nil},
		"a receipt that nobody takes": {owed(ledger.OwedMDN{Attempts: 1, Posts: 1, Reason: "HTTP 503"}, published, func(tx *ledger.Tx) error { return attempt(tx, ledger.OutcomeAnswered) }), nil, []string{"the receipt could not be posted to https://acme.example in 1 attempts: HTTP 503"}},
		"posted without an attempt":   {owed(ledger.OwedMDN{Posts: 1, Posting: true}, published), nil, []string{"of the receipt that is owed 1 posts are counted, and 0 attempts are on record"}},
		"an attempt that never ended": {owed(ledger.OwedMDN{Posts: 1}, published, func(tx *ledger.Tx) error { return attempt(tx, ledger.OutcomeOpen) }), nil, []string{"of the receipt that is owed 1 posts are counted, and 1 attempts are on record"}},
		"one that is just being made": {owed(ledger.OwedMDN{Posts: 1, Posting: true}, published, func(tx *ledger.Tx) error { return attempt(tx, ledger.OutcomeOpen) }), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			in := w.opened(t)
			root := w.disk.Root("acme")
			for _, f := range c.files {
				must(fsx.MkdirAll(root, path.Dir(f), 0o750))
				must(fsx.Rewrite(root, f, 0o640, nil))
			}
			if c.plant != nil {
				must(in.Ledger.Update(context.Background(), c.plant))
			}
			findings, err := in.Check(context.Background())
			must(err)
			var facts []string
			for _, f := range findings {
				facts = append(facts, f.Fact)
				if f.Partner != "acme" || f.Hint == "" {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(facts, c.want) {
				t.Errorf("found %q\nwant  %q", facts, c.want)
			}
		})
	}
}

func attempt(tx *ledger.Tx, outcome ledger.Outcome) error {
	a := ledger.Attempt{Transfer: "r1", N: 1}
	err := tx.OpenAttempt(a)
	if a.Outcome = outcome; outcome != ledger.OutcomeOpen {
		err = errors.Join(err, tx.CloseAttempt(a))
	}
	return err
}

// chunked is a message whose length is not stated.
func chunked(m message) message {
	m.header.Set("Transfer-Encoding", "chunked")
	return m
}

// What is kept of a message proves what we signed for, without the ledger: the request,
// the receipt as it went out, digests, layers and the certificates that were used.
func TestEvidence(t *testing.T) {
	ids := testKeys()
	big := strings.Repeat("x", 2000)
	for name, c := range map[string]struct {
		message message
		upTo    int64
		files   []string
	}{
		"at once":                 {seal(zipped(batch), nil), 1 << 20, []string{recordFile, rawFile}},
		"later":                   {seal(zipped(batch), later), 1 << 20, []string{"answer-1.http", headerFile, recordFile, rawFile}},
		"larger than is kept":     {seal([]byte(big), nil), 1000, []string{recordFile}},
		"the same, in chunks":     {chunked(seal([]byte(big), nil)), 1000, []string{recordFile}},
		"kept, in chunks":         {chunked(seal(zipped(batch), nil)), 1 << 20, []string{recordFile, rawFile}},
		"the same, later":         {seal([]byte(big), later), 1000, []string{"answer-1.http", headerFile, recordFile}},
		"refused":                 {seal([]byte("x"), func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) }), 1 << 20, []string{headerFile, recordFile, rawFile, receiptFile}},
		"refused, later":          {seal([]byte("x"), func(o *as2.SealOptions) { later(o); o.Sign = signerOf(ids[2])(moment) }), 1 << 20, []string{"answer-1.http", headerFile, recordFile, rawFile, receiptFile}},
		"refused, larger than is": {seal([]byte(big), func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) }), 1000, []string{headerFile, recordFile, receiptFile}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) { p.EvidenceUpTo = c.upTo }
			c.message.header.Set("Authorization", "Basic c2VjcmV0")
			o := send(t, w, c.message)
			if o.mdn == nil || !o.mdn.Signed {
				t.Fatalf("%+v", o)
			}
			dir, files := "", []string(nil)
			for name, e := range w.disk.Tree() {
				if rest, ok := strings.CutPrefix(name, "acme/.evidence/"); ok && !e.Folder {
					dir, files = path.Join(evidenceDir, path.Dir(rest)), append(files, path.Base(rest))
				}
			}
			slices.Sort(files)
			want := slices.Clone(c.files)
			slices.Sort(want)
			if !slices.Equal(files, want) {
				t.Fatalf("%q, want %q", files, want)
			}
			if slices.Contains(files, rawFile) && w.read(path.Join(dir, rawFile)) != string(c.message.body) {
				t.Error("the message is not the one that came")
			}
			record, err := ParseRecord([]byte(w.read(path.Join(dir, recordFile))))
			must(err)
			h := record.Header
			if slices.Contains(files, headerFile) {
				h += w.read(path.Join(dir, headerFile))
			}
			if strings.Count(h, "Message-Id: <1@acme>\r\n") != 1 || strings.Contains(h, "c2VjcmV0") {
				t.Errorf("header %q", h)
			}
			answer, err := record.Answer()
			must(err)
			receipt := string(answer)
			if slices.Contains(files, receiptFile) {
				receipt = w.read(path.Join(dir, receiptFile))
			}
			if !strings.HasPrefix(receipt, "HTTP/1.1 200\r\nAS2-Version: ") || !strings.HasSuffix(receipt, "\r\n\r\n"+string(w.last.Body)) {
				t.Errorf("receipt %q", receipt)
			}
			if string(record.ReceiptBy) != string(ids[0].Certificate.Raw) || record.From != "ACME" {
				t.Errorf("record %+v", record)
			}
			if len(o.refusals) == 0 && (string(record.SignedBy) != string(ids[1].Certificate.Raw) || record.MICs["sha-256"] == "" || len(record.Layers) != 2 || len(record.Files) == 0) {
				t.Errorf("record %+v", record)
			}
		})
	}
}

// Somebody puts a file into the inbox after its name was recorded as free: the record says
// the new names, and still everything else that proves the message.
func TestEvidenceOfANewKey(t *testing.T) {
	ids := testKeys()
	w := newWorld(message{})
	in := w.opened(t)
	deliver := in.deliver
	in.deliver = func(ctx context.Context, p *Partner, row *ledger.Received, fresh bool) error {
		must(fsx.Rewrite(p.Folder, path.Join(inboxDir, "INV-1.xml"), filePerm, []byte("theirs")))
		return deliver(ctx, p, row, fresh)
	}
	if reply := post(in, seal(zipped(batch), nil)); reply.Status != 200 {
		t.Fatal(reply)
	}
	record, err := ParseRecord([]byte(w.read(path.Join(evidence(recordOf(in.Ledger).received.ID), recordFile))))
	must(err)
	answer, err := record.Answer()
	must(err)
	names := ""
	for _, f := range record.Files {
		names += f.Final + " "
	}
	if names != "INV-1~2.xml INV-1~2_a.pdf INV-1~2_b.png " {
		t.Errorf("names %s", names)
	}
	if !strings.Contains(record.Header, "Message-Id: <1@acme>\r\n") || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200\r\n")) ||
		!bytes.Equal(record.SignedBy, ids[1].Certificate.Raw) || !bytes.Equal(record.ReceiptBy, ids[0].Certificate.Raw) {
		t.Errorf("record %+v, answer %q", record, answer)
	}
}
