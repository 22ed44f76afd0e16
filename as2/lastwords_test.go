package as2

import (
	"errors"
	"io"
	"net"
	"testing"
)

// brokenPipe takes no more bytes and still holds what had arrived.
type brokenPipe struct {
	net.Conn
}

var errBroken = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }

// What had arrived before a write failed can be read after closing; without a failed
// write closing does not wait for anything.
func TestLastWords(t *testing.T) {
	for _, broken := range []bool{true, false} {
		ours, theirs := net.Pipe()
		var conn net.Conn = ours
		if broken {
			conn = brokenPipe{ours}
		}
		l := &lastWords{Conn: conn}
		said := make(chan error, 1)
		go func() {
			_, err := theirs.Write([]byte("no"))
			said <- err
		}()
		if broken {
			if _, err := l.Write([]byte("hello")); !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1)
		n, err := l.Read(got)
		if !broken {
			if err == nil || <-said == nil {
				t.Error("closing waited for words")
			}
			continue
		}
		rest := make([]byte, 8)
		m, rerr := l.Read(rest)
		if err != nil || rerr != nil || string(got[:n])+string(rest[:m]) != "no" || <-said != nil {
			t.Errorf("%q, %q, %v, %v", got[:n], rest[:m], err, rerr)
		}
		if _, err := l.Read(rest); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after the last word: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
