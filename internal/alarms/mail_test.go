package alarms

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A server has two addresses, and the first one leads nowhere: the mail goes to the second,
// well before the time is over.
func TestAddressThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		m := &Mail{Timeout: time.Minute, dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			if address == "[2001:db8::1]:587" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return here, ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), m.Timeout)
		defer cancel()
		s := &session{m: m, told: func(Step) {}, port: "587", addresses: []string{"2001:db8::1", "192.0.2.1"}}
		defer s.close()
		begun := time.Now()
		if err := s.connect(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > m.Timeout/2 {
			t.Errorf("the second address was tried after %v", took)
		}
	})
}
