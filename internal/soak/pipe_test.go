//go:build linux

package soak

import (
	"io"
	"net"
	"sync"
	"time"
)

// servePipe passes connections on that it cannot read, and harms some.
func (p *passage) servePipe() {
	for {
		c, err := p.pipe.Accept()
		if err != nil {
			return // the test is over
		}
		p.pending.Go(func() { p.carry(c.(*net.TCPConn)) })
	}
}

// harm is what happens to one direction of a connection.
type harm struct {
	after  int           // bytes that pass unharmed
	cut    bool          // then the connection is reset
	garble bool          // then one byte is changed
	stall  time.Duration // then nothing passes for so long
	drip   bool          // from the beginning it is slow
}

// carry takes one connection to the agent.
func (p *passage) carry(c *net.TCPConn) {
	up, down := harm{}, harm{}
	if !p.calm.Load() {
		switch n := p.n(100); {
		case n < 5:
			p.counts.add("connection refused")
			reset(c)
			return
		case n < 11:
			p.counts.add("connection cut on the way up")
			up = harm{after: p.size(1 << 20), cut: true}
		case n < 17:
			p.counts.add("connection cut on the way down")
			down = harm{after: p.size(8 << 10), cut: true}
		case n < 20:
			p.counts.add("connection garbled on the way up")
			up = harm{after: p.size(64 << 10), garble: true}
		case n < 23:
			p.counts.add("connection garbled on the way down")
			down = harm{after: p.size(8 << 10), garble: true}
		case n < 27:
			p.counts.add("connection stalled")
			up = harm{after: p.size(64 << 10), stall: p.about(2 * time.Second)}
			down = harm{after: p.size(8 << 10), stall: p.about(2 * time.Second)}
		case n < 30:
			p.counts.add("connection dripped")
			down = harm{drip: true}
		default:
			p.counts.add("connection passed")
		}
	}
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(c)
		return
	}
	o := out.(*net.TCPConn)
	var both sync.WaitGroup
	both.Go(func() { p.pump(o, c, up) })
	both.Go(func() { p.pump(c, o, down) })
	both.Wait()
	c.Close()
	o.Close()
}

// reset ends a connection as a router does that has forgotten it.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // without it the end is only less rude
	c.Close()
}

// pump carries one direction, until its end closes both.
func (p *passage) pump(to, from *net.TCPConn, h harm) {
	buffer := make([]byte, 32<<10)
	for passed := 0; ; {
		limit := len(buffer)
		if h.drip {
			limit = 256
		}
		n, err := from.Read(buffer[:limit])
		if n > 0 && passed+n > h.after && (h.cut || h.garble || h.stall > 0) {
			switch {
			case h.cut:
				_, _ = to.Write(buffer[:h.after-passed]) // it is cut anyway
				reset(to)
				reset(from)
				return
			case h.garble:
				buffer[h.after-passed] ^= 0x20
			case h.stall > 0:
				pause(p.ctx, h.stall)
			}
			h = harm{drip: h.drip}
		}
		passed += n
		_, werr := to.Write(buffer[:n])
		switch {
		case werr != nil || err != nil && err != io.EOF:
			reset(to)
			reset(from)
			return
		case err == io.EOF:
			_ = to.CloseWrite() // the other direction may still have something
			return
		case h.drip:
			pause(p.ctx, 5*time.Millisecond)
		}
	}
}
