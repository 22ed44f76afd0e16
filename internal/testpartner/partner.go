package testpartner

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// Options say who a partner is. Own and Sender are required.
type Options struct {
	Own      cms.Identity      // opens messages and signs receipts
	Sender   *x509.Certificate // who must have signed the messages
	Stranger cms.Identity      // signs receipts that must not count; zero = made when needed
	TLS      *tls.Certificate  // shown to visitors; nil = made for 127.0.0.1 and localhost by Authority
	Plan     Plan              // nil = all is well
	// Repeated says how a known Message-ID is answered: with the receipt as stored, or,
	// if true, with "duplicate-document".
	Repeated bool
	// OneEach closes each connection after one answer. Otherwise a visitor may write into
	// one that the partner has just closed, and then nobody can know.
	OneEach bool
	// Deliver gets the content of each message once, from the goroutine that serves it.
	Deliver func(messageID string, content []byte)
	// Began is called when the header of a POST has been read, and its body has not.
	Began func()
	// Saw gets the record of each visit, in no order, and Visits stays empty then.
	Saw func(Visit)
}

// Partner runs until Close.
type Partner struct {
	options   Options
	authority *Authority
	listener  net.Listener
	server    *http.Server
	served    sync.WaitGroup

	mu        sync.Mutex
	changed   chan struct{} // closed and renewed with every change
	tls       *tls.Config
	plan      Plan
	next      *Behaviour // of the visit to come, if somebody asked already
	begun     int        // visits
	conns     map[net.Conn]bool
	accepted  int
	visits    []*Visit
	done      int // visits of which nothing more comes
	hanging   int
	released  chan struct{}
	closed    chan struct{}
	receipts  map[string]stored
	owed      int   // receipts that are to be posted
	posted    []int // how receipts of a connection of their own were answered
	delivered map[string]int
	faults    []string
	stranger  cms.Identity
}

// Start listens on a free port of 127.0.0.1.
func Start(o Options) (*Partner, error) {
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	if o.TLS == nil {
		if o.TLS, err = authority.Issue(Server{}); err != nil {
			return nil, err
		}
	}
	if o.Plan == nil {
		o.Plan = Script()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Partner{options: o, authority: authority, listener: l, plan: o.Plan, stranger: o.Stranger, changed: make(chan struct{}), conns: map[net.Conn]bool{},
		released: make(chan struct{}), closed: make(chan struct{}), receipts: map[string]stored{}, delivered: map[string]int{}}
	p.show(o.TLS)
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.visit), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, p.number(c))
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				p.forget(c)
			}
		},
	}
	p.server.SetKeepAlivesEnabled(!o.OneEach)
	p.served.Go(func() { _ = p.server.Serve(&gate{l, p}) }) // it ends with the listener
	return p, nil
}

type connectionKey struct{}

// URL is where messages are posted to.
func (p *Partner) URL() string { return "https://" + p.listener.Addr().String() + "/as2" }

// Certificate is the one of TLS that is shown now.
func (p *Partner) Certificate() *x509.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tls.Certificates[0].Leaf
}

// Authority issues certificates for the partner's web server. Trust it, or pin what it
// issued.
func (p *Partner) Authority() *Authority { return p.authority }

// Show changes the certificate of TLS, and cuts the connections made under the old one.
func (p *Partner) Show(c *tls.Certificate) {
	p.show(c)
	p.Cut()
}

func (p *Partner) show(c *tls.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A configuration of its own: sessions of the old certificate are not resumed.
	p.tls = &tls.Config{Certificates: []tls.Certificate{*c}, MinVersion: tls.VersionTLS12}
}

// Follow replaces the plan. Its first step is for the next visit, however many there were.
func (p *Partner) Follow(plan Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.begun
	p.next, p.plan = nil, func(n int) Behaviour { return plan(n - before) }
}

// Cut ends all connections.
func (p *Partner) Cut() {
	p.mu.Lock()
	conns := slices.Collect(maps.Keys(p.conns))
	p.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// Release lets all visits that hang, now or later, go on: what they brought is taken.
func (p *Partner) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

// Close ends everything, also what hangs, and waits for it.
func (p *Partner) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		return nil
	default:
	}
	close(p.closed)
	p.mu.Unlock()
	err := errors.Join(p.listener.Close(), p.server.Close())
	p.Cut()
	p.served.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // the server closes the listener too
	}
	return err
}

// Visits are those that were so far, in order.
func (p *Partner) Visits() []Visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Visit, len(p.visits))
	for i, v := range p.visits {
		list[i] = *v
	}
	return list
}

// Posts are the visits that brought a POST.
func (p *Partner) Posts() []Visit {
	return slices.DeleteFunc(p.Visits(), func(v Visit) bool { return !v.Post })
}

// Delivered says how often a content was delivered, by its SHA-256 in hex.
func (p *Partner) Delivered() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.delivered)
}

// Complaints are what a sender must never do: another body, or other AS2 header fields,
// under a Message-ID that came before; a message that cannot be opened.
func (p *Partner) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

// Hanging says how many visits get no answer at this moment.
func (p *Partner) Hanging() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hanging
}

// Await waits until n visits are on record with all that came of them.
func (p *Partner) Await(ctx context.Context, n int) error {
	return p.until(ctx, fmt.Sprintf("visit %d", n), func() bool { return p.done >= n })
}

// AwaitHanging waits until n visits hang.
func (p *Partner) AwaitHanging(ctx context.Context, n int) error {
	return p.until(ctx, fmt.Sprintf("%d visits that hang", n), func() bool { return p.hanging >= n })
}

// AwaitReceipts waits until no receipt is owed that goes by a connection of its own, and
// says with which HTTP status those posted so far were taken or refused.
func (p *Partner) AwaitReceipts(ctx context.Context) ([]int, error) {
	err := p.until(ctx, "receipts to be posted", func() bool { return p.owed == 0 })
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.posted), err
}

// longest is how long anything is awaited.
const longest = 2 * time.Minute

func (p *Partner) until(ctx context.Context, what string, so func() bool) error {
	ctx, stop := context.WithTimeout(ctx, longest)
	defer stop()
	for {
		p.mu.Lock()
		ok, changed, seen, hanging := so(), p.changed, p.done, p.hanging
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("testpartner: waiting for %s: %d were there, %d hang: %w", what, seen, hanging, ctx.Err())
		}
	}
}

// change wakes those who wait. The caller holds the lock.
func (p *Partner) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// step looks at the next step of the plan. The caller holds the lock.
func (p *Partner) step() Behaviour {
	if p.next == nil {
		b := p.plan(p.begun + 1)
		p.next = &b
	}
	return *p.next
}

// begin takes the next step of the plan for a visit. The caller holds the lock.
func (p *Partner) begin() (Behaviour, *Visit) {
	b := p.step()
	p.next = nil
	p.begun++
	v := &Visit{N: p.begun, Behaviour: b.Name}
	if p.options.Saw == nil {
		p.visits = append(p.visits, v)
	}
	return b, v
}

// record completes a visit.
func (p *Partner) record(v *Visit, set func(*Visit)) {
	p.mu.Lock()
	set(v)
	p.done++
	p.change()
	seen := *v
	p.mu.Unlock()
	if p.options.Saw != nil {
		p.options.Saw(seen)
	}
}

// hang waits until somebody ends it, and says whether the visit shall go on.
func (p *Partner) hang(gone <-chan struct{}) bool {
	p.mu.Lock()
	p.hanging++
	p.change()
	released := p.released
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.hanging--
		p.change()
		p.mu.Unlock()
	}()
	select {
	case <-released:
		return true
	case <-gone:
	case <-p.closed:
	}
	return false
}

// pause is a wait that ends early when the visitor goes away.
func (p *Partner) pause(d time.Duration, gone <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-gone:
	case <-p.closed:
	}
	return false
}

func (p *Partner) number(c net.Conn) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	return p.accepted
}

func (p *Partner) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	if t, ok := c.(*tls.Conn); ok {
		delete(p.conns, t.NetConn())
	}
}

var _ io.Closer = (*Partner)(nil)
