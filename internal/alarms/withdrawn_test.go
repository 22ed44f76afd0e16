package alarms

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// A message that is withdrawn takes nothing back of what was told before it: that it is over
// is told to somebody who knows of it, in the same thread.
func TestWithdrawnMessage(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.round(paused("acme"))
	p.after(30*time.Second, paused("acme"))
	p.want(office, "[as2drop edi] ALARM: acme: nothing is sent: HTTP 401")
	thread := office.last.ID
	office.broken = &Failure{"connect", "refused", "is it running?"}
	p.after(time.Hour)
	withdrawn := office.ids[len(office.ids)-1]
	p.after(rewriteAfter + time.Minute)
	office.broken = nil
	p.after(maxRetry)
	if len(office.got) != 2 || office.last.ID == withdrawn || !strings.Contains(office.last.Text, "OVER    acme") || !slices.Contains(office.last.Threads, thread) {
		t.Errorf("%q %v\n%s", office.got, office.last.Threads, office.last.Text)
	}
	// And not once more.
	p.after(24 * time.Hour)
	p.after(24 * time.Hour)
	if len(office.got) != 2 {
		t.Errorf("%q", office.got)
	}
}
