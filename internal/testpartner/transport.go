package testpartner

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

func statusName(status int) string { return fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)) }

// ResetBeforeBody resets the connection when the header of the request is there.
var ResetBeforeBody = Behaviour{Name: "reset after the headers", serve: (*visit).cut}

// ResetInBody resets the connection when some of the body is there.
var ResetInBody = Behaviour{Name: "reset in the middle of the body", serve: func(v *visit) {
	v.body = make([]byte, min(v.r.ContentLength/2, 64<<10))
	n, _ := io.ReadFull(v.r.Body, v.body) // less is fine too
	v.body = v.body[:n]
	v.cut()
}}

// ResetBeforeAnswer delivers the message and resets the connection.
var ResetBeforeAnswer = Behaviour{Name: "reset before the answer", serve: func(v *visit) {
	if _, ok := v.reply(); ok {
		v.cut()
	}
}}

// CloseBeforeAnswer delivers the message and closes the connection in all form.
var CloseBeforeAnswer = Behaviour{Name: "closed before the answer", serve: func(v *visit) {
	if _, ok := v.reply(); ok {
		c, _ := v.seize()
		c.Close()
		v.p.forget(c)
	}
}}

// ResetInAnswer delivers the message and resets the connection in the middle of the
// receipt.
var ResetInAnswer = Behaviour{Name: "reset in the middle of the answer", serve: func(v *visit) {
	r, ok := v.reply()
	if !ok {
		return
	}
	all := wire(http.StatusOK, r.header, r.body)
	c, _ := v.seize()
	_, _ = c.Write(all[:len(all)-len(r.body)/2]) // then it ends in any case
	reset(c.NetConn())
	v.p.forget(c)
}}

// reply reads and delivers the message.
func (v *visit) reply() (reply, bool) {
	if !v.read() {
		return reply{}, false
	}
	return v.take()
}

// Hang delivers the message and does not answer, until Release: then the receipt comes.
var Hang = Behaviour{Name: "no answer", Endless: true, serve: func(v *visit) {
	r, ok := v.reply()
	if ok && v.p.hang(v.r.Context().Done()) {
		v.hand(r)
	}
}}

// HangUnread never reads the body. Small messages fit into the buffers on the way.
var HangUnread = Behaviour{Name: "the body is never read", Endless: true, serve: func(v *visit) {
	c, _ := v.seize()
	defer v.p.forget(c)
	defer c.Close()
	v.tell(false)
	v.p.hang(nil)
}}

// Late delivers the message and answers after a while.
func Late(d time.Duration) Behaviour {
	return Behaviour{Name: "late answer", serve: func(v *visit) {
		r, ok := v.reply()
		if ok && v.p.pause(d, v.r.Context().Done()) {
			v.hand(r)
		}
	}}
}

// DripRead reads a byte of the body at a time, with a wait before each, until Release.
func DripRead(every time.Duration) Behaviour {
	return Behaviour{Name: "a byte at a time is read", Endless: true, serve: func(v *visit) {
		v.tell(false) // that the visitor left shows only when all of it is read
		one := make([]byte, 1)
		for v.step(every) {
			n, err := v.r.Body.Read(one)
			v.body = append(v.body, one[:n]...)
			if err != nil {
				break
			}
		}
		v.well()
	}}
}

// DripAnswer delivers the message and writes a byte of the receipt at a time, with a
// wait before each, until Release.
func DripAnswer(every time.Duration) Behaviour {
	return Behaviour{Name: "a byte at a time is answered", Endless: true, serve: func(v *visit) {
		r, ok := v.reply()
		if !ok {
			return
		}
		all := wire(http.StatusOK, r.header, r.body)
		c, _ := v.seize()
		defer v.p.forget(c)
		defer c.Close()
		for len(all) > 0 {
			n := 1
			if !v.step(every) {
				n = len(all)
			}
			if _, err := c.Write(all[:n]); err != nil {
				return
			}
			all = all[n:]
		}
	}}
}

// step waits; false = no more, somebody said Release or Close.
func (v *visit) step(d time.Duration) bool {
	v.p.mu.Lock()
	released := v.p.released
	v.p.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-released:
	case <-v.p.closed:
	}
	return false
}

// Twice delivers the message and writes the answer twice over the same connection.
var Twice = Behaviour{Name: "two answers", serve: func(v *visit) {
	r, ok := v.reply()
	if !ok {
		return
	}
	all := wire(http.StatusOK, r.header, r.body)
	c, _ := v.seize()
	defer v.p.forget(c)
	defer c.Close()
	if _, err := c.Write(append(all, all...)); err == nil {
		_, _ = io.Copy(io.Discard, c) // until the visitor leaves, or Close
	}
}}

// Early answers with a status, and reads nothing of the body.
func Early(status int) Behaviour {
	return Behaviour{Name: statusName(status) + " before the body", serve: func(v *visit) {
		c, _ := v.seize()
		defer v.p.forget(c)
		defer c.Close()
		_, _ = c.Write(wire(status, nil, nil)) // a visitor who left gets none
		v.tell(false)
		v.p.hang(nil)
	}}
}

// Floods answers with a body that does not end.
var Floods = Behaviour{Name: "an answer without end", serve: func(v *visit) {
	if _, ok := v.reply(); !ok {
		return
	}
	c, _ := v.seize()
	defer v.p.forget(c)
	defer c.Close()
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
	for block := make([]byte, 16<<10); err == nil; {
		_, err = c.Write(block)
	}
}}

// Nobody is a URL where nobody listens.
func Nobody() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return "https://" + l.Addr().String() + "/as2", l.Close()
}

// NoSuchName is a URL whose name no DNS knows (RFC 2606, 2).
const NoSuchName = "https://partner.invalid/as2"
