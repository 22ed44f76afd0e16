package outbox

import (
	"cmp"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Observer remembers of one outbox, from one scan to the next, how long files have stood
// still, and the batches that were ready and not claimed yet. Only two observations of
// its own count: a file's time against the clock says nothing about its writer.
//
// It is as large as the outbox is full: about 60 bytes for each file, its name included, and
// 75 for each batch that is ready, up to restMost of them.
type Observer struct {
	first time.Time          // of its looks; carries the monotonic clock
	at    time.Duration      // of the last look that could list the folder, since the first
	seen  []sighting         // what that one saw, by name
	read  map[string]reading // documents that were read for what they name
	rest  []naming.Batch     // ready then, and still to be claimed, oldest first
	most  int                // of them that are remembered
	more  int                // how many more were ready then, all of them after rest
	ready time.Duration      // when rest was found
	by    *Outbox            // who found it: another config may think differently

	intents []*ledger.Transfer // to claim what was ready, committed and not carried out by Take

	picking
}

// sighting is a file as a look saw it.
type sighting struct {
	name  string
	size  int64         // bytes; aFolder = it is no file
	mtime int64         // nanoseconds
	since time.Duration // when it was first seen so, on the clock of Observer.at
}

const aFolder = -1

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
type noting func(seen []sighting, now time.Time) (still func(sighting) time.Duration)

// note compares with what was seen before. It counts even if the look comes to nothing:
// what was found ready then and has changed since is not claimed, see intent.
func (ob *Observer) note(seen []sighting, now time.Time) (still func(sighting) time.Duration) {
	if ob.first.IsZero() {
		ob.first = now
	}
	ob.at = max(now.Sub(ob.first), ob.at+1) // two looks never have the same moment
	old := ob.seen
	for i := range seen {
		f := &seen[i]
		f.since = ob.at
		for len(old) > 0 && old[0].name < f.name {
			old = old[1:]
		}
		if len(old) == 0 || old[0].name != f.name {
			continue
		}
		f.name = old[0].name // one string is enough
		if old[0].size == f.size && old[0].mtime == f.mtime {
			f.since = old[0].since
		}
	}
	ob.seen = seen
	at := ob.at
	return func(f sighting) time.Duration { return at - f.since }
}

// byTheirTimes is for who has not looked before, and decides nothing.
func byTheirTimes(_ []sighting, now time.Time) (still func(sighting) time.Duration) {
	return func(f sighting) time.Duration { return max(now.Sub(time.Unix(0, f.mtime)), 0) }
}

// sighting is what the last look saw of a file.
func (ob *Observer) sighting(name string) (f sighting, ok bool) {
	i, ok := slices.BinarySearchFunc(ob.seen, name, func(f sighting, name string) int { return strings.Compare(f.name, name) })
	if ok {
		f = ob.seen[i]
	}
	return f, ok
}

// list reads the folder, in which there may be about n files, and sorts them by name. What
// cannot be sent as it is goes to the report.
//
// A listing may miss what is created while it is made, and show what was created after
// that: a document without the attachment that was there before it. Where one look is
// enough to claim, the folder is listed twice; whatever stood in the first list has all
// that came before it in the second, and fresh are those that stood in the second alone.
func (o *Outbox) list(n int, moving map[string]bool, report *Report) (files []sighting, fresh []string, err error) {
	var first []string
	twice := o.p.Rules.AtFirstSight()
	if twice {
		if first, err = o.p.Folder.Names(outboxDir); err != nil || len(first) == 0 {
			return []sighting{}, nil, err
		}
	}
	files = make([]sighting, 0, max(n, len(first)))
	for info, err := range o.p.Folder.Entries(outboxDir) {
		if err != nil {
			return nil, nil, err
		}
		report.Listed++
		if moving[info.Name()] {
			continue
		}
		if w, ok := o.unusable(info); ok {
			report.Waiting = append(report.Waiting, w)
			continue
		}
		files = append(files, sighted(info))
	}
	// What is renamed while it is listed may stand there twice.
	slices.SortFunc(files, func(a, b sighting) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.mtime, b.mtime), cmp.Compare(a.size, b.size))
	})
	files = slices.CompactFunc(files, func(a, b sighting) bool { return a.name == b.name })
	slices.SortFunc(report.Waiting, func(a, b naming.Waiting) int { return strings.Compare(a.Name, b.Name) })
	report.Waiting = slices.CompactFunc(report.Waiting, func(a, b naming.Waiting) bool { return a.Name == b.Name })
	if twice {
		fresh = notIn(files, first)
	}
	return files, fresh, nil
}

func sighted(f fs.FileInfo) sighting {
	size := f.Size()
	if f.IsDir() {
		size = aFolder
	}
	return sighting{name: f.Name(), size: size, mtime: f.ModTime().UnixNano()}
}

// notIn are the names of files that are not among names. Both are sorted.
func notIn(files []sighting, names []string) (fresh []string) {
	for _, f := range files {
		for len(names) > 0 && names[0] < f.name {
			names = names[1:]
		}
		if len(names) == 0 || names[0] != f.name {
			fresh = append(fresh, f.name)
		}
	}
	return fresh
}

// asFiles tells package naming of files; fresh are those that came during the listing.
func (o *Outbox) asFiles(files []sighting, fresh []string, still func(sighting) time.Duration) iter.Seq[naming.File] {
	return func(yield func(naming.File) bool) {
		for _, f := range files {
			n := naming.File{Name: f.name, Size: f.size, Unchanged: still(f), Dir: f.size == aFolder}
			if len(fresh) > 0 {
				if _, came := slices.BinarySearch(fresh, f.name); came {
					n.Unchanged = -1
				}
			}
			n.Busy = !n.Dir && o.p.Folder.Busy(path.Join(outboxDir, f.name))
			if !yield(n) {
				return
			}
		}
	}
}
