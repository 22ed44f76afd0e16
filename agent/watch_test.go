package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/as2drop/as2drop/internal/status"
)

// The system has thrown events away: every folder is looked at, and the file whose event
// was lost is sent.
func TestOverflow(t *testing.T) {
	cfg, dir := setUp(t, nil)
	cfg.Partners[0].Outbox.Poll = time.Hour
	h := &host{}
	a, _ := h.on(t, cfg)
	drop(t, dir, "loopback", "A-1.xml")
	eventually(t, "A-1.xml is sent and nothing is left", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 && a.idle() })
	if err := a.watch.fs.Remove(filepath.Join(partnerDir(dir, "loopback"), "outbox")); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "loopback", "A-2.xml")
	if !a.idle() {
		t.Error("its event was not lost")
	}
	a.watch.fs.Errors <- fsnotify.ErrEventOverflow
	eventually(t, "A-2.xml is sent", func() bool { return sentBy(dir, "loopback", "A-2.*") == 1 })
}

// Nobody tells of files: on a share, where it is configured, and where the system has no
// more watches. It is said once, and all is sent.
func TestWithoutEvents(t *testing.T) {
	for name, c := range map[string]struct {
		kind, watch string
		err         error
		want        string
	}{
		"share":           {kind: "NFS file system", watch: "auto", want: "it is on a NFS file system"},
		"configured":      {watch: "poll", want: "outbox.watch: poll"},
		"limit":           {watch: "auto", err: syscall.ENOSPC, want: "it cannot be watched: the system has no watches left"},
		"share, but used": {kind: "NFS file system", watch: "events"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, dir := setUp(t, nil)
			cfg.Partners[0].Outbox.Poll, cfg.Partners[0].Outbox.Watch = 20*time.Millisecond, c.watch
			h := &host{kind: c.kind}
			refused := c.err
			a, _ := h.onWith(t, cfg, func(a *running) {
				watch := a.watch.watch
				a.watch.watch = func(folder string) error {
					if refused != nil {
						return &os.PathError{Op: "watch", Path: folder, Err: refused}
					}
					return watch(folder)
				}
			})
			drop(t, dir, "loopback", "A-1.xml")
			drop(t, dir, "loopback", "A-2.xml")
			eventually(t, "they are sent", func() bool { return sentBy(dir, "loopback", "A-*") == 2 })
			a.health.look(t.Context())
			s, err := status.Read(cfg.DataDir)
			if err != nil || !strings.HasPrefix(s.Partners[0].Polled, c.want) || c.want == "" && s.Partners[0].Polled != "" {
				t.Errorf("the status says %q (%v)", s.Partners[0].Polled, err)
			}
			if got, want := strings.Count(h.log(), "the folder is polled"), min(len(c.want), 1); got != want {
				t.Errorf("told %d times, want %d", got, want)
			}
			if got := strings.Contains(h.log(), "max_user_watches"); got != (c.err != nil) {
				t.Errorf("what to raise is told: %v", got)
			}
		})
	}
}

// A folder goes and takes its events along, and is not quite back when they are asked for:
// they are asked for again soon, and not when the outbox is polled next.
func TestEventsComeBack(t *testing.T) {
	cfg, dir := setUp(t, nil)
	cfg.Partners[0].Outbox.Poll = time.Hour
	h := &host{}
	var early atomic.Bool
	a, _ := h.onWith(t, cfg, func(a *running) {
		watch := a.watch.watch
		a.watch.watch = func(folder string) error {
			if filepath.Base(folder) == "outbox" && early.CompareAndSwap(true, false) {
				return &os.PathError{Op: "watch", Path: folder, Err: syscall.ENOENT}
			}
			return watch(folder)
		}
	})
	drop(t, dir, "loopback", "A-1.xml")
	eventually(t, "A-1.xml is sent and nothing is left", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 && a.idle() })
	if err := a.watch.fs.Remove(filepath.Join(partnerDir(dir, "loopback"), "outbox")); err != nil {
		t.Fatal(err)
	}
	early.Store(true)
	giveBack := takeAway(t, partnerDir(dir, "loopback"))
	a.tenant("loopback").worker.look()
	eventually(t, "it is missed", func() bool { return strings.Contains(h.log(), "is the volume mounted?") })
	giveBack()
	eventually(t, "its events were asked for too early, and it was looked at", func() bool {
		return !early.Load() && strings.Contains(h.log(), "it cannot be watched")
	})
	eventually(t, "its events have come back", func() bool { return strings.Contains(h.log(), "file events of the outbox have come back") })
	drop(t, dir, "loopback", "A-2.xml")
	eventually(t, "A-2.xml is sent", func() bool { return sentBy(dir, "loopback", "A-2.*") == 1 })
}

// burst is how many names come and go while nobody listens: more than any queue holds.
func burst(t *testing.T) int {
	t.Helper()
	n := 16384 // the default of Linux; Windows has a buffer of 64 KiB
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		if n, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || n > 1<<20 {
			t.Fatalf("fs.inotify.max_queued_events is %q, and no test can fill that", text)
		}
	}
	return n
}

// More happens in a folder than the system remembers: nobody is left without a nudge.
func TestRealOverflow(t *testing.T) {
	w := newWatcher(slog.New(slog.NewTextHandler(t.Output(), nil)))
	noisy, quiet := t.TempDir(), t.TempDir()
	nudged := make(chan string, 1<<20)
	for _, dir := range []string{noisy, quiet} {
		if err := w.add(dir, func(bool) {
			if dir == quiet {
				nudged <- dir
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range burst(t) {
		name := filepath.Join(noisy, "d")
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	go func() { defer close(ended); w.run() }()
	select {
	case <-nudged: // nothing has happened there
	case <-time.After(5 * time.Minute):
		t.Error("nobody was told that events are lost")
	}
	w.close()
	<-ended
}

// Workers end, and take their folders off the list, while the agent closes it: on Windows
// fsnotify leaves for ever who asks in that moment.
func TestWatcherEndsWithItsWorkers(t *testing.T) {
	dir := t.TempDir()
	var folders []string
	for _, name := range []string{"a", "b", "c", "d"} {
		folders = append(folders, filepath.Join(dir, name))
		if err := os.Mkdir(folders[len(folders)-1], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		w := newWatcher(slog.New(slog.DiscardHandler))
		var group sync.WaitGroup
		group.Go(w.run)
		begun := make(chan bool, len(folders))
		for _, folder := range folders {
			group.Go(func() {
				for i := range 20 {
					_ = w.add(folder, func(bool) {}) // it may be closed
					w.remove(folder)
					if i == 0 {
						begun <- true
					}
				}
			})
		}
		<-begun
		w.close()
		group.Wait()
	}
}

// Watches that the system does not let go of keep neither the agent nor its workers.
func TestWatcherThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		w := &watcher{fs: &fsnotify.Watcher{}, log: slog.New(slog.NewTextHandler(t.Output(), nil)), tell: map[string]func(bool){}, shut: func() error { <-let; return nil }}
		began := time.Now()
		var group sync.WaitGroup
		group.Go(w.close)
		synctest.Wait()
		w.remove("a folder") // of a worker that ends meanwhile
		group.Wait()
		if took := time.Since(began); took != closeWithin {
			t.Errorf("left behind after %v", took)
		}
		close(let)
	})
}
