package agent

import (
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// host is a machine whose folders can be made to fail, or to hang.
type host struct {
	mu    sync.Mutex
	fault func(partner, op, name string) error // nil = all is well; it may block
	space func(partner string) (uint64, bool)  // nil = as it is
	kind  string                               // of share that all folders are on
	told  told
}

// hands reach the folders of the host.
func (h *host) hands() *hands {
	return &hands{
		open: func(dir string) (fsx.FS, error) {
			whole, err := fsx.OpenRoot(dir)
			if err != nil {
				return nil, err
			}
			return &failing{whole, h, filepath.Base(dir)}, nil
		},
		network: func(string) (string, error) { return h.kind, nil },
		look:    100 * time.Millisecond,
		work:    200 * time.Millisecond,
	}
}

// set changes what fails.
func (h *host) set(fault func(partner, op, name string) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = fault
}

func (h *host) setSpace(space func(partner string) (uint64, bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.space = space
}

func (h *host) ask(partner, op, name string) error {
	h.mu.Lock()
	fault := h.fault
	h.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(partner, op, name)
}

func (h *host) log() string {
	h.told.mu.Lock()
	defer h.told.mu.Unlock()
	return h.told.log.String()
}

// failing is a folder of a host.
type failing struct {
	fsx.FS
	host    *host
	partner string
}

func (f *failing) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	op := "read"
	if flag != fsx.ReadOnly {
		op = "write"
	}
	if err := f.host.ask(f.partner, op, name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.FS.OpenFile(name, flag, perm)
}

func (f *failing) Mkdir(name string, perm fs.FileMode) error {
	if err := f.host.ask(f.partner, "mkdir", name); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return f.FS.Mkdir(name, perm)
}

func (f *failing) Lstat(name string) (fs.FileInfo, error) {
	if err := f.host.ask(f.partner, "stat", name); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return f.FS.Lstat(name)
}

func (f *failing) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.host.ask(f.partner, "list", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.FS.ReadDir(name)
}

func (f *failing) Names(name string) ([]string, error) {
	if err := f.host.ask(f.partner, "list", name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.FS.Names(name)
}

func (f *failing) EachName(name string) iter.Seq2[string, error] {
	if err := f.host.ask(f.partner, "list", name); err != nil {
		return func(yield func(string, error) bool) { yield("", &fs.PathError{Op: "open", Path: name, Err: err}) }
	}
	return f.FS.EachName(name)
}

func (f *failing) Entries(name string) iter.Seq2[fs.FileInfo, error] {
	if err := f.host.ask(f.partner, "list", name); err != nil {
		return func(yield func(fs.FileInfo, error) bool) { yield(nil, &fs.PathError{Op: "open", Path: name, Err: err}) }
	}
	return f.FS.Entries(name)
}

func (f *failing) RenameNoReplace(oldname, newname string) error {
	if err := f.host.ask(f.partner, "rename", oldname+" "+newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return f.FS.RenameNoReplace(oldname, newname)
}

func (f *failing) Replace(oldname, newname string) error {
	if err := f.host.ask(f.partner, "replace", newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return f.FS.Replace(oldname, newname)
}

func (f *failing) Remove(name string) error {
	if err := f.host.ask(f.partner, "remove", name); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return f.FS.Remove(name)
}

func (f *failing) SyncDir(name string) error {
	if err := f.host.ask(f.partner, "sync", name); err != nil {
		return &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	return f.FS.SyncDir(name)
}

func (f *failing) Identity(name string) (fsx.ID, error) {
	if err := f.host.ask(f.partner, "stat", name); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return f.FS.Identity(name)
}

func (f *failing) Free() (uint64, error) {
	if err := f.host.ask(f.partner, "free", "."); err != nil {
		return 0, err
	}
	f.host.mu.Lock()
	space := f.host.space
	f.host.mu.Unlock()
	if space != nil {
		if free, ok := space(f.partner); ok {
			return free, nil
		}
	}
	return f.FS.Free()
}

// on runs an agent on the host, and returns a function that ends it as a signal does; it
// is ended with the test at the latest.
func (h *host) on(t *testing.T, cfg *config.Config) (a *running, end func()) {
	t.Helper()
	return h.onWith(t, cfg, func(*running) {})
}

// onWith is on, with a change before the agent begins.
func (h *host) onWith(t *testing.T, cfg *config.Config, change func(*running)) (a *running, end func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(&h.told, nil))
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := Options{Log: log, Version: "test", reach: h.hands()}
	w, err := openWorldWith(t.Context(), cfg, log, o.Version, *o.reach)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	a = newRunning(t.Context(), w, o)
	if a.listeners, err = w.listen(cfg, nil); err != nil {
		t.Fatal(err)
	}
	a.serve(a.listeners)
	change(a)
	a.start()
	var once sync.Once
	end = func() {
		once.Do(func() {
			a.stop()
			a.end(time.Second)
			if err := w.close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		h.set(nil)
		end()
		if t.Failed() {
			t.Log(h.log())
		}
	})
	return a, end
}

// events of an agent, newest last, as "level code: text".
func events(t *testing.T, l *ledger.Ledger, partner, code string) (all []string) {
	t.Helper()
	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		es, err := tx.RecentEvents(partner, 1000)
		for _, e := range es {
			if e.Code == code {
				all = append(all, string(e.Level)+": "+e.Text)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// partnerDir is the folder of a partner in the data folder.
func partnerDir(dir, partner string) string { return filepath.Join(dir, "data", "partners", partner) }

// sentBy counts what a partner's folder has in sent with a receipt.
func sentBy(dir, partner, pattern string) int {
	found, _ := filepath.Glob(filepath.Join(partnerDir(dir, partner), "sent", "*", pattern, "receipt.mdn")) // the pattern is ours
	return len(found)
}

// A folder on a share whose server does not answer: system calls on it hang. Nobody else
// waits, no wish, no reload, no status, and not the end of the agent.
func TestFolderThatHangs(t *testing.T) {
	cfg, dir := setUp(t, map[string]string{"stuck": "http://127.0.0.1:1/"})
	h := &host{}
	a, end := h.on(t, cfg)
	eventually(t, "stuck is there", func() bool { _, err := os.Stat(filepath.Join(partnerDir(dir, "stuck"), ".as2drop")); return err == nil })
	answers := make(chan struct{})
	var hung sync.WaitGroup
	hung.Add(1) // so that none is added to an empty group while somebody waits
	t.Cleanup(func() { hung.Done(); hung.Wait() })
	t.Cleanup(sync.OnceFunc(func() { close(answers) }))
	h.set(func(partner, _, _ string) error {
		if partner == "stuck" {
			hung.Add(1)
			defer hung.Done()
			<-answers
		}
		return nil
	})

	drop(t, dir, "stuck", "S-1.xml")
	drop(t, dir, "loopback", "L-1.xml")
	eventually(t, "L-1.xml is sent", func() bool { return sentBy(dir, "loopback", "L-1.*") == 1 })
	for id, partner := range map[string]string{"w1": "stuck", "w2": "loopback"} {
		w := ledger.Wish{ID: id, Kind: ledger.WishHold, Partner: partner, By: "me", Reason: "test", At: time.Now()}
		if err := a.ledger.Update(t.Context(), func(tx *ledger.Tx) error { return tx.AddWish(w) }); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the wish for "+partner+" is granted", func() bool {
			err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { w, err = tx.Wish(id); return err })
			return err == nil && !w.Done.IsZero()
		})
	}
	text, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Path, []byte(string(text)+"  third: {as2_id: THIRD, station: self, url: \"http://127.0.0.1:1/\", allow_http: true, certificates: self.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if read := a.reload(t.Context(), true); read == nil || a.setup().find("third") == nil {
		t.Error("the config is not taken")
	}
	if err := a.nextGeneration(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "the status tells of it", func() bool {
		a.health.look(t.Context())
		s, err := status.Read(cfg.DataDir)
		for _, p := range s.Partners {
			if p.Name == "stuck" {
				return err == nil && p.State == status.StateHangs
			}
		}
		return false
	})
	if err := a.ready("stuck"); err == nil || !strings.Contains(err.Error(), "does not answer since") {
		t.Errorf("stuck: %v", err)
	}
	end()
}

// ready says how a partner's folder is.
func (a *running) ready(partner string) error { return a.setup().find(partner).ready() }

// The folder hangs when the agent starts, and answers later: the others are not kept, and
// the partner comes into order by itself.
func TestFolderThatHangsAtTheStart(t *testing.T) {
	cfg, dir := setUp(t, map[string]string{"stuck": "http://127.0.0.1:1/"})
	answers := make(chan struct{})
	h := &host{fault: func(partner, _, _ string) error {
		if partner == "stuck" {
			<-answers
		}
		return nil
	}}
	a, _ := h.on(t, cfg)
	t.Cleanup(sync.OnceFunc(func() {
		select {
		case <-answers:
		default:
			close(answers)
		}
	}))
	drop(t, dir, "loopback", "L-1.xml")
	eventually(t, "L-1.xml is sent", func() bool { return sentBy(dir, "loopback", "L-1.*") == 1 })
	if err := a.ready("stuck"); err == nil || !strings.Contains(err.Error(), "does not answer since") {
		t.Errorf("stuck: %v", err)
	}
	if got := events(t, a.ledger, "stuck", "folder"); len(got) == 0 || !strings.Contains(got[0], "is the share reachable?") {
		t.Errorf("events: %q", got)
	}
	close(answers)
	eventually(t, "stuck is in order", func() bool { return a.ready("stuck") == nil })
}
