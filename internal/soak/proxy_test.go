//go:build linux

package soak

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// passage is the faulty way to one agent: an HTTP proxy that ends TLS and understands what
// it harms, and a pipe that knows bytes only.
type passage struct {
	to     side
	target string // host:port of the agent
	calm   atomic.Bool
	*chance
	counts *tally
	links  map[string]*link // by the part of an AS2 name behind the side
	client *http.Client

	mu      sync.Mutex
	old     []*request // that may be replayed
	pending sync.WaitGroup
	ctx     context.Context
	web     net.Listener
	pipe    net.Listener
}

// request is one POST on its way.
type request struct {
	link    *link
	receipt bool // a receipt on a connection of its own
	header  http.Header
	path    string
	body    []byte
}

// answer is what the agent says to it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// openPassage listens until the test ends.
func openPassage(t *testing.T, ctx context.Context, to side, target string, certificate tls.Certificate, c *chance, counts *tally) *passage {
	t.Helper()
	p := &passage{to: to, target: target, chance: c, counts: counts, links: map[string]*link{}, ctx: ctx}
	for _, l := range links() {
		p.links[strings.ToUpper(l.name)] = l
	}
	// Whom it talks to is of no interest here: the agents look at certificates.
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 8}}
	var err error
	for _, l := range []*net.Listener{&p.web, &p.pipe} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	s := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}} // HTTP/1.1: its connections can be torn
	var done sync.WaitGroup
	done.Go(func() { _ = s.ServeTLS(p.web, "", "") }) // it ends when it is closed
	done.Go(p.servePipe)
	done.Go(p.replay)
	t.Cleanup(func() {
		s.Close()
		p.pipe.Close()
		p.pending.Wait()
		done.Wait()
	})
	return p
}

// ServeHTTP decides what becomes of one request.
func (p *passage) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	if !p.calm.Load() && p.percent(7) {
		p.early(w, hr)
		return
	}
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		return // the sender is gone
	}
	r := p.request(hr, body)
	if p.calm.Load() {
		p.pass(w, r)
		return
	}
	f := p.choose(r)
	kind := "message "
	if r.receipt {
		kind = "receipt "
	}
	p.counts.add(kind + f.name)
	f.do(p, w, r)
}

func (p *passage) request(hr *http.Request, body []byte) *request {
	r := &request{header: hr.Header, path: hr.URL.Path, body: body, receipt: hr.Header.Get("Disposition-Notification-To") == "" && bytes.Contains(body, []byte("disposition-notification"))}
	_, name, _ := strings.Cut(hr.Header.Get("AS2-To"), "-")
	if r.link = p.links[name]; r.link == nil {
		r.link = &link{}
	}
	return r
}

// early harms a request before it has arrived.
func (p *passage) early(w http.ResponseWriter, hr *http.Request) {
	switch p.n(3) {
	case 0:
		p.counts.add("message refused before the first byte")
	case 1:
		p.counts.add("message cut in mid body")
		if _, err := io.CopyN(io.Discard, hr.Body, int64(p.size(1<<20))); err != nil {
			break // it was shorter than that
		}
	case 2:
		// The other side sees the beginning, too.
		p.counts.add("message cut in mid body, on both sides")
		r, out := p.request(hr, nil), io.LimitReader(hr.Body, int64(p.size(1<<20)))
		if req, err := p.outgoing(r, io.MultiReader(out, torn{}), hr.ContentLength); err == nil {
			if res, err := p.client.Do(req); err == nil {
				res.Body.Close()
			}
		}
	}
	tear(w)
}

// torn is the end of a body that never comes.
type torn struct{}

func (torn) Read([]byte) (int, error) { return 0, fmt.Errorf("torn") }

func (p *passage) choose(r *request) fault {
	var fit []fault
	total := 0
	for _, f := range faults() {
		if f.fits == nil || f.fits(r) {
			fit = append(fit, f)
			total += f.weight
		}
	}
	n := p.n(total)
	for _, f := range fit {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	return fit[0]
}

func (p *passage) outgoing(r *request, body io.Reader, length int64) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, "https://"+p.target+r.path, body)
	if err != nil {
		return nil, err
	}
	req.Header, req.ContentLength = r.header.Clone(), length
	return req, nil
}

// forward takes a request to the agent.
func (p *passage) forward(r *request) (*answer, error) {
	p.remember(r)
	req, err := p.outgoing(r, bytes.NewReader(r.body), int64(len(r.body)))
	if err != nil {
		return nil, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() // what was read is all there is
	body, err := io.ReadAll(res.Body)
	if res.Header.Get("Retry-After") != "" {
		res.Header.Set("Retry-After", "1") // a soak has no minute to wait
	}
	return &answer{res.StatusCode, res.Header, body}, err
}

// give passes an answer on; an agent that is down looks as it does behind a load balancer.
func (p *passage) give(w http.ResponseWriter, a *answer, err error) {
	if err != nil {
		if p.percent(50) {
			tear(w)
			return
		}
		a = &answer{502, http.Header{}, []byte("<html>bad gateway</html>")}
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the sender may be gone
}

func (p *passage) pass(w http.ResponseWriter, r *request) {
	a, err := p.forward(r)
	p.give(w, a, err)
}

// tear ends a connection without a word.
func tear(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // it is torn already
	}
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // a reset, at once
	}
	c.Close()
}

// later takes a request to the agent when nobody expects it any more.
func (p *passage) later(r *request, wait time.Duration) {
	p.pending.Go(func() {
		pause(p.ctx, wait) // at the end at once: nothing is to come after that
		_, _ = p.forward(r)
	})
}

// remember keeps a few of the requests that went through, to replay them.
func (p *passage) remember(r *request) {
	const most = 20
	if len(r.body) > 256<<10 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.old) < most {
		p.old = append(p.old, r)
		return
	}
	p.old[p.n(most)] = r
}

// replay sends old requests again, as long as there is no peace.
func (p *passage) replay() {
	for pause(p.ctx, p.about(2*time.Second)) && !p.calm.Load() {
		p.mu.Lock()
		var r *request
		if len(p.old) > 0 {
			r = p.old[p.n(len(p.old))]
		}
		p.mu.Unlock()
		if r != nil {
			p.counts.add("replayed")
			_, _ = p.forward(r) // whatever the agent says to it
		}
	}
}
