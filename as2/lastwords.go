package as2

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// lastWords is a connection that keeps what had arrived before it broke. A server that
// refuses a client certificate under TLS 1.3 says so and hangs up while the message is
// being written; net/http closes the connection then, and nobody would read why.
type lastWords struct {
	net.Conn

	mu     sync.Mutex
	broken bool   // a write failed
	left   []byte // read on closing
}

func (l *lastWords) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if err != nil {
		l.mu.Lock()
		l.broken = true
		l.mu.Unlock()
	}
	return n, err
}

func (l *lastWords) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 || err == nil {
		return n, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.left) == 0 {
		return 0, err
	}
	n = copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}

// lastWait is how long words may take that are on their way.
const lastWait = 100 * time.Millisecond

func (l *lastWords) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken && l.left == nil {
		buf := make([]byte, 4<<10)
		_ = l.Conn.SetReadDeadline(time.Now().Add(lastWait)) // without one there is nothing to lose
		n, _ := l.Conn.Read(buf)                             // whatever came
		l.left = buf[:n]
	}
	return l.Conn.Close()
}

// lateAlert adds the alert of TLS that a broken connection still holds.
func lateAlert(conn *net.Conn, err error) error {
	if conn == nil || tlsAlert(err) != nil {
		return err
	}
	t, ok := (*conn).(*tls.Conn)
	if !ok {
		return err
	}
	_ = t.SetReadDeadline(time.Now()) // it is closed already, or about to be
	if _, late := t.Read(make([]byte, 1)); tlsAlert(late) != nil {
		return errors.Join(late, err)
	}
	return err
}
