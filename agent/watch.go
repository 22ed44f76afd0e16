package agent

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watcher shortens the wait for the next scan and decides nothing. It drains events
// as fast as they come into one nudge per folder, because a consumer that works
// between events loses most of them; after an overflow every folder is nudged.
type watcher struct {
	fs  *fsnotify.Watcher // nil where the system has none: polling does it all
	log *slog.Logger

	mu     sync.Mutex
	nudges map[string]func() // by cleaned folder path
}

func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{log: log, nudges: map[string]func(){}}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file events; folders are polled", "error", err)
		return w
	}
	w.fs = fs
	return w
}

// add watches a folder; nudge must not block. Adding a folder again is cheap, and
// necessary after it was renamed away and made anew: the old watch is gone silently.
func (w *watcher) add(folder string, nudge func()) {
	if w.fs == nil {
		return
	}
	folder = filepath.Clean(folder)
	w.mu.Lock()
	_, known := w.nudges[folder]
	w.nudges[folder] = nudge
	w.mu.Unlock()
	if err := w.fs.Add(folder); err != nil && !known {
		w.log.Warn("folder cannot be watched; it is polled", "folder", folder, "error", err)
	}
}

// remove ends the watch on a folder; it need not have one.
func (w *watcher) remove(folder string) {
	if w.fs == nil || folder == "" {
		return
	}
	folder = filepath.Clean(folder)
	w.mu.Lock()
	delete(w.nudges, folder)
	w.mu.Unlock()
	_ = w.fs.Remove(folder) // it may be gone, and its watch with it
}

// run drains events until close.
func (w *watcher) run() {
	if w.fs == nil {
		return
	}
	for {
		select {
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			w.nudge(filepath.Dir(e.Name))
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("file events", "error", err)
			}
			w.nudgeAll()
		}
	}
}

func (w *watcher) nudge(folder string) {
	w.mu.Lock()
	nudge := w.nudges[folder]
	w.mu.Unlock()
	if nudge != nil {
		nudge()
	}
}

func (w *watcher) nudgeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, nudge := range w.nudges {
		nudge()
	}
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close() // nothing is written through it
	}
}
