package as2

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// flight is one POST under way: how far it came, and a watch that ends it where nothing
// moves any more.
type flight struct {
	c      *Client
	length int64
	watch  *time.Timer

	connected, sent, badTLS atomic.Bool
	conn                    atomic.Pointer[net.Conn]
	out                     atomic.Int64 // bytes of the message that net/http has taken
}

// takeOff begins a flight. Dialling and the handshake have limits of their own, which say
// more than the watch.
func (c *Client) takeOff(length int64, cancel context.CancelCauseFunc) *flight {
	f := &flight{c: c, length: length}
	f.watch = time.AfterFunc(c.beforeConnection(), func() {
		if f.sent.Load() {
			cancel(errNoAnswer)
		}
		cancel(errStalled)
	})
	return f
}

// beforeConnection is how long a request may wait for its connection: dialling and TLS,
// and a proxy's word between the two.
func (c *Client) beforeConnection() time.Duration {
	return 2*orDefault(c.options.Connect, defaultConnect) + c.stall
}

func (f *flight) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			f.conn.Store(&i.Conn)
			f.connected.Store(true)
			f.watch.Reset(f.c.stall)
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			f.sent.Store(i.Err == nil)
			f.watch.Reset(f.c.answer)
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if handshakeFault(err) {
				f.badTLS.Store(true)
			}
		},
	}
}

// load makes the body of a request, the first or, where nothing of it was written, a
// second one.
func (f *flight) load(r io.ReadCloser) io.ReadCloser {
	f.sent.Store(false)
	f.out.Store(0)
	return &watchedBody{ReadCloser: r, moved: func(n int) {
		f.out.Add(int64(n))
		f.watch.Reset(f.c.stall)
	}}
}

// loaded reports whether net/http has taken the whole message: what it says of having
// written it comes later than a fast answer.
func (f *flight) loaded() bool { return f.out.Load() >= f.length }

func (f *flight) progress(answered bool) progress {
	return progress{connected: f.connected.Load(), sent: f.loaded(), answered: answered, badTLS: f.badTLS.Load()}
}

// watchedBody reports that bytes move.
type watchedBody struct {
	io.ReadCloser
	moved func(n int)
}

func (w *watchedBody) Read(p []byte) (int, error) {
	w.moved(0)
	n, err := w.ReadCloser.Read(p)
	w.moved(n)
	return n, err
}
