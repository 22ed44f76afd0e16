package testpartner

import (
	"crypto/tls"
	"io"
	"net"
)

// gate lets connections in, or treats them as the plan has it.
type gate struct {
	net.Listener
	p *Partner
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := g.p.admit(raw); c != nil {
			return c, nil
		}
	}
}

// admit returns the connection to serve, nil = none.
func (p *Partner) admit(raw net.Conn) net.Conn {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		raw.Close()
		return nil
	default:
	}
	p.conns[raw] = true
	config := p.tls
	if p.step().connect == nil {
		p.mu.Unlock()
		return tls.Server(raw, config)
	}
	b, v := p.begin()
	p.mu.Unlock()
	c := b.connect(p, raw)
	p.record(v, func(*Visit) {})
	return c
}

// keep holds a connection that is not served until its visitor leaves.
func (p *Partner) keep(raw net.Conn, with func(gone <-chan struct{})) {
	gone := make(chan struct{})
	p.served.Go(func() {
		defer close(gone)
		for buf := make([]byte, 512); ; {
			if _, err := raw.Read(buf); err != nil {
				return
			}
		}
	})
	p.served.Go(func() {
		defer p.forget(raw)
		defer raw.Close()
		with(gone)
	})
}

// reset ends a connection with a TCP reset in place of a farewell.
func reset(raw net.Conn) {
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // without it a farewell goes out: still a connection that broke
	}
	raw.Close()
}

// Refuse resets the connection at the first word of TLS.
var Refuse = Behaviour{Name: "reset in the TLS handshake", connect: func(p *Partner, raw net.Conn) net.Conn {
	p.served.Go(func() {
		_, _ = raw.Read(make([]byte, 1)) // earlier the visitor might not have got through to us
		reset(raw)
		p.forget(raw)
	})
	return nil
}}

// Mute takes the connection and says nothing, not even in TLS.
var Mute = Behaviour{Name: "no word of TLS", Endless: true, connect: func(p *Partner, raw net.Conn) net.Conn {
	p.keep(raw, func(gone <-chan struct{}) { p.hang(gone) })
	return nil
}}

// HangUp closes the connection in the middle of the TLS handshake.
var HangUp = Behaviour{Name: "closed in the TLS handshake", connect: func(p *Partner, raw net.Conn) net.Conn {
	p.served.Go(func() {
		defer p.forget(raw)
		defer raw.Close()
		_, _ = raw.Read(make([]byte, 100)) // some of the first words
		if t, ok := raw.(*net.TCPConn); ok {
			_ = t.CloseWrite() // unread words would make a reset of it
		}
		_, _ = io.Copy(io.Discard, raw)
	})
	return nil
}}

// PlainHTTP speaks HTTP without TLS.
var PlainHTTP = Behaviour{Name: "plain HTTP", connect: func(_ *Partner, raw net.Conn) net.Conn { return raw }}

// OldTLS speaks TLS 1.1 at most.
var OldTLS = Behaviour{Name: "TLS 1.1 only", connect: func(p *Partner, raw net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return tls.Server(raw, &tls.Config{Certificates: p.tls.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
}}

// Shows shows another certificate. Should the visitor accept it, his POST takes the next
// step.
func Shows(name string, c *tls.Certificate) Behaviour {
	return Behaviour{Name: name, connect: func(_ *Partner, raw net.Conn) net.Conn {
		return tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*c}, MinVersion: tls.VersionTLS12})
	}}
}

// Issues shows a certificate that the partner's authority issues for the visit.
func Issues(name string, s Server) Behaviour {
	return Behaviour{Name: name, connect: func(p *Partner, raw net.Conn) net.Conn {
		c, err := p.authority.Issue(s)
		if err != nil {
			panic(err) // without randomness there is no test
		}
		return tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{*c}, MinVersion: tls.VersionTLS12})
	}}
}
