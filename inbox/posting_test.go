package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

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
