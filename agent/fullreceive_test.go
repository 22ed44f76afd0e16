package agent

import (
	"context"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/outbox"
)

// fillingUp is a client before whose first POST the volume of the other side fills up.
type fillingUp struct {
	outbox.Poster
	fill  func()
	empty func(*as2.Answer)
	once  sync.Once
}

func (f *fillingUp) Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (answer *as2.Answer, err error) {
	first := false
	f.once.Do(func() { first = true })
	if first {
		f.fill()
	}
	answer, err = f.Poster.Post(ctx, url, header, length, body)
	if first {
		f.empty(answer)
	}
	return answer, err
}

// The reserve of the volume is used up when a message comes: it is asked for again, with
// no receipt that would refuse it for good and nothing left of it. Once there is room it
// is taken, once.
func TestReceiveWithoutSpace(t *testing.T) {
	cfg, dir := setUp(t, nil)
	cfg.Partners[0].Retry.First, cfg.Partners[0].Retry.Max = 20*time.Millisecond, 50*time.Millisecond
	h := &host{}
	in := func(pattern string) int {
		found, _ := filepath.Glob(filepath.Join(partnerDir(dir, "loopback"), pattern))
		return len(found)
	}
	answered := make(chan *as2.Answer, 1)
	left := 0
	a, _ := h.onWith(t, cfg, func(a *running) {
		o := a.setup().boxes[0].outbox
		o.Post = &fillingUp{Poster: o.Post,
			fill: func() { h.setSpace(func(string) (uint64, bool) { return 1 << 20, true }) },
			empty: func(answer *as2.Answer) {
				left = in("inbox/*") + in(".incoming/*")
				h.setSpace(nil)
				answered <- answer
			}}
	})
	drop(t, dir, "loopback", "A-1.xml")
	answer := <-answered
	if answer == nil {
		t.Fatal("no answer")
	}
	if answer.Status != 503 || answer.RetryAfter <= 0 {
		t.Errorf("answered %d, Retry-After %v", answer.Status, answer.RetryAfter)
	}
	if _, err := as2.ParseMDN(answer.Header, answer.Body, cms.Pinned(), time.Now()); err == nil {
		t.Errorf("a receipt came with it: %q", answer.Body)
	}
	if left != 0 {
		t.Errorf("%d things were left of it", left)
	}
	eventually(t, "A-1.xml is sent", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 && a.idle() })
	if in("inbox/*.xml") != 1 || in(".incoming/*") != 0 {
		t.Errorf("%d in the inbox, %d on the way", in("inbox/*.xml"), in(".incoming/*"))
	}
}
