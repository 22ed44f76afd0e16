package outbox

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

func pickup(t *testing.T, text, zone string) schedule.Pickup {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	k, err := schedule.ParsePickup(text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// picker is an outbox with pick-ups, seen by one process after the other.
type picker struct {
	*testing.T
	w  *world
	o  *Outbox
	ob *Observer
}

func newPicker(t *testing.T, text string) *picker {
	w, o := begin(t, accept)
	o.p.Pickup = pickup(t, text, "UTC")
	return &picker{t, w, o, NewObserver()}
}

// again starts another process.
func (p *picker) again() {
	partner := p.o.p
	p.o, p.ob = p.w.outbox(p.o.Ledger), NewObserver()
	p.o.p = partner
}

// drop puts a document into the outbox.
func (p *picker) drop(name string) {
	p.w.write(path.Join(outboxDir, name), "<Invoice/>")
}

// scan looks at a time of the day, and says what was claimed and what waits.
func (p *picker) scan(clock string) string {
	p.Helper()
	at, err := time.Parse("15:04:05", clock)
	must(err)
	p.w.now = moment.Truncate(24 * time.Hour).Add(at.Sub(at.Truncate(24 * time.Hour)))
	r, err := p.o.Scan(context.Background(), p.ob)
	if err != nil {
		p.Fatal(err)
	}
	var parts []string
	for _, id := range r.Claimed {
		parts = append(parts, "claimed "+carry(p.T, p.o, id).Document)
	}
	for _, w := range r.Waiting {
		parts = append(parts, w.Name+": "+string(w.Reason)+": "+w.Text)
	}
	if !r.Pickup.IsZero() {
		parts = append(parts, "next "+r.Pickup.Format("15:04"))
	}
	return strings.Join(parts, ", ")
}

func (p *picker) want(clock, want string) {
	p.Helper()
	if got := p.scan(clock); got != want {
		p.Errorf("at %s: %s, want %s", clock, got, want)
	}
}

const waits1215 = "INV-1.xml: pickup: complete; it waits for the pick-up at 12:15 UTC, INV-1_scan.pdf: pickup: complete; it waits for the pick-up at 12:15 UTC, next 12:15"

// Files are claimed only when they are picked up; the minute of a pick-up is long enough
// to see them stand still.
func TestPickupEveryQuarterOfAnHour(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	p.want("12:01:00", waits1215)
	p.want("12:14:59", waits1215)
	p.want("12:15:00", "claimed INV-1.xml")
	p.drop("INV-2.xml")
	p.want("12:15:59", "claimed INV-2.xml")
	p.drop("INV-3.xml")
	p.want("12:16:00", "INV-3.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30")
	p.want("12:30:10", "claimed INV-3.xml")
	p.want("12:31:00", "next 12:45")
	p.drop("INV-4.xml")
	p.want("12:46:00", "claimed INV-4.xml") // nobody looked at 12:45: it is made up for
	p.drop("INV-5.xml")
	p.want("12:47:00", "INV-5.xml: pickup: complete; it waits for the pick-up at 13:00 UTC, next 13:00")
	clean(t, p.o)
}

// The outbox is empty when files are picked up, and one that comes later waits.
func TestPickupOfNothing(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	p.want("12:15:01", "claimed INV-1.xml")
	p.want("12:15:30", "")
	p.want("12:29:00", "next 12:30")
	p.want("12:30:30", "")
	p.want("12:31:30", "next 12:45")
	p.drop("INV-2.xml")
	p.want("12:32:00", "INV-2.xml: pickup: complete; it waits for the pick-up at 12:45 UTC, next 12:45")
}

// No agent runs when files are to be picked up: the next one makes up for it at once,
// and takes the time to see them stand still.
func TestPickupThatIsMissed(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	rules, err := naming.Compile(naming.Config{Quiet: 5 * time.Second})
	must(err)
	p.o.p.Rules = rules
	p.scan("12:01:00")
	p.again()
	if got := p.scan("12:20:00"); strings.Contains(got, "claimed") || strings.Contains(got, "next") {
		t.Errorf("%s", got)
	}
	p.want("12:20:06", "claimed INV-1.xml")
	p.drop("INV-2.xml")
	p.scan("12:20:30")
	p.want("12:21:00", "INV-2.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30")
	p.again()
	p.scan("12:22:00")
	p.want("12:22:10", "INV-2.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30")
	clean(t, p.o)
}

// The clock leaps over a pick-up, and goes back before one.
func TestPickupAndTheClock(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	p.want("12:14:00", waits1215)
	p.want("12:20:00", "claimed INV-1.xml")
	p.drop("INV-2.xml")
	p.want("12:25:00", "INV-2.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30")
	p.again() // what was noted by the wrong clock counts for nothing
	p.want("11:50:00", "INV-2.xml: pickup: complete; it waits for the pick-up at 12:00 UTC, next 12:00")
	p.again()
	p.want("12:05:00", "claimed INV-2.xml")
	p.drop("INV-3.xml")
	p.want("12:10:00", "INV-3.xml: pickup: complete; it waits for the pick-up at 12:15 UTC, next 12:15")
}

// Many files are claimed little by little. Those that were there when they were picked
// up are; those that come meanwhile wait; and a crash in between loses nothing.
func TestPickupOfMany(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	p.o.p.Ahead = 2
	p.want("12:01:00", waits1215)
	for i := 2; i < 6; i++ {
		p.drop(fmt.Sprintf("INV-%d.xml", i))
	}
	p.want("12:15:20", "claimed INV-1.xml, claimed INV-2.xml")
	p.drop("INV-6.xml")
	const waits = "INV-6.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30"
	p.want("12:17:00", "claimed INV-3.xml, claimed INV-4.xml, "+waits)
	p.again() // killed with INV-5 still to be claimed: picked up anew is what is there now
	p.want("12:18:00", "claimed INV-5.xml, claimed INV-6.xml")
	p.drop("INV-7.xml")
	p.want("12:20:00", "INV-7.xml: pickup: complete; it waits for the pick-up at 12:30 UTC, next 12:30")
	clean(t, p.o)
}

// Another schedule in the config makes up for nothing.
func TestPickupOfAnotherConfig(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	p.want("12:01:00", waits1215)
	p.o.p.Pickup = pickup(t, "daily at 18:00", "UTC")
	p.again()
	p.want("12:20:00", strings.ReplaceAll(waits1215, "12:15", "18:00"))
	p.o.p.Pickup = nil
	p.want("12:21:00", "claimed INV-1.xml")
}

// A window of pick-ups is open or it is not; nothing is noted of it.
func TestPickupWindow(t *testing.T) {
	p := newPicker(t, "Mon-Fri 6-12")
	if got := p.scan("12:00:00"); !strings.Contains(got, "INV-1.xml: pickup: complete; it waits for the pick-up at Tue 2026-11-24 06:00 UTC") {
		t.Error(got)
	}
	p.again()
	p.want("11:59:59", "claimed INV-1.xml")
	err := p.o.Ledger.View(context.Background(), func(tx *ledger.Tx) error { _, err := tx.Pickup("acme"); return err })
	if err == nil {
		t.Error("a window was noted")
	}
}

// What people are shown says the same, in the time zone of the partner.
func TestLookSaysWhenFilesArePickedUp(t *testing.T) {
	w, o := begin(t, accept)
	o.p.Pickup = pickup(t, "daily at 14:00; daily at 6", "Europe/Vienna")
	for _, c := range []struct {
		at   time.Duration
		want string
	}{{0, "complete; it waits for the pick-up at 14:00 CET"}, {2 * time.Hour, "complete; it waits for the pick-up at Tue 2026-11-24 06:00 CET"}} {
		w.now = moment.Add(c.at)
		ready, waiting, err := o.Look(context.Background())
		if err != nil || len(ready) != 0 || len(waiting) != 2 || waiting[0].Reason != WaitPickup || waiting[0].Text != c.want {
			t.Errorf("%v %+v %v", ready, waiting, err)
		}
	}
	w.now = moment.Add(time.Hour + 30*time.Second)
	if ready, waiting, err := o.Look(context.Background()); err != nil || len(ready) != 1 || len(waiting) != 0 {
		t.Errorf("%v %+v %v", ready, waiting, err)
	}
}

// A fault of the ledger leaves everything for the next scan.
func TestPickupAndLedgerFail(t *testing.T) {
	p := newPicker(t, "every 15 minutes")
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, clock := range []time.Duration{0, 15 * time.Minute} {
		p.w.now = moment.Add(clock)
		if _, err := p.o.Scan(stopped, p.ob); err == nil {
			t.Error("no fault")
		}
	}
	p.want("12:15:30", "claimed INV-1.xml")
	clean(t, p.o)
}
