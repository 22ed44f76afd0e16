package simdisk

// alternation is who of several may go on.
type alternation struct {
	gates []chan struct{} // nil = that one has ended
	now   int
	over  chan struct{}
}

// Alternate calls functions that would be at work at the same time, in a manner that is the
// same each time: only one of them goes on, and each tick is the turn of the next. None of
// them may wait for another one.
func (d *Disk) Alternate(fs ...func()) {
	a := &alternation{over: make(chan struct{})}
	for range fs {
		a.gates = append(a.gates, make(chan struct{}, 1))
	}
	d.mu.Lock()
	d.alternates = a
	d.mu.Unlock()
	for i, f := range fs {
		go func() {
			<-a.gates[i]
			f()
			d.mu.Lock()
			defer d.mu.Unlock()
			a.gates[i] = nil
			if !a.pass() {
				d.alternates = nil
				close(a.over)
			}
		}()
	}
	a.gates[0] <- struct{}{}
	<-a.over
}

// pass gives the turn to the next one, which may be who has it; false = all have ended. The
// caller holds the lock of the disk.
func (a *alternation) pass() bool {
	for range a.gates {
		a.now = (a.now + 1) % len(a.gates)
		if gate := a.gates[a.now]; gate != nil {
			gate <- struct{}{}
			return true
		}
	}
	return false
}

// alternate lets the next one go on and waits for its own turn. It is called with the lock
// held and gives it up meanwhile.
func (d *Disk) alternate() {
	a := d.alternates
	if a == nil {
		return
	}
	mine := a.gates[a.now]
	a.pass()
	d.mu.Unlock()
	<-mine
	d.mu.Lock()
}
