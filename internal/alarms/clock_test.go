package alarms

import (
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// A clock that was a year ahead is put right. What it left behind keeps no news back: neither
// that an alarm is over, nor the next one, nor more of one that was told.
func TestClockBack(t *testing.T) {
	office := &letters{}
	p := newPlace(t, Receiver{Name: "office", Level: ledger.Alarm, Channel: office})
	p.now = noon.AddDate(1, 0, 0)
	p.failed("t1", "INV-1", "")
	p.round(paused("acme"))
	p.after(30*time.Second, paused("acme"))
	one := "[as2drop edi] ALARM: acme: nothing is sent: HTTP 401, and 1 more"
	p.want(office, one)

	p.now = noon
	p.failed("t2", "INV-2", "")
	p.round() // acme goes on
	p.after(30*time.Second, paused("beta"))
	p.after(30*time.Second, paused("beta"))
	p.after(time.Hour, paused("beta"))
	all := ""
	for _, s := range office.got[1:] {
		all += s + "\n"
	}
	if want := "[as2drop edi] ALARM: acme: 2 transfers failed; 1 over\n[as2drop edi] ALARM: beta: nothing is sent: HTTP 401\n"; all != want {
		t.Errorf("told\n%swant\n%s", all, want)
	}
}
