package inbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/as2"
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

func (w *world) hasEvent(in *Inbox, level ledger.Level, code string) bool {
	var events []ledger.Event
	must(in.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents("acme", 100); return err }))
	return slices.ContainsFunc(events, func(e ledger.Event) bool { return e.Level == level && e.Code == code })
}

func (fullFile) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

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
