package inbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/simdisk"
	"github.com/as2drop/as2drop/ledger"
)

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
	if err := w.work(in); err != nil {
		return err
	}
	for range 3 {
		if w.receipt != nil || w.taken && w.gaveUp {
			return nil
		}
		if err := w.disk.Tick("post"); err != nil {
			return err
		}
		reply := post(in, w.message)
		if err := w.disk.Tick("answer"); err != nil {
			return err
		}
		if reply.Status/100 != 2 {
			continue
		}
		w.taken = true
		if w.answered != nil {
			w.answered(in)
		}
		if len(reply.Body) > 0 {
			w.got(reply.Body)
			continue
		}
		if err := w.work(in); err != nil {
			return err
		}
	}
	if w.receipt == nil && !w.gaveUp {
		return errors.New("the sender never got a receipt")
	}
	return nil
}

// content is what lies in the inbox: name to bytes.
func (w *world) content() map[string]string {
	files := map[string]string{}
	for name, e := range w.disk.Tree() {
		if rest, ok := strings.CutPrefix(name, "acme/inbox/"); ok && !e.Folder {
			files[rest] = w.read(path.Join(inboxDir, rest))
		}
	}
	return files
}

func (w *world) read(name string) string {
	f, err := w.disk.Root("acme").OpenFile(name, fsx.ReadOnly, 0)
	must(err)
	b, err := io.ReadAll(f)
	must(errors.Join(err, f.Close()))
	return string(b)
}

// expected is what the inbox holds at the end.
func (w *world) expected() map[string]string {
	files := map[string]string{}
	for name, content := range batch {
		files[w.folder+name] = content
	}
	if w.files != nil {
		files = w.files
	}
	return files
}

// record is what the ledger says of the message.
type record struct {
	received *ledger.Received
	stored   []ledger.Stored
	refused  []ledger.Refusal
	owed     *ledger.OwedMDN
	attempts int
	hooks    []ledger.OwedHook
}

func (w *world) record() record {
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // only read from
	return recordOf(l)
}

func recordOf(l *ledger.Ledger) (rec record) {
	must(l.View(context.Background(), func(tx *ledger.Tx) error {
		row, err := tx.ReceivedByMessage("ACME", "US", "1@acme")
		id := row.ID
		if err == nil {
			rec.received = &row
		}
		rec.stored, err = tx.OpenStored("acme")
		must(err)
		rec.refused, err = tx.RecentRefusals("acme", 10)
		must(err)
		if len(rec.refused) > 0 {
			id = rec.refused[0].ID
		}
		if m, err := tx.OwedMDN(id); err == nil {
			rec.owed = &m
		}
		attempts, err := tx.Attempts(id)
		must(err)
		rec.attempts = len(attempts)
		rec.hooks, err = tx.HooksOf(id)
		return err
	}))
	return rec
}

// standing are the rules I1 to I6 of DESIGN.md, before any recovery.
func standing(cw crashtest.World) []string {
	w := cw.(*world)
	return standingOf(w, w.record())
}

// hooksHold are the standing rules, and that a hook is owed for what is published and for
// nothing else.
func hooksHold(cw crashtest.World) []string {
	w := cw.(*world)
	rec := w.record()
	problems := standingOf(w, rec)
	published := rec.received != nil && rec.received.State == ledger.ReceivedPublished
	if published != (len(rec.hooks) == 1) || published && (!rec.hooks[0].Open || rec.hooks[0].Kind != ledger.HookAfterReceived) {
		problems = append(problems, fmt.Sprintf("published: %v, and the hooks owed are %+v", published, rec.hooks))
	}
	return problems
}

func standingOf(w *world, rec record) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	inInbox, expected := w.content(), w.expected()
	for name, content := range inInbox {
		if want, ok := expected[name]; !ok || content != want || w.refused {
			say("I1: inbox/%s holds %q", name, content)
		}
	}
	for document := range inInbox {
		key, isDocument := strings.CutSuffix(document, ".xml")
		for name := range expected {
			if _, there := inInbox[name]; isDocument && !there && strings.HasPrefix(name, key) {
				say("I6: %s is there, and of its attachments only %v", document, slices.Sorted(maps.Keys(inInbox)))
			}
		}
	}
	if len(inInbox) > 0 && rec.received == nil {
		say("I1: files in the inbox that no row knows")
	}
	published := len(inInbox) == len(expected) && rec.received != nil && rec.received.State == ledger.ReceivedPublished
	if w.receipt != nil && !w.refused && !published {
		say("I2: a receipt has left, and the inbox holds %v", slices.Sorted(maps.Keys(inInbox)))
	}
	if w.receipt != nil && w.refused && len(rec.refused) == 0 {
		say("I2: a receipt has left, and no refusal is on record")
	}
	if w.taken && rec.received == nil && len(rec.refused) == 0 {
		if len(rec.stored) == 0 {
			say("I2: a 2xx has left, and the message is not on record")
		} else if raw := w.read(path.Join(incoming(rec.stored[0].ID), rawFile)); raw != string(w.message.body) {
			say("I2: a 2xx has left, and of the message %d bytes are there", len(raw))
		}
	}
	if w.posts > rec.attempts {
		say("I2: %d receipts were posted, %d attempts are on record", w.posts, rec.attempts)
	}
	if w.differs {
		say("I3: two receipts for one message")
	}
	return problems
}

func final(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	l, err := w.ledger()
	must(err)
	defer func() { l.Close(); w.disk.Release() }() // only read from
	rec := recordOf(l)
	problems = standingOf(w, rec)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	switch {
	case w.gaveUp:
		if rec.owed == nil || rec.owed.Open || rec.owed.Outcome != gaveUp {
			say("the receipt was not given up: %+v", rec.owed)
		}
	case w.receipt == nil:
		say("no receipt")
	case rec.owed != nil && (rec.owed.Open || rec.owed.Outcome != delivered):
		say("the receipt came, and is still owed: %+v", rec.owed)
	}
	if len(rec.stored) > 0 {
		say("still stored: %+v", rec.stored)
	}
	if n := len(rec.refused); w.refused && n != 1 || !w.refused && n != 0 {
		say("%d refusals", n)
	}
	for name, e := range w.disk.Tree() {
		file, inEvidence := strings.CutPrefix(name, "acme/.evidence/")
		if strings.HasPrefix(name, "acme/.incoming/") || strings.HasSuffix(name, ".part") || inEvidence && openedName(path.Base(file)) {
			say("left over: %s", name)
		}
		if inEvidence && e.Folder {
			want := []string{rawFile, recordFile}
			if w.refused {
				want = append(want, headerFile, receiptFile)
			}
			for _, want := range want {
				if _, ok := w.disk.Tree()[name+"/"+want]; !ok {
					say("no evidence: %s/%s", name, want)
				}
			}
		}
	}
	findings, err := w.inbox(l).Check(context.Background())
	if err != nil || len(findings) > 0 {
		say("check: %v %v", findings, err)
	}
	return problems
}

// later asks for the receipt on a connection of its own.
func later(o *as2.SealOptions) { o.Receipt.Async = "https://acme.example:8443/mdn?x=1" }

// from is the world as a kill leaves it at the first tick of a name: what came before is
// walked in another case.
func (w *world) from(tick string) *world {
	straight := w.On(w.disk.Clone()).(*world)
	must(run(straight))
	stopped := w.On(w.disk.Clone()).(*world)
	stopped.disk.StopAt(slices.Index(straight.disk.Ticks(), "mark "+tick) + 1)
	_ = run(stopped) // it runs into the stop
	return stopped.On(stopped.disk.Kill()).(*world)
}

func TestCrashMatrix(t *testing.T) {
	ids := testKeys()
	posted := func(answers ...int) *world {
		return newWorld(seal(zipped(batch), later)).with(func(w *world) { w.answers = answers })
	}
	refused := newWorld(seal(zipped(batch), func(o *as2.SealOptions) { later(o); o.Sign = signerOf(ids[2])(moment) }))
	refused.refused = true
	for name, c := range map[string]struct {
		world  *world
		every  int
		faults bool
	}{
		"at once":                       {newWorld(seal(zipped(batch), nil)), 170, false},
		"at once, a folder per batch":   {newWorld(seal(zipped(batch), nil)).with(perBatch), 0, false},
		"at once, from a file":          {newWorld(seal(zipped(batch), nil)).with(spilling), 0, true},
		"at once, loose in the zip":     {newWorld(seal(zipped(scans), nil)).with(spilling).with(ofScans), 0, true},
		"at once, no zip":               {newWorld(seal([]byte("<Invoice/>"), noZip)).with(spilling).with(noBatch), 0, false},
		"at once, several documents":    {severalDocuments(false), 0, false},
		"at once, a folder for each":    {severalDocuments(true), 0, true},
		"later":                         {posted(200), 0, true},
		"later, refused":                {refused.from("answer"), 0, false},
		"later, posted twice":           {posted(0, 200).from("receipt"), 0, false},
		"later, nobody takes a receipt": {posted(404).with(func(w *world) { w.gaveUp, w.change = true, attempts(2) }).from("receipt"), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := crashtest.Matrix(c.world, crashtest.Scenario{Run: run, Standing: hooksHold, Final: final, Every: c.every, Faults: c.faults})
			t.Logf("%d cases of %d", r.Cases, r.Left)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// spilling holds nothing of a payload in memory.
func spilling(w *world) { w.mutate = func(in *Inbox) { in.mostHeld = 0 } }

// scans are too random to be compressed: each is laid down while the zip comes.
var scans = map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_a.pdf": "%PDF-" + random(20_000), "INV-1_b.png": "\x89PNG" + random(70_000)}

func random(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

func ofScans(w *world) { w.files = scans }

func noZip(o *as2.SealOptions) { o.ContentType, o.Filename = "application/xml", "INV-1.xml" }

func noBatch(w *world) { w.files = map[string]string{"INV-1.xml": "<Invoice/>"} }

func perBatch(w *world) {
	w.folder = "INV-1/"
	w.change = func(p *Partner) { p.FolderPerBatch = true }
}

// severalDocuments come in one zip, one of them in a zip inside it, and one with a file in
// it that is taken out.
func severalDocuments(folders bool) *world {
	inner := map[string]string{"INV-2.xml": "<Invoice>2</Invoice>", "INV-2_b.png": "PNG 2"}
	outer := map[string]string{"INV-1.xml": order("INV-1_c.pdf=%PDF c"), "INV-1_a.pdf": batch["INV-1_a.pdf"]}
	w := newWorld(seal(zipped(merged(outer, map[string]string{"more.zip": string(zipped(inner))})), nil))
	w.change = func(p *Partner) { p.NestedZips, p.Extract, p.FolderPerBatch = Split, true, folders }
	outer["INV-1_c.pdf"] = "%PDF c"
	w.files = merged(outer, inner)
	if folders {
		w.files = map[string]string{}
		for name, content := range merged(outer, inner) {
			w.files[name[:len("INV-1")]+"/"+name] = content
		}
	}
	return w
}

func merged(maps ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// A process is killed after the last rename and before its sync; the next one finds
// everything in place, and its receipt may leave only when that is durable.
func TestKilledBeforeTheLastSync(t *testing.T) {
	for name, w := range map[string]*world{
		"files":              newWorld(seal(zipped(batch), nil)),
		"a folder per batch": newWorld(seal(zipped(batch), nil)).with(perBatch),
	} {
		t.Run(name, func(t *testing.T) {
			straight := w.On(w.disk.Clone()).(*world)
			must(run(straight))
			ticks := straight.disk.Ticks()
			last := 0
			for i, tick := range ticks {
				if strings.HasPrefix(tick, "before rename") && strings.Contains(tick, " to acme/inbox/") {
					last = i + 1
				}
			}
			killed := w.On(w.disk.Clone()).(*world)
			killed.disk.StopAt(last + 1) // after the rename
			_ = run(killed)              // it runs into the stop
			killed = killed.On(killed.disk.Kill()).(*world)
			again := killed.On(killed.disk.Clone()).(*world)
			must(run(again))
			for _, n := range again.disk.Points() {
				cut := killed.On(killed.disk.Clone()).(*world)
				cut.disk.StopAt(n)
				_ = run(cut) // it runs into the stop
				after := cut.On(cut.disk.PowerCut(simdisk.None)).(*world)
				if problems := standing(after); len(problems) > 0 {
					t.Fatalf("cut off at %d: %q", n, problems)
				}
				if err := run(after); err != nil || len(final(after)) > 0 {
					t.Fatalf("cut off at %d: %v, %q", n, err, final(after))
				}
			}
		})
	}
}

// A receipt is the same bytes however often it is posted, and so for a repeat.
func TestReceiptsAreTheSameBytes(t *testing.T) {
	w := newWorld(seal(zipped(batch), later))
	w.answers = []int{0, 200}
	must(run(w))
	first := w.receipt
	w.receipt = nil
	must(run(w))
	if w.posts != 3 || w.differs || !bytes.Equal(first, w.receipt) {
		t.Errorf("%d posts, differ: %v, %v", w.posts, w.differs, bytes.Equal(first, w.receipt))
	}
}
