package agent

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/outbox"
)

// flights are the messages that are being posted at this moment, by their transfers.
type flights struct{ byTransfer sync.Map }

// flight is how far one of them has come. What is handed to the system counts as sent.
type flight struct {
	since time.Time
	total int64
	sent  atomic.Int64
}

// Posted is how far the message of a transfer has come, nil if it is not being posted.
func (f *flights) Posted(transfer string) *views.Progress {
	v, ok := f.byTransfer.Load(transfer)
	if !ok {
		return nil
	}
	now := v.(*flight)
	return &views.Progress{Sent: now.sent.Load(), Total: now.total, Since: now.since}
}

// watched is a Poster whose bytes are counted.
type watched struct {
	outbox.Poster
	flights *flights
	now     func() time.Time
}

func (w watched) Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	transfer := transferOf(as2.Get(header, "Message-ID"))
	f := &flight{since: w.now(), total: length}
	w.flights.byTransfer.Store(transfer, f)
	defer w.flights.byTransfer.CompareAndDelete(transfer, f)
	return w.Poster.Post(ctx, url, header, length, func() (io.ReadCloser, error) {
		r, err := body()
		if err != nil {
			return nil, err
		}
		f.sent.Store(0) // a connection that was closed before anything was sent
		return &counting{r, f}, nil
	})
}

// transferOf takes the transfer out of a Message-ID of ours: <id@host>.
func transferOf(messageID string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(messageID, "<"), "@")
	return id
}

// counting is a body that counts what is read of it.
type counting struct {
	io.ReadCloser
	f *flight
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.f.sent.Add(int64(n))
	return n, err
}
