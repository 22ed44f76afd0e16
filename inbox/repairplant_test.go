package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Whatever is found where the ledger is lost is planted once: what repairing mends it
// mends, and what contradicts itself it says and leaves alone.
func TestRepairOfWhatIsPlanted(t *testing.T) {
	edit := func(w *world, dir string, change func(*Record)) {
		record, err := ParseRecord([]byte(w.read(path.Join(dir, recordFile))))
		must(err)
		change(&record)
		b, err := json.Marshal(record)
		must(err)
		must(fsx.Rewrite(w.disk.Outside("acme"), path.Join(dir, recordFile), filePerm, b))
	}
	remove := func(name string) func(*world, string) {
		return func(w *world, dir string) { must(fsx.RemoveAll(w.disk.Outside("acme"), path.Join(dir, name))) }
	}
	for name, c := range map[string]struct {
		message message
		plant   func(w *world, dir string) // of its evidence
		says    string
		mends   bool
	}{
		"nothing, at once":     {seal(zipped(batch), nil), func(*world, string) {}, "a repeat gets the same one", true},
		"nothing, later":       {seal(zipped(batch), later), func(*world, string) {}, "does not know that its receipt was posted", true},
		"not posted":           {seal(zipped(batch), later), remove("answer-1.http"), "its receipt is owed; it is posted", true},
		"not posted, long ago": {seal(zipped(batch), later), func(w *world, dir string) { remove("answer-1.http")(w, dir); w.now = w.now.Add(100 * time.Hour) }, "its time is over", true},
		"a record cut short": {seal(zipped(batch), nil), func(w *world, dir string) {
			must(fsx.Rewrite(w.disk.Outside("acme"), path.Join(dir, recordFile), filePerm, []byte(`{"id"`)))
		}, "its record cannot be read", false},
		"a record of another message": {seal(zipped(batch), nil), func(w *world, dir string) { edit(w, dir, func(r *Record) { r.ID = "x" }) }, "of another message or partner", false},
		"a record of another partner": {seal(zipped(batch), nil), func(w *world, dir string) { edit(w, dir, func(r *Record) { r.Partner = "globex" }) }, "of another message or partner", false},
		"no receipt":                  {seal(zipped(batch), nil), func(w *world, dir string) { edit(w, dir, func(r *Record) { r.Receipt = nil }) }, "its receipt is missing here", false},
		"twice": {seal(zipped(batch), nil), func(w *world, dir string) {
			other := path.Join(evidenceDir, "zz")
			must(fsx.MkdirAll(w.disk.Outside("acme"), other, dirPerm))
			must(fsx.Rewrite(w.disk.Outside("acme"), path.Join(other, recordFile), filePerm, []byte(w.read(path.Join(dir, recordFile)))))
			edit(w, other, func(r *Record) { r.ID = "zz" })
		}, "so it may have been delivered twice", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(c.message)
			must(run(w))
			entries, err := w.disk.Root("acme").ReadDir(evidenceDir)
			if err != nil || len(entries) != 1 {
				t.Fatal(entries, err)
			}
			after := w.On(w.disk.Kill()).(*world)
			crashtest.PutBack(after.disk, nil)
			c.plant(after, path.Join(evidenceDir, entries[0].Name()))
			l, err := after.ledger()
			must(err)
			defer func() { l.Close(); after.disk.Release() }() // all was read
			in := after.inbox(l)
			mended := ""
			must(in.Repair(context.Background(), "acme", func(f ledger.Finding) { mended += f.Fact + "; " + f.Repair + "\n" }))
			left := ""
			found, err := in.Check(context.Background(), "acme")
			must(err)
			for _, f := range found {
				left += f.Fact + "; " + f.Hint + "\n"
			}
			if c.mends && (left != "" || !strings.Contains(mended, c.says)) || !c.mends && !strings.Contains(left, c.says) {
				t.Errorf("mended %q\nleft %q", mended, left)
			}
		})
	}
}

// A receipt comes back from the evidence byte for byte, with folded lines and bodies that
// hold blank ones.
func TestReceiptIsReadBackAsItWas(t *testing.T) {
	for name, reply := range map[string]as2.Reply{
		"none":   {Status: 200},
		"a text": {Status: 400, Header: []as2.Field{{Name: "Content-Type", Value: "text/plain"}}, Body: []byte("no\n")},
		"folded": {Status: 200, Header: []as2.Field{{Name: "Content-Type", Value: "multipart/signed;\r\n\tboundary=x"}, {Name: "Empty", Value: ""}}, Body: []byte("--x\r\n\r\n\r\n--x--\r\n")},
	} {
		want, err := json.Marshal(reply)
		must(err)
		got, err := readReply(rawAnswer(reply.Status, reply.Header, reply.Body))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
	}
	for _, raw := range []string{"", "HTTP/1.1 200\r\n", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200\r\nno field\r\n\r\n"} {
		if got, err := readReply([]byte(raw)); err == nil {
			t.Errorf("%q gives %s", raw, got)
		}
	}
}

// Who holds a message after three panics can have it opened again when the cause is gone.
func TestReleaseOfAStoredMessage(t *testing.T) {
	w := newWorld(seal(zipped(batch), later))
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // all was read
	broken := true
	w.mutate = func(in *Inbox) {
		commit := in.commit
		in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
			if broken {
				panic("a bug")
			}
			return commit(ctx, r, row)
		}
	}
	in := w.inbox(l)
	if reply := post(in, w.message); reply.Status != 200 {
		t.Fatal(reply)
	}
	must(w.work(in))
	held := recordOf(l).stored
	if len(held) != 1 || !strings.Contains(held[0].Hold, "panic three times") {
		t.Fatalf("%+v", held)
	}
	wish := func(kind ledger.WishKind, about string) string {
		wish := ledger.Wish{ID: string(kind) + about, Kind: kind, Transfer: about, By: "me"}
		must(l.Update(context.Background(), func(tx *ledger.Tx) error { return tx.AddWish(wish) }))
		ours, err := in.Grant(context.Background(), wish)
		must(err)
		if !ours {
			return "not ours"
		}
		must(l.View(context.Background(), func(tx *ledger.Tx) (err error) { wish, err = tx.Wish(wish.ID); return err }))
		return wish.Result
	}
	for _, c := range [][3]string{
		{"release", "nobody", "not ours"},
		{"retry", held[0].ID, "it can be released, and nothing else"},
		{"release", held[0].ID, "is opened now"},
	} {
		if got := wish(ledger.WishKind(c[0]), c[1]); !strings.Contains(got, c[2]) {
			t.Errorf("%s %s: %q", c[0], c[1], got)
		}
	}
	broken = false
	must(w.work(in))
	if rec := recordOf(l); rec.received == nil || len(rec.stored) != 0 || w.receipt == nil {
		t.Errorf("%+v", rec)
	}
}

// The record of an accepted message is behind all that it names, so it counts by itself. Of a
// refusal and of earlier versions a power cut can leave the record and not what was written with
// it: that was never committed, nobody has a receipt for it, and it is not taken in.
func TestARecordAlone(t *testing.T) {
	for name, c := range map[string]struct {
		record  Record
		beside  []string
		further bool
	}{
		"with its body":                      {Record{}, []string{rawFile}, true},
		"whose body is no evidence any more": {Record{}, nil, true},
		"of an earlier version":              {Record{}, []string{receiptFile}, true},
		"of an earlier version, and nothing": {Record{}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			in := w.opened(t)
			c.record.Received = ledger.Received{ID: "x1", Partner: "acme", From: "ACME", To: "US", MessageID: "1@acme", State: ledger.ReceivedReceived, At: moment,
				Files: []ledger.ReceivedFile{{Entry: "INV-1.xml", Staged: fileName + "0", Final: "INV-1.xml"}}}
			if !strings.HasPrefix(name, "of an earlier version") {
				c.record.Receipt = json.RawMessage(`{"Status":200}`)
			}
			body, err := recordBody(c.record)
			must(err)
			folder := w.disk.Outside("acme")
			must(fsx.MkdirAll(folder, incoming("x1"), dirPerm))
			must(fsx.Rewrite(folder, path.Join(incoming("x1"), recordFile), filePerm, body))
			for _, name := range c.beside {
				must(fsx.Rewrite(folder, path.Join(incoming("x1"), name), filePerm, []byte("HTTP/1.1 200\r\n\r\n")))
			}
			must(in.Repair(context.Background(), "acme", func(ledger.Finding) {}))
			if taken := recordOf(in.Ledger).received != nil; taken != c.further {
				t.Errorf("taken in: %v", taken)
			}
		})
	}
}
