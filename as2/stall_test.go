package as2

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// stalled is a backend that reads the body and says how that ended.
type stalled struct{ ended chan error }

func (s stalled) Receive(_ context.Context, m *Message) Reply {
	_, err := io.Copy(io.Discard, m.Body)
	s.ended <- err
	return Unavailable("try again", 0)
}

// A sender that stops in the middle of a body and keeps the connection does not hold the
// receiver: the body ends with an error once no byte has come for the time allowed.
func TestABodyThatStallsIsGivenUp(t *testing.T) {
	backend := stalled{make(chan error, 1)}
	s := httptest.NewServer(&Handler{Backend: backend, Stall: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // the server decides
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: 1000000\r\n\r\nhalf of it"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-backend.ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the body ended with %v", err)
		}
	case <-t.Context().Done():
		t.Fatal("the body never ended")
	}
}
