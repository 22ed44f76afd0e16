//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/as2drop/as2drop/as2"
)

// exchange is one request with its response, as they went over the wire.
type exchange struct {
	From, To string // AS2 names
	Request  message
	Response message
	Status   int
}

// message is one direction of an exchange: the bytes up to the empty line, it included,
// and the body without transfer coding.
type message struct {
	Head   []byte
	Header http.Header
	Body   []byte
	raw    []byte
}

// spoiler does harm on the way. Both functions may be nil; a request or response that
// is changed must keep its length. respond returns whether the response goes out at all.
type spoiler struct {
	request func(m *message)
	respond func(m *message) bool
	once    bool // only the first exchange
	again   bool // the request is delivered a second time first
}

// proxy passes HTTP on and keeps a record. It changes nothing that nobody wants
// spoiled.
type proxy struct {
	target   string
	listener net.Listener
	mu       sync.Mutex
	seen     []exchange
	spoil    map[string]*spoiler // by AS2 name of the side that is not ours
	faults   []error
}

// startProxy listens until the test ends and passes on to target (host:port).
func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: target, listener: l, spoil: map[string]*spoiler{}}
	var open sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed below
			}
			open.Go(func() { p.serve(c) })
		}
	}()
	t.Cleanup(func() { l.Close() }) // ends the loop
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// serve passes on what comes over one connection.
func (p *proxy) serve(c net.Conn) {
	defer c.Close() // whoever is at the other end has got all there is
	for {
		req, m, err := readRequest(c)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = p.pass(c, req, m)
		}
		if err != nil {
			if !errors.Is(err, errWithheld) {
				p.mu.Lock()
				p.faults = append(p.faults, err)
				p.mu.Unlock()
			}
			return
		}
		if req.Close {
			return
		}
	}
}

var errWithheld = errors.New("the response was withheld")

// pass takes one request to the target and its response back.
func (p *proxy) pass(c net.Conn, req *http.Request, m message) error {
	e := exchange{From: as2.UnquoteName(req.Header.Get("AS2-From")), To: as2.UnquoteName(req.Header.Get("AS2-To")), Request: m}
	s := p.spoilerOf(e)
	if s != nil && s.request != nil {
		s.request(&e.Request)
	}
	if s != nil && s.again {
		first := e
		if err := p.ask(&first, req); err != nil {
			return err
		}
		p.record(first)
	}
	if err := p.ask(&e, req); err != nil {
		return err
	}
	send := s == nil || s.respond == nil || s.respond(&e.Response)
	p.record(e)
	if !send {
		return errWithheld
	}
	_, err := c.Write(e.Response.raw)
	return err
}

// ask sends the request to the target on a connection of its own.
func (p *proxy) ask(e *exchange, req *http.Request) error {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return err
	}
	defer out.Close() // everything was read
	if _, err := out.Write(e.Request.raw); err != nil {
		return err
	}
	var raw bytes.Buffer
	r := bufio.NewReader(io.TeeReader(out, &raw))
	res, err := http.ReadResponse(r, req)
	for err == nil && res.StatusCode == http.StatusContinue {
		res, err = http.ReadResponse(r, req)
	}
	if err != nil {
		return fmt.Errorf("%s to %s: the response: %w", e.From, e.To, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s to %s: the body of the response: %w", e.From, e.To, err)
	}
	e.Status = res.StatusCode
	e.Response = message{Head: head(raw.Bytes()), Header: res.Header, Body: body, raw: raw.Bytes()}
	return nil
}

func readRequest(c net.Conn) (*http.Request, message, error) {
	var raw bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &raw)))
	if err != nil {
		return nil, message{}, err
	}
	if req.Header.Get("Expect") == "100-continue" {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, message{}, err
		}
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, message{}, fmt.Errorf("the body of a request: %w", err)
	}
	return req, message{Head: head(raw.Bytes()), Header: req.Header, Body: body, raw: raw.Bytes()}, nil
}

// head is everything up to the empty line.
func head(raw []byte) []byte {
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	return raw[:i+4]
}

func (p *proxy) record(e exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, e)
}

// of returns the exchanges of a case, by the name of the side that is not ours.
func (p *proxy) of(name string) []exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	var es []exchange
	for _, e := range p.seen {
		if e.From == name || e.To == name {
			es = append(es, e)
		}
	}
	return es
}

// spoilerOf finds the spoiler of an exchange. Receipts on their way are left alone.
func (p *proxy) spoilerOf(e exchange) *spoiler {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range []string{e.From, e.To} {
		if s := p.spoil[name]; s != nil {
			if s.once {
				delete(p.spoil, name)
			}
			return s
		}
	}
	return nil
}

// replace changes bytes of the body in place, in what is sent on as well. Both have the
// same length.
func (m *message) replace(i int, b []byte) {
	at := bytes.Index(m.raw, m.Body)
	if at < 0 {
		return // chunked: nobody spoils that
	}
	m.Body = bytes.Clone(m.Body)
	m.raw = bytes.Clone(m.raw)
	copy(m.Body[i:], b)
	copy(m.raw[at+i:], b)
}
