package outbox

import (
	"io/fs"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/naming"
)

// shown is a folder that shows what a test wants, first its names and then its entries.
type shown struct {
	fsx.FS
	names   []string
	entries []shownFile
}

type shownFile struct {
	name  string
	size  int64
	mtime int64
	dir   bool
}

func (f shownFile) Name() string       { return f.name }
func (f shownFile) Size() int64        { return f.size }
func (f shownFile) ModTime() time.Time { return time.Unix(0, f.mtime) }
func (f shownFile) IsDir() bool        { return f.dir }
func (f shownFile) Sys() any           { return nil }

func (f shownFile) Mode() fs.FileMode {
	if f.dir {
		return fs.ModeDir
	}
	return 0
}

func (s *shown) Busy(string) bool { return false }

func (s *shown) EachName(string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, n := range s.names {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (s *shown) Entries(string) iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		for _, f := range s.entries {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Look after look, an observer tells of each file what a simple map of all that was seen tells,
// whatever comes, goes, changes, stands there twice or comes while the folder is being listed.
func TestObserverIsAMapOfTheLastLook(t *testing.T) {
	type known struct {
		size, mtime int64
		since       time.Duration
	}
	name := rapid.StringMatching(`[a-c]{1,2}[0-9]{0,2}\.(xml|pdf)`)
	rapid.Check(t, func(t *rapid.T) {
		rules, err := naming.Compile(naming.Config{Quiet: time.Duration(rapid.IntRange(0, 1).Draw(t, "quiet")) * time.Second})
		must(err)
		folder := &shown{}
		o := New(Deps{}, Partner{Name: "acme", Folder: folder, Rules: rules})
		ob := NewObserver()
		before := map[string]known{}
		for now := moment; now.Before(moment.Add(4 * time.Second)); now = now.Add(time.Second) {
			at := max(now.Sub(moment), 1) // no look is at zero
			// Of a name that is listed twice the one counts that was written first, then the smaller one.
			want := map[string]known{}
			folder.names, folder.entries = nil, nil
			for _, n := range rapid.SliceOfN(name, 0, 100).Draw(t, "files") {
				f := shownFile{name: n, size: int64(rapid.IntRange(0, 2).Draw(t, "size")), mtime: int64(rapid.IntRange(1, 2).Draw(t, "mtime")), dir: rapid.IntRange(0, 9).Draw(t, "folder") == 0}
				folder.entries = append(folder.entries, f)
				if f.dir {
					f.size = aFolder
				}
				if w, twice := want[n]; !twice || f.mtime < w.mtime || f.mtime == w.mtime && f.size < w.size {
					want[n] = known{f.size, f.mtime, at}
				}
			}
			first := map[string]bool{}
			for _, n := range slices.Sorted(maps.Keys(want)) {
				if rapid.IntRange(0, 3).Draw(t, "was there") > 0 {
					folder.names, first[n] = append(folder.names, n), true
				}
			}
			moving := map[string]bool{}
			if len(folder.entries) > 0 && rapid.Bool().Draw(t, "one is moving") {
				n := folder.entries[0].name
				moving[n] = true
				delete(want, n)
			}
			if rules.AtFirstSight() && len(first) == 0 {
				clear(want)
			}
			for n, w := range want {
				if b, ok := before[n]; ok && b.size == w.size && b.mtime == w.mtime {
					w.since = b.since
				}
				want[n] = w
			}
			listed, err := o.list(moving, &Report{})
			must(err)
			seen, still := ob.note(listed, now)
			if seen.Len() != len(want) {
				t.Fatalf("%d files, want %d", seen.Len(), len(want))
			}
			sorted := slices.Sorted(maps.Keys(want))
			i := 0
			for f := range o.asFiles(seen, 0, seen.Len(), still) {
				w := want[f.Name]
				unchanged := at - w.since
				if rules.AtFirstSight() && !first[f.Name] {
					unchanged = -1
				}
				if f.Name != sorted[i] || f.Size != w.size || f.Dir != (w.size == aFolder) || f.Unchanged != unchanged {
					t.Fatalf("%+v, want %q %+v, unchanged for %v", f, sorted[i], w, unchanged)
				}
				if s, ok := ob.sighting(f.Name); !ok || s.size != w.size || s.mtime != w.mtime || s.since != w.since {
					t.Fatalf("%q is remembered as %+v, want %+v", f.Name, s, w)
				}
				i++
			}
			if _, ok := ob.sighting("none"); ok {
				t.Fatal("a file was seen that is not there")
			}
			before = want
		}
	})
}
