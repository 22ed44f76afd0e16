package outbox

import (
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/namelist"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Observer remembers of one outbox, from one scan to the next, how long files have stood
// still, and the batches that were ready and not claimed yet. Only two observations of
// its own count: a file's time against the clock says nothing about its writer.
//
// It is as large as the outbox is full: about 15 bytes for each file where names are alike, and
// 90 for each batch that is ready, up to restMost of them.
type Observer struct {
	first time.Time          // of its looks; carries the monotonic clock
	at    time.Duration      // of the last look that could list the folder, since the first
	seen  *namelist.List     // what that one saw, as sightings; nil = there was none
	read  map[string]reading // documents that were read for what they name
	rest  []naming.Batch     // ready then, and still to be claimed, oldest first
	most  int                // of them that are remembered
	more  int                // how many more were ready then, all of them after rest
	ready time.Duration      // when rest was found
	by    *Outbox            // who found it: another config may think differently

	intents []*ledger.Transfer // to claim what was ready, committed and not carried out by Take
	made    *ahead             // what was made of the only one of them; nil = nothing

	picking
}

// sighting is a file as a look saw it.
type sighting struct {
	mtime int64         // nanoseconds
	size  int64         // bytes; aFolder = it is no file
	since time.Duration // when it was first seen so, on the clock of Observer.at
	came  bool          // while the folder was being listed
}

const aFolder = -1

// numbers are what is kept with the name of a file.
func (f sighting) numbers() namelist.Numbers {
	n := namelist.Numbers{f.mtime, f.size, int64(f.since)}
	if f.came {
		n[3] = 1
	}
	return n
}

func seenAs(n namelist.Numbers) sighting {
	return sighting{mtime: n[0], size: n[1], since: time.Duration(n[2]), came: n[3] != 0}
}

// NewObserver has seen nothing.
func NewObserver() *Observer { return &Observer{most: restMost} }

// Left is how many batches Refill can claim without another look.
func (ob *Observer) Left() int { return len(ob.rest) }

// Ready is how many batches the last scan found ready that are not claimed yet, and since
// when the first of those is seen as it is; zero = there is none.
func (ob *Observer) Ready() (n int, since time.Time) {
	if len(ob.rest) > 0 {
		f, _ := ob.sighting(ob.rest[0].Document)
		since = ob.first.Add(f.since)
	}
	return len(ob.rest) + ob.more, since
}

// Short reports whether it is time to look for others of those: only the first of very many
// are remembered.
func (ob *Observer) Short() bool { return ob.more > 0 && len(ob.rest) <= ob.most/8 }

// A noting takes note of what a look sees, sorted by name, and says of each for how long
// it has stood still.
type noting func(listed iter.Seq2[[]byte, namelist.Numbers], now time.Time) (seen *namelist.List, still func(sighting) time.Duration)

// note compares with what was seen before. It counts even if the look comes to nothing:
// what was found ready then and has changed since is not claimed, see intent.
func (ob *Observer) note(listed iter.Seq2[[]byte, namelist.Numbers], now time.Time) (seen *namelist.List, still func(sighting) time.Duration) {
	if ob.first.IsZero() {
		ob.first = now
	}
	ob.at = max(now.Sub(ob.first), ob.at+1) // two looks never have the same moment
	old := new(namelist.List)
	if ob.seen != nil {
		old = ob.seen
	}
	before := old.Walk()
	ob.seen = namelist.Collect(func(yield func([]byte, namelist.Numbers) bool) {
		for name, n := range listed {
			f := seenAs(n)
			f.since = ob.at
			if n, ok := before.To(name); ok {
				if was := seenAs(n); was.size == f.size && was.mtime == f.mtime {
					f.since = was.since
				}
			}
			if !yield(name, f.numbers()) {
				return
			}
		}
	})
	at := ob.at
	return ob.seen, func(f sighting) time.Duration { return at - f.since }
}

// byTheirTimes is for who has not looked before, and decides nothing.
func byTheirTimes(listed iter.Seq2[[]byte, namelist.Numbers], now time.Time) (seen *namelist.List, still func(sighting) time.Duration) {
	return namelist.Collect(listed), func(f sighting) time.Duration { return max(now.Sub(time.Unix(0, f.mtime)), 0) }
}

// sighting is what the last look saw of a file.
func (ob *Observer) sighting(name string) (f sighting, ok bool) {
	if ob.seen == nil {
		return f, false
	}
	n, ok := ob.seen.Find(name)
	return seenAs(n), ok
}

// list reads the folder, and gives its files sorted by name. What cannot be sent as it is goes
// to the report.
//
// A listing may miss what is created while it is made, and show what was created after
// that: a document without the attachment that was there before it. Where one look is
// enough to claim, the folder is listed twice; whatever stood in the first list has all
// that came before it in the second, and those that stood in the second alone came meanwhile.
func (o *Outbox) list(moving map[string]bool, report *Report) (listed iter.Seq2[[]byte, namelist.Numbers], err error) {
	var files namelist.Sorter
	if !o.p.Rules.AtFirstSight() {
		err = o.sightings(moving, report, &files)
		return files.Sorted(), err
	}
	first, err := o.inFolder()
	if err != nil || first.Len() == 0 {
		return files.Sorted(), err
	}
	err = o.sightings(moving, report, &files)
	return notIn(first, files.Sorted()), err
}

// inFolder are the names of all that is there.
func (o *Outbox) inFolder() (*namelist.List, error) {
	var names namelist.Sorter
	for name, err := range o.p.Folder.EachName(outboxDir) {
		if err != nil {
			return nil, err
		}
		names.Add(name, namelist.Numbers{})
	}
	return namelist.Collect(names.Sorted()), nil
}

// empty reports whether nothing is in the folder. Where that cannot be found out it does not
// say so.
func (o *Outbox) empty() bool {
	for range o.p.Folder.EachName(outboxDir) {
		return false
	}
	return true
}

// sightings adds what is in the folder to files.
func (o *Outbox) sightings(moving map[string]bool, report *Report, files *namelist.Sorter) error {
	for info, err := range o.p.Folder.Entries(outboxDir) {
		if err != nil {
			return err
		}
		report.Listed++
		if moving[info.Name()] {
			continue
		}
		if w, ok := o.unusable(info); ok {
			report.Waiting = append(report.Waiting, w)
			continue
		}
		files.Add(info.Name(), sighted(info).numbers())
	}
	// What is renamed while it is listed may stand there twice; files sees to itself.
	slices.SortFunc(report.Waiting, func(a, b naming.Waiting) int { return strings.Compare(a.Name, b.Name) })
	report.Waiting = slices.CompactFunc(report.Waiting, func(a, b naming.Waiting) bool { return a.Name == b.Name })
	return nil
}

func sighted(f fs.FileInfo) sighting {
	size := f.Size()
	if f.IsDir() {
		size = aFolder
	}
	return sighting{mtime: f.ModTime().UnixNano(), size: size}
}

// notIn says of files that are not in the first list that they came since.
func notIn(first *namelist.List, files iter.Seq2[[]byte, namelist.Numbers]) iter.Seq2[[]byte, namelist.Numbers] {
	return func(yield func([]byte, namelist.Numbers) bool) {
		earlier := first.Walk()
		for name, n := range files {
			f := seenAs(n)
			if _, ok := earlier.To(name); !ok {
				f.came = true
			}
			if !yield(name, f.numbers()) {
				return
			}
		}
	}
}

// asFiles tells package naming of those from one on and before another.
func (o *Outbox) asFiles(seen *namelist.List, from, end int, still func(sighting) time.Duration) iter.Seq[naming.File] {
	return func(yield func(naming.File) bool) {
		for name, numbers := range seen.All(from, end) {
			f := seenAs(numbers)
			n := naming.File{Name: string(name), Size: f.size, Unchanged: still(f), Dir: f.size == aFolder}
			if f.came {
				n.Unchanged = -1
			}
			n.Busy = !n.Dir && o.p.Folder.Busy(path.Join(outboxDir, n.Name))
			if !yield(n) {
				return
			}
		}
	}
}
