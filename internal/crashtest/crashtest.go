// Package crashtest drives the crash matrix: it runs a program on a simulated disk,
// stops it at every point, and looks at what a killed process or a power cut leaves,
// first before anything recovers and again when the program has run to its end.
//
// Of what crashes leave only what differs is looked at, see Seen.
//
// Recovery can heal a fault and so hide it; that is why the standing rules are checked
// before. A check that nobody has seen fail is no check; a matrix is therefore also run
// with a mutated program, and must report then.
package crashtest

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// World is a disk and everything outside of it that survives a crash: the partner on
// the other side, the clock on the wall.
type World interface {
	Disk() *simdisk.Disk
	// On is the same world on another disk, with its own memory of the outside.
	On(*simdisk.Disk) World
	// Memory says all that is remembered outside of the disk: two worlds with equal disks
	// that say the same go on in the same way.
	Memory() string
}

// Scenario is a program and its rules.
type Scenario struct {
	// Run is the life of one process: recover, work, end when nothing is left to do or
	// the world has stopped.
	Run func(World) error
	// Standing are the rules that hold at every moment, checked on a copy.
	Standing func(World) []string
	// Final are the rules that hold when the program has run to its end.
	Final func(World) []string
	// Every is how many points of a recovery are passed over between two second
	// crashes, of each recovery that differs; 0 = none are made.
	Every int
	// Faults says whether EIO and ENOSPC are tried at every point too.
	Faults bool
	// After is part of the label of a moment; the program is stopped from that moment on
	// only. Empty = from the beginning. For scenarios that begin like another one.
	After string
	// Until is part of the label of a later moment, after which it is not stopped any
	// more. Empty = to the end.
	Until string
	// Enough problems end the matrix; 0 = 10. A mutation is noticed with the first one.
	Enough int
}

// Report is what a matrix found.
type Report struct {
	Cases    int // that were run to their end
	Left     int // worlds that crashes left, those that were left alike before among them
	Problems []string
	enough   int
}

func (r *Report) add(where string, problems []string) {
	for _, p := range problems {
		r.Problems = append(r.Problems, where+": "+p)
	}
}

func (r *Report) full() bool { return len(r.Problems) >= r.enough }

// Matrix stops the program at every point of its run.
func Matrix(w World, s Scenario) Report {
	r := Report{enough: cmp.Or(s.Enough, 10)}
	straight := w.On(w.Disk().Clone())
	err := s.Run(straight)
	labels, all := straight.Disk().Ticks(), straight.Disk().Points() // without those of Final
	r.Cases++
	r.add("uninterrupted", append(failure(err), s.Final(straight)...))
	points := every(until(after(all, labels, s.After), labels, s.Until), stride)
	if len(points) == 0 {
		r.add("uninterrupted", []string{"there is no moment " + s.After})
	}
	r.stops(w, s, points, labels)
	if s.Faults {
		for _, n := range points {
			for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
				if !r.full() {
					r.fault(w, s, n, fault, labels[n-1])
				}
			}
		}
	}
	return r
}

// after leaves out the points before a moment.
func after(points []int, labels []string, moment string) []int {
	for i, p := range points {
		if strings.Contains(labels[p-1], moment) {
			return points[i:]
		}
	}
	return nil
}

// until leaves out the points behind the next moment of a kind.
func until(points []int, labels []string, moment string) []int {
	if moment == "" {
		return points
	}
	for i, p := range points {
		if i > 0 && strings.Contains(labels[p-1], moment) {
			return points[:i+1]
		}
	}
	return points
}

// every takes one of n points, the last one always.
func every(points []int, n int) (taken []int) {
	for i, p := range points {
		if i%n == 0 || i == len(points)-1 {
			taken = append(taken, p)
		}
	}
	return taken
}

func failure(err error) []string {
	if err == nil {
		return nil
	}
	return []string{"the run ended with: " + err.Error()}
}

// variant is one way in which a stopped world can go on.
type variant struct {
	name string
	disk *simdisk.Disk
}

func variants(d *simdisk.Disk) []variant {
	vs := []variant{
		{"killed", d.Kill()},
		{"power cut, nothing unsynced kept", d.PowerCut(simdisk.None)},
		{"power cut, all kept", d.PowerCut(simdisk.All)},
	}
	unsynced := d.Unsynced()
	if len(unsynced) < 2 {
		return vs // losing the only one is losing all
	}
	for _, c := range unsynced {
		vs = append(vs, variant{"power cut, lost only: " + c.Label, d.PowerCut(simdisk.AllBut(c))})
	}
	return vs
}

// stops runs the program once and looks at each point at what its end there would leave.
func (r *Report) stops(w World, s Scenario, points []int, labels []string) {
	walked := w.On(w.Disk().Clone())
	seen := NewSeen()
	for _, n := range points {
		walked.Disk().At(n, func() { r.stopAt(walked, s, seen, n, labels[n-1]) })
	}
	_ = s.Run(walked) // it has run to its end before
}

func (r *Report) stopAt(walked World, s Scenario, seen Seen, n int, label string) {
	for _, v := range variants(walked.Disk()) {
		if r.full() {
			return
		}
		where := fmt.Sprintf("stopped at %d (%s), %s", n, label, v.name)
		after := walked.On(v.disk)
		state := []World{after}
		if s.Every > 0 { // what a power cut during recovery can still undo makes a difference
			state = append(state, after.On(v.disk.PowerCut(simdisk.None)))
		}
		r.Left++
		if seen.Before(state...) {
			continue
		}
		r.add(where+", before recovery", s.Standing(after.On(v.disk.Clone())))
		recovered := after.On(v.disk.Clone())
		err := s.Run(recovered)
		points := recovered.Disk().Points()
		r.Cases++
		r.add(where+", after recovery", append(failure(err), s.Final(recovered)...))
		if s.Every > 0 && !r.full() {
			r.again(after, s, points, where, n)
		}
	}
}

// again crashes a second time during recovery. Which points are taken moves on with
// n, so that all of them come about.
func (r *Report) again(after World, s Scenario, points []int, where string, n int) {
	apart := s.Every * stride
	for i := n % apart; i < len(points); i += apart {
		second := after.On(after.Disk().Clone())
		second.Disk().StopAt(points[i])
		_ = s.Run(second) // it runs into the stop
		for _, d := range []*simdisk.Disk{second.Disk().Kill(), second.Disk().PowerCut(simdisk.None)} {
			there := fmt.Sprintf("%s, and again at %d", where, points[i])
			last := second.On(d)
			r.add(there+", before recovery", s.Standing(last.On(d.Clone())))
			err := s.Run(last)
			r.Cases++
			r.add(there+", after recovery", append(failure(err), s.Final(last)...))
		}
	}
}

// fault makes one call fail. The program may end over it; it is started again.
func (r *Report) fault(w World, s Scenario, n int, fault error, label string) {
	faulty := w.On(w.Disk().Clone())
	faulty.Disk().FailAt(n, fault)
	err := s.Run(faulty)
	healed := faulty.On(faulty.Disk().Clone())
	if err != nil {
		err = s.Run(healed)
	}
	r.Cases++
	r.add(fmt.Sprintf("%v at %d (%s)", fault, n, label), append(failure(err), s.Final(healed)...))
}

// NeedsAllPoints skips a test that finds little or nothing where only a sample of the points
// is taken (see stride): one of mutations, or of losses.
func NeedsAllPoints(t interface {
	Helper()
	Skip(args ...any)
}) {
	t.Helper()
	if stride > 1 {
		t.Skip("the matrix takes a sample of the points here; make test takes all")
	}
}
