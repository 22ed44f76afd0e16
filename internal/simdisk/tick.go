package simdisk

import (
	"errors"
	"fmt"
	"syscall"
)

// tick is one count of the clock.
type tick struct {
	call  call
	phase phase
}

type phase string

const (
	before phase = "before "
	after  phase = "after "
	during phase = ""      // a call that changes nothing
	marked phase = "mark " // a Tick of the test
)

// call is one system call, described for the tick list. Labels are put together only
// when somebody asks: most runs are never printed.
type call struct {
	op, name, to string
	n            int
	changes      bool
	outside      bool // made by a foreign program: no tick, no stop, no fault
}

func (c call) String() string {
	s := c.op
	if c.n > 0 {
		s = fmt.Sprintf("%s %d", s, c.n)
	}
	if c.name != "" {
		s += " " + c.name
	}
	if c.to != "" {
		s += " to " + c.to
	}
	return s
}

// StopAt freezes the world at a tick, counted from 1. A call whose tick before it is n
// is not made; a call whose tick after it is n is made, but its caller never learns.
func (d *Disk) StopAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopAt = n
}

// Stopped reports whether the world is frozen.
func (d *Disk) Stopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

// FailAt makes the call at tick n fail with err (syscall.EIO, syscall.ENOSPC). At the
// tick before it, the call is not made, except that a write that finds the disk full
// writes the first half. At the tick after it, it is made and fails all the same.
func (d *Disk) FailAt(n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failAt[n] = err
}

// At runs f at tick n, before the call of that tick is made: somebody else is at work
// on the same disk, through Outside.
func (d *Disk) At(n int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hooks[n] = append(d.hooks[n], f)
}

// Tick lets the clock tick for something that is not a call to the disk, such as the
// answer of a partner. It fails like a call.
func (d *Disk) Tick(label string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tick(tick{call{op: label}, marked})
}

// Ticks lists what has happened, tick 1 first.
func (d *Disk) Ticks() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]string, len(d.ticks))
	for i, t := range d.ticks {
		list[i] = string(t.phase) + t.call.String()
	}
	return list
}

// Points lists the ticks at which stopping leaves something that no other stop leaves:
// before each call that changes something, at each Tick of the test, and at the end.
func (d *Disk) Points() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []int
	for i, t := range d.ticks {
		if t.phase == before || t.phase == marked || i == len(d.ticks)-1 {
			list = append(list, i+1)
		}
	}
	return list
}

// tick counts, lets others act, and says whether the world goes on. It is called with
// the lock held and gives it up while others act.
func (d *Disk) tick(t tick) error {
	d.alternate()
	if d.stopped {
		return ErrStopped
	}
	d.ticks = append(d.ticks, t)
	n := len(d.ticks)
	if hooks := d.hooks[n]; hooks != nil {
		d.mu.Unlock()
		for _, f := range hooks {
			f()
		}
		d.mu.Lock()
	}
	if d.stopped || n == d.stopAt {
		d.stopped = true
		return ErrStopped
	}
	return d.failAt[n]
}

// do makes one system call: tick, f, and a second tick if f may have changed
// something. refused, which may be nil, does what the call still does when it fails.
func (d *Disk) do(c call, refused func(error), f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.outside {
		return f()
	}
	first := during
	if c.changes {
		first = before
	}
	if err := d.tick(tick{c, first}); err != nil {
		if refused != nil && !errors.Is(err, ErrStopped) {
			refused(err)
		}
		return err
	}
	if err := f(); err != nil || !c.changes {
		return err
	}
	return d.tick(tick{c, after})
}

// full tells a full disk from a broken one.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) }
