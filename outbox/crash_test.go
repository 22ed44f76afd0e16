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
	"strings"
	"testing"
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

	async    bool // receipts are asked for on a connection of their own
	attempts int  // 0 = 3
	cipher   cms.Cipher
	box      *Outbox // of the process that runs
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
	owed       []receipt         // receipts that were not taken yet
	taken      map[string]bool   // Message-IDs whose receipt was answered with 200
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

func newWorld(answers ...answer) *world {
	d := simdisk.New()
	w := &world{disk: d, now: moment, partner: partner{delivered: map[string]int{}, messageIDs: map[string]string{}, taken: map[string]bool{}}, answers: answers, cipher: cms.AES128CBC}
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

// dropped is what lies in the outbox at the beginning.
var dropped = map[string]string{"INV-1.xml": "<Invoice/>", "INV-1_scan.pdf": "%PDF-1.7 scan"}

func (w *world) Disk() *simdisk.Disk { return w.disk }

func (w *world) On(d *simdisk.Disk) crashtest.World {
	c := *w
	c.disk = d
	c.partner.delivered = maps.Clone(w.partner.delivered)
	c.partner.messageIDs = maps.Clone(w.partner.messageIDs)
	c.partner.taken = maps.Clone(w.partner.taken)
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
	o := New(Deps{Ledger: l, Now: func() time.Time { return w.now }, Rand: mathrand.NewChaCha8([32]byte{byte(w.seed), byte(w.seed >> 8)}), Post: w, Process: fmt.Sprint(w.seed), Config: "c", UserAgent: "test"},
		Partner{Name: "acme", AS2ID: "ACME", Station: "us", StationAS2ID: "US", URL: "https://acme.invalid/", Folder: folder, Rules: rules, LateWindow: 24 * time.Hour,
			Bundle: BundleAlways, Sign: signerOf(ids[0]), Cipher: w.cipher, EncryptTo: encryptTo(ids[1].Certificate), Own: ids[0].Certificate, Identities: []cms.Identity{ids[0]},
			Certificates: []*x509.Certificate{ids[1].Certificate}, Trust: cms.Pinned(ids[1].Certificate),
			Receipt: request, EvidenceUpTo: 1 << 20, Policy: w.policy()})
	if w.mutate.steps != nil {
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
	fields, body, err := as2.BuildMDN(as2.MDNOptions{From: "ACME", To: "US", MessageID: "<r>", OriginalMessageID: env.MessageID, Disposition: d, MIC: &opened.MICs[0], Text: "ok", UserAgent: "test", Date: moment, Sign: signerOf(ids[1])(moment)})
	if err != nil {
		return nil, err
	}
	rh := http.Header{}
	for _, f := range fields {
		rh.Add(f.Name, f.Value)
	}
	return &as2.Answer{Status: 200, Header: rh, Body: body}, nil
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
	ob := NewObserver()
	for range 40 {
		if _, err := o.Scan(ctx, ob); err != nil {
			return err
		}
		var open []ledger.Transfer
		if err := l.View(ctx, func(tx *ledger.Tx) (err error) { open, err = tx.OpenTransfers("acme"); return err }); err != nil {
			return err
		}
		var due time.Time
		for _, t := range open {
			if due.IsZero() || t.Due.Before(due) {
				due = t.Due
			}
			for again := true; again; {
				if again, err = o.Step(ctx, t.ID); err != nil {
					return err
				}
			}
		}
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

// state is what the rules look at.
type state struct {
	places    map[string][]string // dropped file -> where it lies
	transfers map[string]ledger.Transfer
	attempts  map[string][]ledger.Attempt
	work      []string
	tree      map[string]bool
	sums      map[string]string // file -> SHA-256 of its content
}

func look(w *world) state {
	s := state{places: map[string][]string{}, transfers: map[string]ledger.Transfer{}, attempts: map[string][]ledger.Attempt{}, tree: map[string]bool{}, sums: map[string]string{}}
	for name, entry := range w.disk.Tree() {
		s.tree[name], s.sums[name] = true, entry.SHA256
		base := path.Base(name)
		if _, ok := dropped[base]; ok {
			s.places[base] = append(s.places[base], strings.TrimPrefix(name, "acme/"))
		}
		if rest, ok := strings.CutPrefix(name, "acme/.work/"); ok && !strings.Contains(rest, "/") {
			s.work = append(s.work, rest)
		}
	}
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // only read from
	must(l.View(context.Background(), func(tx *ledger.Tx) error {
		ts, err := tx.RecentTransfers("acme", time.Time{}, 100)
		for _, t := range ts {
			s.transfers[t.ID] = t
			as, aerr := tx.Attempts(t.ID)
			err = errors.Join(err, aerr)
			s.attempts[t.ID] = as
		}
		return err
	}))
	return s
}

// standing are the rules O1 to O6 of DESIGN.md, before any recovery.
func standing(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	s := look(w)
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	ids := w.disk.Tree()
	for name, content := range dropped {
		places := s.places[name]
		same := len(places) == 2 && ids["acme/"+places[0]].ID == ids["acme/"+places[1]].ID // between the halves of a move
		if len(places) != 1 && !same {
			say("O1: %s lies in %v", name, places)
		}
		for _, p := range places {
			// What lies in the outbox is as durable as its writer made it.
			if !strings.HasPrefix(p, outboxDir) && ids["acme/"+p].SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(content))) {
				say("O1: %s has lost its content", p)
			}
			root, _, _ := strings.Cut(p, "/")
			if root == sentDir || root == failedDir {
				t := s.transfers[p[strings.LastIndex(path.Dir(p), ".")+1:strings.LastIndex(p, "/")]]
				late := t.RefileFrom == path.Dir(p) && root == failedDir // on its way to sent
				if t.Verdict == ledger.VerdictNone || t.Verdict.Sent() != (root == sentDir) && !late {
					say("O5: %s, and the verdict is %q", p, t.Verdict)
				}
				if t.Verdict == ledger.VerdictAccepted && len(t.Receipt) == 0 {
					say("O5: %s is accepted without a receipt", p)
				}
			}
		}
	}
	for _, id := range s.work {
		if _, ok := s.transfers[id]; !ok {
			say("O2: .work/%s is in no ledger", id)
		}
	}
	posted := 0
	for id, as := range s.attempts {
		open := 0
		for _, a := range as {
			posted++
			if a.Outcome == ledger.OutcomeOpen {
				open++
			}
		}
		if open > 1 {
			say("O4: %s has %d open attempts", id, open)
		}
	}
	if w.partner.posts > posted {
		say("O4: the partner saw %d posts, %d attempts are on record", w.partner.posts, posted)
	}
	for id := range w.partner.taken {
		if problem := receiptTaken(s, id); problem != "" {
			say("O6: a receipt was answered with 200, and %s", problem)
		}
	}
	for _, n := range w.partner.delivered {
		if n > 1 {
			say("O3: delivered %d times under different Message-IDs", n)
		}
	}
	return problems
}

// receiptTaken says what is missing of a receipt that the partner believes to be ours.
func receiptTaken(s state, messageID string) string {
	for id, t := range s.transfers {
		if as2.StripID(t.MessageID) != messageID {
			continue
		}
		if !t.Verdict.Sent() || len(t.Receipt) == 0 {
			return fmt.Sprintf("the verdict is %q", t.Verdict)
		}
		for name, sum := range s.sums {
			x, ok := strings.CutPrefix(name, "acme/.evidence/"+id+"/"+receiptPrefix)
			if x, whole := strings.CutSuffix(x, httpSuffix); ok && whole && strings.HasPrefix(sum, x) {
				return ""
			}
		}
		return "it is not whole in the evidence"
	}
	return "no transfer is in the ledger"
}

// final are the rules at the end.
func final(verdict ledger.Verdict, deliveries int) func(crashtest.World) []string {
	return func(cw crashtest.World) (problems []string) {
		problems = standing(cw)
		w := cw.(*world)
		s := look(w)
		say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
		total := 0
		for _, n := range w.partner.delivered {
			total += n
		}
		if total != deliveries {
			say("delivered %d times, want %d", total, deliveries)
		}
		if len(s.work) > 0 {
			say("O9: left in .work: %v", s.work)
		}
		settled := 0
		for _, t := range s.transfers {
			if t.State == ledger.StateUndone {
				continue
			}
			settled++
			if t.State != ledger.StateFiled || t.Verdict != verdict && !(verdict == ledger.VerdictAccepted && t.Verdict == ledger.VerdictReceiptLost) {
				say("%s is %s, verdict %q, want %q: %s", t.ID, t.State, t.Verdict, verdict, t.Reason)
			}
			for name := range dropped {
				if !s.tree["acme/"+t.FilePath+"/"+name] {
					say("%s is not in %s", name, t.FilePath)
				}
			}
			if why := s.tree["acme/"+t.FilePath+"/"+whyFile]; why == verdict.Sent() {
				say("WHY.txt in %s: %v", t.FilePath, why)
			}
		}
		if settled != 1 {
			say("%d transfers", settled)
		}
		for name := range s.tree {
			if strings.HasSuffix(name, ".part") {
				say("left over: %s", name)
			}
		}
		for id, as := range s.attempts {
			for _, a := range as {
				if a.Outcome == ledger.OutcomeOpen || a.Outcome == ledger.OutcomeWaiting {
					say("O4: attempt %d of %s is still %s", a.N, id, a.Outcome)
				}
			}
		}
		if len(w.partner.owed) > 0 {
			say("%d receipts were not taken", len(w.partner.owed))
		}
		l := w.ledger()
		defer func() { l.Close(); w.disk.Release() }() // only read from
		findings, err := w.outbox(l).Check(context.Background())
		if err != nil || len(findings) > 0 {
			say("check: %v %v", findings, err)
		}
		return problems
	}
}

func TestCrashMatrix(t *testing.T) {
	for name, c := range map[string]struct {
		answers    []answer
		verdict    ledger.Verdict
		deliveries int
		every      int
		faults     bool
	}{
		"accepted":             {[]answer{accept}, ledger.VerdictAccepted, 1, 400, true},
		"rejected":             {[]answer{reject}, ledger.VerdictRejected, 0, 0, false},
		"the answer gets lost": {[]answer{lose, accept}, ledger.VerdictAccepted, 1, 0, false},
		"busy at first":        {[]answer{busy, accept}, ledger.VerdictAccepted, 1, 0, false},
		"busy for ever":        {[]answer{busy}, ledger.VerdictGaveUp, 0, 0, false},

		"async":                         {[]answer{later}, ledger.VerdictAccepted, 1, 0, true},
		"async, receipt before the 200": {[]answer{early}, ledger.VerdictAccepted, 1, 0, false},
		"async, receipt after the end":  {[]answer{withhold}, ledger.VerdictAccepted, 1, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(c.answers...)
			w.async = c.answers[0] >= later
			if c.answers[0] == withhold {
				w.attempts = 2
			}
			s := crashtest.Scenario{Run: run, Standing: standing, Final: final(c.verdict, c.deliveries), Every: c.every, Faults: c.faults}
			if name != "accepted" {
				s.After = "mark post" // up to there they are the same
			}
			r := crashtest.Matrix(w, s)
			t.Logf("%d cases", r.Cases)
			for _, p := range r.Problems {
				t.Error(p)
			}
		})
	}
}

// A process dies when it has moved a folder into sent and not synced that; the next one
// finds it there. What the next one commits must hold through a power cut.
func TestFolderThatWasMovedBeforeIsSynced(t *testing.T) {
	w := newWorld(accept)
	straight := w.On(w.disk.Clone())
	must(run(straight))
	labels := straight.Disk().Ticks()
	point := 0
	for _, n := range straight.Disk().Points() {
		if strings.HasPrefix(labels[n-1], "before syncdir acme/"+sentDir+"/") {
			point = n
		}
	}
	if point == 0 {
		t.Fatal("no such moment")
	}
	stopped := w.On(w.disk.Clone())
	stopped.Disk().StopAt(point)
	_ = run(stopped) // it runs into the stop
	next := stopped.On(stopped.Disk().Kill())
	must(run(next))
	for _, p := range final(ledger.VerdictAccepted, 1)(next.On(next.Disk().PowerCut(simdisk.None))) {
		t.Error(p)
	}
}

// bold renames over what is there.
type bold struct{ fsx.FS }

func (b bold) RenameNoReplace(oldname, newname string) error {
	if info, err := b.Lstat(newname); err == nil && !info.IsDir() {
		return b.Replace(oldname, newname)
	}
	return b.FS.RenameNoReplace(oldname, newname)
}

// racing drops another file of the name just before a member goes back to the outbox.
type racing struct {
	fsx.FS
	w *world
}

func (r racing) RenameNoReplace(oldname, newname string) error {
	if newname == path.Join(outboxDir, "INV-1.xml") {
		r.w.write(newname, "<Other/>")
	}
	return r.FS.RenameNoReplace(oldname, newname)
}

// A claim is undone, and in the moment between the look and the rename the ERP drops a
// file of the same name: both survive. With a rename that overwrites one is lost.
func TestNothingIsOverwritten(t *testing.T) {
	collide := func(mutate func(fsx.FS) fsx.FS) []string {
		w := newWorld(accept)
		w.mutate.fs = func(f fsx.FS) fsx.FS { return racing{mutate(f), w} }
		l := w.ledger()
		o := w.outbox(l)
		ctx := context.Background()
		report, err := o.Scan(ctx, NewObserver())
		must(err)
		_, err = o.Step(ctx, report.Claimed[0]) // claimed
		must(err)
		// A member turns out to have changed.
		w.write(path.Join(workDir, report.Claimed[0], "INV-1_scan.pdf"), "%PDF-1.7 scan, and more of it")
		for range 3 {
			_, err = o.Step(ctx, report.Claimed[0])
			must(err)
		}
		must(l.Close())
		w.disk.Release()
		var sums []string
		for name, e := range w.disk.Tree() {
			if path.Base(name) == "INV-1.xml" {
				sums = append(sums, e.SHA256)
			}
		}
		slices.Sort(sums)
		return sums
	}
	if sums := collide(func(f fsx.FS) fsx.FS { return f }); len(sums) != 2 {
		t.Errorf("of two files of one name %d are left", len(sums))
	}
	if sums := collide(func(f fsx.FS) fsx.FS { return bold{f} }); len(sums) != 1 {
		t.Errorf("an overwriting rename leaves %d files: this test would not notice it", len(sums))
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
