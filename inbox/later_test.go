package inbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// opened is an inbox on the world's disk until the test ends.
func (w *world) opened(t testing.TB) *Inbox {
	t.Helper()
	l, err := w.ledger()
	must(err)
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	return w.inbox(l)
}

// A receipt is posted to agreed places only, and what cannot be receipted is not taken.
func TestReceiptURLs(t *testing.T) {
	over := func(p *Partner) { p.ReceiptHTTP = true }
	for name, c := range map[string]struct {
		url    string
		change func(*Partner)
		fact   string // empty = taken
	}{
		"the agreed host":               {"https://acme.example/mdn?id=1", nil, ""},
		"another port of it":            {"https://acme.example:8443/", nil, ""},
		"in capitals, with a dot":       {"HTTPS://ACME.example./", nil, ""},
		"an agreed port":                {"https://port.example:8443/", nil, ""},
		"the port that https means":     {"https://tls.example/", nil, ""},
		"another port":                  {"https://port.example:22/", nil, "not agreed upon"},
		"no port where one is agreed":   {"https://port.example/", nil, "not agreed upon"},
		"an address":                    {"https://[2001:db8::1]:443/", nil, ""},
		"another host":                  {"https://evil.example/acme.example", nil, `"evil.example" of the receipt URL is not agreed upon`},
		"a host that ends alike":        {"https://notacme.example/", nil, "not agreed upon"},
		"the agreed host as a user":     {"https://acme.example@evil.example/", nil, "carries credentials"},
		"credentials for it":            {"https://u:p@acme.example/", nil, "carries credentials"},
		"plain HTTP":                    {"http://acme.example/", nil, "is not https"},
		"plain HTTP, allowed":           {"http://acme.example/", over, ""},
		"mail":                          {"mailto:edi@acme.example", over, "neither https nor http"},
		"a file":                        {"file:///etc/passwd", over, "neither https nor http"},
		"no URL":                        {"acme.example", nil, "neither https nor http"},
		"no host":                       {"https:///mdn", nil, "not agreed upon"},
		"unreadable":                    {"https://acme.example/%zz", nil, "cannot be read"},
		"very long":                     {"https://acme.example/" + strings.Repeat("x", 3000), nil, "more than 2048 characters"},
		"none are given":                {"https://acme.example/", func(p *Partner) { p.Post = nil }, "switched off"},
		"the message is a stranger's":   {"https://acme.example/", func(p *Partner) { p.AS2ID = "OTHER" }, "no partner with as2_id"},
		"no host is agreed upon at all": {"https://acme.example/", func(p *Partner) { p.ReceiptHosts = nil }, "not agreed upon"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) {
				p.ReceiptHosts = []string{"acme.example", "port.example:8443", "tls.example:443", "[2001:db8::1]"}
				if c.change != nil {
					c.change(p)
				}
			}
			in := w.opened(t)
			woken := ""
			in.Wake = func(partner string) { woken = partner }
			reply := post(in, seal([]byte("x"), func(o *as2.SealOptions) { o.Receipt.Async = c.url }))
			rec := recordOf(in.Ledger)
			if c.fact == "" {
				if reply.Status != 200 || len(reply.Body) > 0 || len(rec.stored) != 1 || woken != "acme" || len(rec.refused) > 0 {
					t.Errorf("%d %q, %+v, woken %q", reply.Status, reply.Body, rec, woken)
				}
				return
			}
			strangers := rec.refused
			must(in.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) {
				if len(strangers) == 0 {
					strangers, err = tx.RecentRefusals("", 1)
				}
				return err
			}))
			if reply.Status != 400 || len(strangers) != 1 || !strings.Contains(strangers[0].Fact, c.fact) || len(rec.stored) > 0 || woken != "" {
				t.Errorf("%d %q, %+v", reply.Status, reply.Body, strangers)
			}
			must(w.work(in))
			if w.posts > 0 {
				t.Errorf("%d receipts were posted", w.posts)
			}
		})
	}
}

// asLater asks for the receipt of a message on a connection of its own.
func asLater(m message) message {
	h := m.header.Clone()
	h.Set("Receipt-Delivery-Option", "https://acme.example/mdn")
	return message{h, m.body}
}

func TestTakenAtOnceReceiptedLater(t *testing.T) {
	for version, status := range map[string]int{"1.0": 200, "1.2": 200, "1.3": 204} { // rfc4130bis, 5.5
		w := newWorld(message{})
		w.change = func(p *Partner) { p.Version = version }
		in := w.opened(t)
		reply := post(in, asLater(seal(zipped(batch), nil)))
		if reply.Status != status || len(reply.Body) > 0 || len(w.content()) > 0 || w.posts > 0 {
			t.Errorf("%s: %d %q, %v, %d posts", version, reply.Status, reply.Body, w.content(), w.posts)
		}
		must(w.work(in))
		if len(w.content()) != 3 || w.posts != 1 || as2.Get(w.reply.Header, "AS2-Version") != version {
			t.Errorf("%s: %v, %d posts, %v", version, w.content(), w.posts, w.reply.Header)
		}
	}
}

// However a message and its copies come, at once or later, in whatever order they are
// opened, it is delivered once and there is one receipt.
func TestCopiesAtOnceAndLater(t *testing.T) {
	now, then := seal(zipped(batch), nil), asLater(seal(zipped(batch), nil))
	then.body = now.body
	for _, c := range []struct {
		name  string
		steps func(w *world, in *Inbox) (atOnce []as2.Reply)
		posts int
	}{
		{"later, then at once, then opened", func(w *world, in *Inbox) []as2.Reply {
			post(in, then)
			r := post(in, now)
			must(w.work(in))
			return []as2.Reply{r}
		}, 1},
		{"later, opened, then at once", func(w *world, in *Inbox) []as2.Reply {
			post(in, then)
			must(w.work(in))
			return []as2.Reply{post(in, now)}
		}, 1},
		{"at once, then later twice", func(w *world, in *Inbox) []as2.Reply {
			r := post(in, now)
			post(in, then)
			post(in, then)
			must(w.work(in))
			return []as2.Reply{r}
		}, 1},
		{"later, and later again after the receipt", func(w *world, in *Inbox) []as2.Reply {
			post(in, then)
			must(w.work(in))
			post(in, then)
			must(w.work(in))
			return nil
		}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(message{})
			in := w.opened(t)
			for _, r := range c.steps(w, in) {
				w.got(r.Body)
			}
			if len(w.content()) != 3 || w.posts != c.posts || w.differs {
				t.Errorf("%v, %d posts, differ: %v", w.content(), w.posts, w.differs)
			}
			if f, err := in.Check(context.Background()); err != nil || len(f) > 0 {
				t.Error(f, err)
			}
		})
	}
}

// The same from several goroutines: senders who wait, senders who do not, and several
// calls of Work.
func TestSimultaneousCopiesAtOnceAndLater(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	in.Rand = rand.Reader
	var mu sync.Mutex
	in.names["acme"].Post = poster(func([]byte) (*as2.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		w.posts++
		return &as2.Answer{Status: 200}, nil
	})
	now := seal(zipped(batch), nil)
	then := asLater(now)
	replies := make([]as2.Reply, 6)
	var wait sync.WaitGroup
	for i := range replies {
		wait.Go(func() {
			replies[i] = post(in, []message{now, then}[i%2])
			_, _ = in.Work(context.Background(), "acme") // one that meets a copy comes back to it
		})
	}
	wait.Wait()
	must(w.work(in))
	for i, r := range replies {
		if r.Status != 200 || i%2 == 0 && !bytes.Equal(r.Body, replies[0].Body) {
			t.Errorf("%d: status %d", i, r.Status)
		}
	}
	if len(w.content()) != 3 || w.posts == 0 {
		t.Errorf("%v, %d posts", w.content(), w.posts)
	}
	if f, err := in.Check(context.Background()); err != nil || len(f) > 0 {
		t.Error(f, err)
	}
}

// poster is the other side's server.
type poster func(receipt []byte) (*as2.Answer, error)

func (p poster) Post(_ context.Context, _ string, _ []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	r, err := body()
	must(err)
	b, err := io.ReadAll(r)
	must(err)
	if int64(len(b)) != length {
		return nil, errors.New("the length is wrong")
	}
	return p(b)
}

// A receipt that hangs on its way keeps nobody from opening messages.
func TestAHangingReceiptBlocksNobody(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	in.Rand = rand.Reader
	hangs, goOn := make(chan struct{}), make(chan struct{})
	var posts atomic.Int64
	in.names["acme"].Post = poster(func([]byte) (*as2.Answer, error) {
		if posts.Add(1) == 1 {
			close(hangs)
			<-goOn
		}
		return &as2.Answer{Status: 200}, nil
	})
	post(in, asLater(seal(zipped(batch), nil)))
	done := make(chan error)
	go func() { _, err := in.Work(context.Background(), "acme"); done <- err }()
	<-hangs
	post(in, asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.MessageID, o.ContentType, o.Filename = "<2@acme>", "text/plain", "n.txt" })))
	next, err := in.Work(context.Background(), "acme")
	if err != nil || !next.IsZero() || w.content()["n.txt"] != "x" {
		t.Errorf("%v, %v, %v", next, err, w.content())
	}
	close(goOn)
	must(<-done)
}

// After a POST: pure, so every case is a line.
func TestReceiptRetry(t *testing.T) {
	r := ReceiptRetry{Attempts: 4, First: time.Minute, Max: 3 * time.Minute, GiveUp: time.Hour}
	start := ledger.OwedMDN{Open: true, Posting: true, Deadline: moment.Add(time.Hour)}
	at := func(n int) ledger.OwedMDN { m := start; m.Attempts = n; return m }
	for name, c := range map[string]struct {
		before ledger.OwedMDN
		result posting
		now    time.Time
		wait   time.Duration // zero = at an end
		end    string
		count  int
	}{
		"delivered":               {at(0), posting{delivered: true, counted: true}, moment, 0, delivered, 1},
		"the first failure":       {at(0), posting{counted: true}, moment, time.Minute, "", 1},
		"the second":              {at(1), posting{counted: true}, moment, 2 * time.Minute, "", 2},
		"the third, at the limit": {at(2), posting{counted: true}, moment, 3 * time.Minute, "", 3},
		"the last":                {at(3), posting{counted: true}, moment, 0, gaveUp, 4},
		"past the deadline":       {at(0), posting{counted: true}, moment.Add(time.Hour), 0, gaveUp, 1},
		"as the partner asks":     {at(0), posting{counted: true, retryAfter: 2 * time.Minute}, moment, 2 * time.Minute, "", 1},
		"not as long as he asks":  {at(0), posting{counted: true, retryAfter: time.Hour}, moment, 3 * time.Minute, "", 1},
		"stopped by ourselves":    {at(3), posting{}, moment, -1, "", 3},
		"delivered at last":       {at(3), posting{delivered: true, counted: true}, moment.Add(2 * time.Hour), 0, delivered, 4},
	} {
		got := r.after(c.before, c.result, c.now)
		due := c.now.Add(max(c.wait, 0))
		if got.Posting || got.Attempts != c.count || got.Outcome != c.end || got.Open != (c.end == "") || got.Open && !got.Due.Equal(due) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What the other side answers, and what is then on record.
func TestPostings(t *testing.T) {
	for name, c := range map[string]struct {
		answer  *as2.Answer
		err     error
		outcome ledger.Outcome
		result  posting
	}{
		"200":             {&as2.Answer{Status: 200}, nil, ledger.OutcomeAnswered, posting{delivered: true, counted: true}},
		"299":             {&as2.Answer{Status: 299}, nil, ledger.OutcomeAnswered, posting{delivered: true, counted: true}},
		"a redirect":      {&as2.Answer{Status: 302}, nil, ledger.OutcomeAnswered, posting{counted: true, reason: "HTTP 302"}},
		"404":             {&as2.Answer{Status: 404}, nil, ledger.OutcomeAnswered, posting{counted: true, reason: "HTTP 404"}},
		"503, in a while": {&as2.Answer{Status: 503, RetryAfter: time.Minute}, nil, ledger.OutcomeAnswered, posting{counted: true, reason: "HTTP 503", retryAfter: time.Minute}},
		"no connection":   {nil, &as2.PostError{Cause: errors.New("refused")}, ledger.OutcomeNotSent, posting{counted: true, reason: "not sent: refused"}},
		"no answer":       {nil, &as2.PostError{Unknown: true, Cause: errors.New("reset")}, ledger.OutcomeUnknown, posting{counted: true, reason: "the partner may have it: reset"}},
		"our own stop":    {nil, &as2.PostError{Unknown: true, Stopped: true, Cause: errors.New("stop")}, ledger.OutcomeUnknown, posting{reason: "the partner may have it: stop"}},
	} {
		var a ledger.Attempt
		if got := readPosting(&a, c.answer, c.err); got != c.result || a.Outcome != c.outcome || c.answer != nil && a.Status != c.answer.Status {
			t.Errorf("%s: %+v, %+v", name, got, a)
		}
	}
}

// Attempts and their answers are on record, and the last failure raises an alarm.
func TestReceiptsThatNobodyTakes(t *testing.T) {
	w := newWorld(message{})
	w.answers, w.change = []int{503}, attempts(3)
	in := w.opened(t)
	post(in, asLater(seal(zipped(batch), nil)))
	must(w.work(in))
	rec := recordOf(in.Ledger)
	if w.posts != 3 || rec.attempts != 3 || rec.owed == nil || rec.owed.Outcome != gaveUp || rec.owed.Open || rec.owed.Posting {
		t.Fatalf("%d posts, %d attempts, %+v", w.posts, rec.attempts, rec.owed)
	}
	for _, n := range []string{"answer-1.http", "answer-2.http", "answer-3.http"} {
		if got := w.read(path.Join(evidence(rec.received.ID), n)); got != "HTTP/1.1 503\r\nServer: test\r\n\r\nthanks" {
			t.Errorf("%s: %q", n, got)
		}
	}
	if !w.hasEvent(in, ledger.Alarm, "receipt-gave-up") || !w.hasEvent(in, ledger.Warning, "receipt-attempt-failed") {
		t.Error("no alarm")
	}
	// The partner asks again, and now his server is there.
	w.answers = []int{503, 503, 503, 200}
	post(in, asLater(seal(zipped(batch), nil)))
	must(w.work(in))
	if rec := recordOf(in.Ledger); w.posts != 4 || rec.owed.Outcome != delivered || rec.owed.Asked != 2 || rec.received.Repeats != 1 {
		t.Errorf("%d posts, %+v", w.posts, rec.owed)
	}
}

func (w *world) hasEvent(in *Inbox, level ledger.Level, code string) bool {
	var events []ledger.Event
	must(in.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents("acme", 100); return err }))
	return slices.ContainsFunc(events, func(e ledger.Event) bool { return e.Level == level && e.Code == code })
}

// The message comes again while its receipt is being posted: it is posted once more.
func TestAskedForWhileBeingPosted(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	m := asLater(seal(zipped(batch), nil))
	posts := 0
	in.names["acme"].Post = poster(func([]byte) (*as2.Answer, error) {
		if posts++; posts == 1 {
			post(in, m)
			if next, err := in.Work(context.Background(), "acme"); err != nil || !next.IsZero() {
				t.Error(next, err)
			}
		}
		return &as2.Answer{Status: 200}, nil
	})
	post(in, m)
	must(w.work(in))
	if rec := recordOf(in.Ledger); posts != 2 || rec.owed.Open || rec.owed.Outcome != delivered || rec.attempts != 2 {
		t.Errorf("%d posts, %+v", posts, rec.owed)
	}
	if f, err := in.Check(context.Background()); err != nil || len(f) > 0 {
		t.Error(f, err)
	}
}

// The config may change between message and receipt.
func TestTheHostIsNoLongerAgreed(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	post(in, asLater(seal(zipped(batch), nil)))
	in.names["acme"].ReceiptHosts = nil
	must(w.work(in))
	rec := recordOf(in.Ledger)
	if w.posts > 0 || rec.owed == nil || rec.owed.Outcome != gaveUp || len(w.content()) != 3 || !w.hasEvent(in, ledger.Alarm, "receipt-gave-up") {
		t.Errorf("%d posts, %+v", w.posts, rec.owed)
	}
}

// A disk that is full, or gone, costs no message: it stays stored and is tried again.
func TestFaultsOfOursKeepItStored(t *testing.T) {
	w := newWorld(message{})
	full := true
	w.fs = func(f fsx.FS) fsx.FS { return &fullDisk{f, &full} }
	in := w.opened(t)
	post(in, asLater(seal(zipped(batch), nil)))
	next, err := in.Work(context.Background(), "acme")
	if !errors.Is(err, syscall.ENOSPC) || !next.Equal(moment.Add(retryAfter)) || len(w.content()) > 0 || !w.hasEvent(in, ledger.Alarm, "stored-waits") {
		t.Errorf("%v, %v, %v", next, err, w.content())
	}
	rec := recordOf(in.Ledger)
	if len(rec.stored) != 1 || rec.stored[0].Tries != 1 || len(rec.refused) > 0 {
		t.Fatalf("%+v", rec)
	}
	for name := range w.disk.Tree() {
		if openedName(path.Base(name)) {
			t.Errorf("left on the full disk: %s", name)
		}
	}
	full = false
	must(w.work(in))
	if len(w.content()) != 3 || w.posts != 1 {
		t.Errorf("%v, %d posts", w.content(), w.posts)
	}
	// One that listed it before and comes to it now finds nothing to do.
	must(in.openOne(context.Background(), in.names["acme"], rec.stored[0].ID))
	in.names["acme"].Ready = func() error { return errors.New("not mounted") }
	if next, err := in.Work(context.Background(), "acme"); err == nil || !next.Equal(w.now.Add(retryAfter)) {
		t.Error(next, err)
	}
	if _, err := in.Work(context.Background(), "nobody"); err == nil {
		t.Error("work for nobody")
	}
}

// fullDisk has no room for what is in a message.
type fullDisk struct {
	fsx.FS
	full *bool
}

func (f *fullDisk) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	if *f.full && flag == fsx.CreateNew && openedName(path.Base(name)) {
		return fullFile{file}, err
	}
	return file, err
}

type fullFile struct{ fsx.File }

func (fullFile) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// A message that makes the agent panic keeps no other one from being opened, and is
// held at last.
func TestPanicsAreHeld(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	commit := in.commit
	in.commit = func(ctx context.Context, r *request, row *ledger.Received) error {
		if row.MessageID == "1@acme" {
			panic("boom")
		}
		return commit(ctx, r, row)
	}
	post(in, asLater(seal(zipped(batch), nil)))
	post(in, asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.MessageID, o.ContentType, o.Filename = "<2@acme>", "text/plain", "n.txt" })))
	must(w.work(in))
	rec := recordOf(in.Ledger)
	if len(rec.stored) != 1 || rec.stored[0].Panics != 3 || !strings.Contains(rec.stored[0].Hold, "boom") || w.content()["n.txt"] != "x" || w.posts != 1 {
		t.Errorf("%+v, %v, %d posts", rec.stored, w.content(), w.posts)
	}
	if !w.hasEvent(in, ledger.Alarm, "stored-held") {
		t.Error("no alarm")
	}
}

// A body over the limit is not kept, one that ends early neither.
func TestBodiesThatAreNotStored(t *testing.T) {
	m := asLater(seal(zipped(batch), nil))
	w := newWorld(message{})
	w.change = func(p *Partner) { p.MaxMessage = 1 << 20 }
	in := w.opened(t)
	r := in.Receive(context.Background(), &as2.Message{Header: m.header, Body: io.LimitReader(zeros{}, 1<<40), Length: -1})
	rec := recordOf(in.Ledger)
	if r.Status != 413 || len(rec.stored) > 0 || len(rec.refused) != 1 {
		t.Errorf("%d, %+v", r.Status, rec)
	}
	r = in.Receive(context.Background(), &as2.Message{Header: m.header, Body: bytes.NewReader(m.body[:100]), Length: int64(len(m.body))})
	if rec := recordOf(in.Ledger); r.Status != 503 || len(rec.stored) > 0 {
		t.Errorf("%d, %+v", r.Status, rec)
	}
	in.names["acme"].MaxMessage, in.names["acme"].Reserve = 0, 1<<20
	in.names["acme"].Folder = &filling{FS: in.names["acme"].Folder, free: 1<<20 + 40<<20}
	r = in.Receive(context.Background(), &as2.Message{Header: m.header, Body: io.LimitReader(zeros{}, 1<<40), Length: -1})
	if rec := recordOf(in.Ledger); r.Status != 503 || len(rec.stored) > 0 {
		t.Errorf("without an end: %d, %+v", r.Status, rec)
	}
	for name := range w.disk.Tree() {
		if strings.HasPrefix(name, "acme/.incoming/") {
			t.Errorf("left over: %s", name)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// filling is a volume that fills up with what is written.
type filling struct {
	fsx.FS
	free int
}

func (f *filling) Free() (uint64, error) { return uint64(f.free), nil }

func (f *filling) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	return &fillingFile{file, f}, err
}

type fillingFile struct {
	fsx.File
	f *filling
}

func (f *fillingFile) Write(p []byte) (int, error) {
	if f.f.free -= len(p); f.f.free < 0 {
		panic("written beyond the end of the volume")
	}
	return len(p), nil
}

// What the partner logs in with is kept nowhere.
func TestCredentials(t *testing.T) {
	const secret, wrong = "s3cr3t-words", "wr0ng-words"
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"none":      {"", 401},
		"wrong":     {wrong, 401},
		"the right": {secret, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			w.change = func(p *Partner) { p.Credentials = &Credentials{User: "acme", Password: secret} }
			m := seal(zipped(batch), nil)
			if c.header != "" {
				req := http.Request{Header: m.header}
				req.SetBasicAuth("acme", c.header)
			}
			in := w.opened(t)
			body := bytes.NewReader(m.body)
			reply := in.Receive(context.Background(), &as2.Message{Header: m.header, Body: body, Length: int64(len(m.body)), Remote: "test"})
			rec := recordOf(in.Ledger)
			if c.status == 200 {
				if reply.Status != 200 || rec.received == nil {
					t.Errorf("%d, %+v", reply.Status, rec)
				}
			} else if reply.Status != 401 || as2.Get(reply.Header, "WWW-Authenticate") == "" || body.Len() != len(m.body) || len(rec.refused) != 1 ||
				!w.hasEvent(in, ledger.Alarm, "credentials") {
				t.Errorf("%d %v, %d bytes left, %+v", reply.Status, reply.Header, body.Len(), rec)
			}
			basic := strings.TrimPrefix(m.header.Get("Authorization"), "Basic ")
			for file, e := range w.disk.Tree() {
				if rest, ok := strings.CutPrefix(file, "acme/"); ok && !e.Folder {
					for _, s := range []string{secret, wrong, basic} {
						if s != "" && strings.Contains(w.read(rest), s) {
							t.Errorf("%s holds %q", file, s)
						}
					}
				}
			}
			if len(rec.refused) > 0 && (strings.Contains(rec.refused[0].Fact, wrong) || strings.Contains(string(reply.Body), secret)) {
				t.Errorf("%q, %q", rec.refused[0].Fact, reply.Body)
			}
		})
	}
}

// The first copy asked for no receipt, the next one does, at once or later.
func TestARepeatAsksForTheReceipt(t *testing.T) {
	plain := seal(zipped(batch), nil)
	silent := message{plain.header.Clone(), plain.body}
	silent.header.Del("Disposition-Notification-To")
	w := newWorld(message{})
	in := w.opened(t)
	if r := post(in, silent); r.Status != 200 || len(r.Body) > 0 {
		t.Fatalf("%d %q", r.Status, r.Body)
	}
	w.got(post(in, plain).Body)
	post(in, asLater(plain))
	must(w.work(in))
	if !bytes.Contains(w.receipt, []byte("Original-Message-ID: <1@acme>")) || w.differs || w.posts != 1 || len(w.content()) != 3 {
		t.Errorf("%q, differ: %v, %d posts, %v", w.receipt, w.differs, w.posts, w.content())
	}
}

// A moment that lies beyond every wait was set by a clock that was wrong.
func TestAClockThatWasWrong(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	w.now = moment.AddDate(5, 0, 0)
	post(in, asLater(seal(zipped(batch), nil)))
	w.now = moment
	must(w.work(in))
	if w.posts != 1 || len(w.content()) != 3 || w.now.After(moment) {
		t.Errorf("%d posts, %v, at %v", w.posts, w.content(), w.now)
	}
}

// What could not be published at once is published by Work, if no repeat comes before.
func TestPublishedByWork(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	deliver := in.deliver
	in.deliver = func(context.Context, *Partner, *ledger.Received) error { return errors.New("the disk is gone") }
	if r := post(in, seal(zipped(batch), nil)); r.Status != 503 {
		t.Fatal(r.Status)
	}
	post(in, asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.MessageID, o.ContentType, o.Filename = "<2@acme>", "text/plain", "n.txt" })))
	_ = in.openStored(context.Background(), in.names["acme"]) // it says that the disk is gone
	if len(w.content()) > 0 {
		t.Fatal(w.content())
	}
	in.deliver = deliver
	must(w.work(in))
	if len(w.content()) != 4 || w.posts != 1 {
		t.Errorf("%v, %d posts", w.content(), w.posts)
	}
}

// Below the reserve nothing is opened and nothing posted; then both go on.
func TestBelowTheReserve(t *testing.T) {
	w := newWorld(message{})
	in := w.opened(t)
	p := in.names["acme"]
	post(in, asLater(seal(zipped(batch), nil)))
	for _, step := range []string{"open", "post"} {
		p.Reserve = 1 << 50
		if next, err := in.Work(context.Background(), "acme"); err == nil || !next.After(w.now) || w.posts > 0 || step == "open" && len(w.content()) > 0 {
			t.Errorf("%s: %v, %v, %d posts, %v", step, next, err, w.posts, w.content())
		}
		p.Reserve, w.now = 0, w.now.Add(time.Hour)
		must(in.openStored(context.Background(), p))
	}
	must(w.work(in))
	if w.posts != 1 || len(w.content()) != 3 {
		t.Errorf("%d posts, %v", w.posts, w.content())
	}
}

// The disk fails when all is committed and only the staging folder is left to be moved
// or removed: that is made up for, and no receipt waits for a restart.
func TestFaultsAfterTheCommit(t *testing.T) {
	ids := testKeys()
	good := asLater(seal(zipped(batch), nil))
	bad := asLater(seal([]byte("x"), func(o *as2.SealOptions) { o.Sign = signerOf(ids[2])(moment) }))
	for name, c := range map[string]struct {
		messages []message
		fails    int
		posts    int
	}{
		"accepted": {[]message{good}, 2, 1},
		"refused":  {[]message{bad}, 2, 1},
		"a repeat": {[]message{good, good}, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(message{})
			fails := 0
			w.fs = func(f fsx.FS) fsx.FS { return &failing{f, &fails} }
			in := w.opened(t)
			for i, m := range c.messages {
				if i == len(c.messages)-1 {
					fails = c.fails
				}
				post(in, m)
				must(w.work(in))
			}
			if fails > 0 || w.posts != c.posts {
				t.Errorf("%d times more to fail, %d posts", fails, w.posts)
			}
			for name := range w.disk.Tree() {
				if strings.HasPrefix(name, "acme/.incoming/") {
					t.Errorf("left over: %s", name)
				}
			}
			if f, err := in.Check(context.Background()); err != nil || len(f) > 0 {
				t.Error(f, err)
			}
		})
	}
}

// failing fails some times when a staging folder is to leave .incoming.
type failing struct {
	fsx.FS
	times *int
}

func (f *failing) RenameNoReplace(from, to string) error {
	if *f.times > 0 && path.Dir(from) == incomingDir {
		*f.times--
		return syscall.EIO
	}
	return f.FS.RenameNoReplace(from, to)
}

func (f *failing) Remove(name string) error {
	if *f.times > 0 && path.Dir(path.Dir(name)) == incomingDir && path.Base(name) == headerFile {
		*f.times--
		return syscall.EIO
	}
	return f.FS.Remove(name)
}
