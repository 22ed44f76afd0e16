//go:build linux

package soak

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// world harms the folders of one side.
type world struct {
	*chance
	site   *site
	book   *book
	counts *tally
	doors  map[string]*sync.RWMutex
	links  []*link
	every  time.Duration
}

// harm takes folders away, closes them and fills volumes until the faults end. What it did
// is undone when it returns.
func (w *world) harm(ctx context.Context) {
	for pause(ctx, w.about(w.every)) {
		l := w.links[w.n(len(w.links))]
		folder := w.site.folder(l.name)
		switch own := w.site.folders[l.name] != ""; {
		case own:
			w.fill(ctx, folder)
		case w.percent(50):
			w.vanish(ctx, l, folder)
		default:
			w.forbid(ctx, folder)
		}
	}
}

// vanish renames a partner's folder away and back: a volume that is not mounted.
func (w *world) vanish(ctx context.Context, l *link, folder string) {
	door := w.doors[l.name]
	door.Lock()
	defer door.Unlock()
	away := filepath.Join(w.site.dir, "away")
	if err := os.Rename(folder, away); err != nil {
		return // the agent has not made it yet
	}
	w.counts.add("folders that vanished")
	pause(ctx, w.about(time.Second))
	// Whoever made one in its place has written where nothing is mounted.
	if err := os.Rename(away, folder); err != nil {
		w.book.object("something was made in place of the folder that had vanished: %v", err)
	}
}

// forbid takes the agent's right to write into one folder.
func (w *world) forbid(ctx context.Context, folder string) {
	dir := filepath.Join(folder, []string{inOutbox, inInbox, inSent, inFailed, inWork, inIncoming, ".evidence"}[w.n(7)])
	info, err := os.Stat(dir)
	if err != nil {
		return // as in vanish
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		w.book.object("chmod: %v", err)
		return
	}
	w.counts.add("folders without the right to write")
	pause(ctx, w.about(time.Second))
	if err := os.Chmod(dir, info.Mode().Perm()); err != nil {
		w.book.object("chmod: %v", err)
	}
}

// fill leaves little or nothing of a small volume.
func (w *world) fill(ctx context.Context, folder string) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return
	}
	left := int64(w.n(256)) << 10
	ballast := filepath.Join(filepath.Dir(folder), "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		w.book.object("ballast: %v", err)
		return
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, max(int64(s.Bavail)*s.Bsize-left, 1))
	w.counts.add("volumes that ran full")
	pause(ctx, w.about(2*time.Second))
	if err := errors.Join(f.Close(), os.Remove(ballast)); err != nil {
		w.book.object("ballast: %v", err)
	}
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		w.book.object("ballast: %v", err)
	}
}
