package agent

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher shortens the wait for the next scan and decides nothing. It drains events
// as fast as they come into one call per folder, because a consumer that works
// between events loses most of them; after an overflow every folder is looked at.
type watcher struct {
	fs  *fsnotify.Watcher // nil where the system has none: polling does it all
	log *slog.Logger

	watch func(folder string) error // of fs
	shut  func() error              // of fs
	runs  sync.WaitGroup            // who drains
	once  sync.Once
	mu    sync.Mutex
	tell  map[string]func(departed bool) // by cleaned folder path

	// On Windows fsnotify never answers who asks it something while it is being closed.
	// Events are drained without this lock, so who holds it gets on.
	using  sync.RWMutex
	closed bool
}

// while calls f unless the watcher is closed, and keeps it open meanwhile.
func (w *watcher) while(f func() error) error {
	w.using.RLock()
	defer w.using.RUnlock()
	if w.closed {
		return nil
	}
	return f()
}

func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{log: log, tell: map[string]func(bool){}}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file events; every folder is polled", "error", err, "hint", moreWatches)
		return w
	}
	w.fs, w.watch, w.shut = fs, fs.Add, fs.Close
	return w
}

var (
	errNoEvents  = errors.New("the system gives no file events")
	errNoWatches = errors.New("the system has no watches left (fs.inotify.max_user_watches)") // it says "no space left on device"
)

// moreWatches is what an operator can do where Linux is out of watches.
const moreWatches = "Linux: raise fs.inotify.max_user_watches and fs.inotify.max_user_instances with sysctl, they are counted per user over all programs, and restart"

// add watches a folder; tell must not block, and is told whether a file has left. An error means that the folder has to be
// polled. Adding a folder again is cheap, and necessary after it was renamed away and made
// anew: the old watch is gone silently.
func (w *watcher) add(folder string, tell func(departed bool)) error {
	if w.fs == nil {
		return errNoEvents
	}
	folder = filepath.Clean(folder)
	w.mu.Lock()
	w.tell[folder] = tell
	w.mu.Unlock()
	err := w.while(func() error { return w.watch(folder) })
	if err != nil && outOfWatches(err) {
		w.once.Do(func() {
			w.log.Warn("the system gives no more file events; further folders are polled", "folder", folder, "error", err, "hint", moreWatches)
		})
		return errNoWatches
	}
	return err
}

// outOfWatches reports whether the limit of the system is reached.
func outOfWatches(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE)
}

// remove ends the watch on a folder; it need not have one.
func (w *watcher) remove(folder string) {
	if w.fs == nil || folder == "" {
		return
	}
	folder = filepath.Clean(folder)
	w.mu.Lock()
	delete(w.tell, folder)
	w.mu.Unlock()
	_ = w.while(func() error { return w.fs.Remove(folder) }) // it may be gone, and its watch with it
}

// start has events drained until close.
func (w *watcher) start() { w.runs.Go(w.run) }

// run drains events until they end.
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
			w.pass(e)
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("file events", "error", err)
			}
			w.passAll()
		}
	}
}

// pass tells whoever watches the folder of an event.
func (w *watcher) pass(e fsnotify.Event) {
	w.mu.Lock()
	tell := w.tell[filepath.Dir(e.Name)]
	w.mu.Unlock()
	if tell != nil {
		tell(e.Op&^(fsnotify.Remove|fsnotify.Rename) == 0)
	}
}

func (w *watcher) passAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, tell := range w.tell {
		tell(false)
	}
}

// closeWithin is how long the system may take to let go of the watches.
const closeWithin = 2 * time.Second

// close ends the watches, and who drains them. It has been seen on Windows that fsnotify
// waits for ever for a folder whose files go at that moment: it is left behind then, with
// nothing in it that anybody needs.
func (w *watcher) close() {
	if w.fs == nil {
		return
	}
	w.using.Lock()
	w.closed = true
	w.using.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.shut() // nothing is written through it
		w.runs.Wait()
	}()
	timer := time.NewTimer(closeWithin)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		w.log.Info("the system does not let go of the watched folders; they are left to the end of the program")
	}
}
