package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// phases of a document that a station sends to itself, by the first thing that each does.
var phases = map[string]func(op, name string) bool{
	"claiming": func(op, name string) bool { return op == "rename" && strings.HasPrefix(name, "outbox/") },
	"sealing": func(op, name string) bool {
		return op == "write" && strings.HasPrefix(name, ".work/") && strings.HasSuffix(name, "/message")
	},
	"posting": func(op, name string) bool {
		return op == "read" && strings.HasPrefix(name, ".work/") && strings.HasSuffix(name, "/message")
	},
	"receiving":  func(op, name string) bool { return op == "write" && strings.HasPrefix(name, ".incoming/") },
	"publishing": func(op, name string) bool { return op == "rename" && strings.Contains(name, " inbox/") },
	"settling":   func(op, name string) bool { return op == "write" && strings.HasSuffix(name, "/receipt.mdn") },
	"filing":     func(op, name string) bool { return op == "rename" && strings.Contains(name, " sent/") },
}

// quick has retries come at once.
func quick(cfg *config.Config) {
	for _, p := range cfg.Partners {
		p.Retry.First, p.Retry.Max = 50*time.Millisecond, 50*time.Millisecond
	}
}

// delivered checks that one document was sent and delivered once, under one Message-ID,
// and that ledger and folders agree; it returns the transfer.
func delivered(t *testing.T, cfg *config.Config, dir string) (tr ledger.Transfer) {
	t.Helper()
	i, err := Inspect(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close() // nothing was written
	err = i.ledger.View(context.Background(), func(tx *ledger.Tx) error {
		ts, err := tx.FindTransfers("A-1")
		if len(ts) != 1 {
			t.Errorf("%d transfers", len(ts))
		} else {
			tr = ts[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := filepath.Glob(filepath.Join(partnerDir(dir, "loopback"), "inbox", "*")); len(got) != 1 {
		t.Errorf("in the inbox: %v", got)
	}
	if got := sentBy(dir, "loopback", "A-1.*"); got != 1 || tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%d in sent, %s %q", got, tr.State, tr.Verdict)
	}
	if findings, err := i.Check(context.Background()); err != nil || len(findings) > 0 {
		t.Errorf("check: %v, %v", findings, err)
	}
	return tr
}

// The agent is asked to end while something is under way: it ends, and the next one carries
// on with the same message.
func TestStopInEveryPhase(t *testing.T) {
	for name, is := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, dir := setUp(t, nil)
			quick(cfg)
			reached, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			h := &host{}
			h.set(func(_, op, file string) error {
				if is(op, file) && !strings.Contains(file, "as2drop-probe") {
					once.Do(func() { close(reached); <-goOn })
				}
				return nil
			})
			a, end := h.on(t, cfg)
			drop(t, dir, "loopback", "A-1.xml")
			<-reached
			a.stop()
			close(goOn)
			end()
			if strings.Contains(h.log(), "not everybody has finished") {
				t.Error("it did not come to an end")
			}
			h.set(nil)
			_, end = h.on(t, cfg)
			eventually(t, "A-1.xml is sent", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 })
			end()
			if tr := delivered(t, cfg, dir); tr.Attempts > 1 {
				t.Errorf("%d attempts are counted", tr.Attempts)
			}
		})
	}
}

var errStale = errors.New("stale file handle")

// The volume goes away while something is under way, and what is left is an empty folder
// where it was mounted. Nothing is put there, and all goes on when it is back.
func TestVolumeThatVanishesInEveryPhase(t *testing.T) {
	volumesVanish(t)
	for name, is := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, dir := setUp(t, nil)
			quick(cfg)
			folder := partnerDir(dir, "loopback")
			reached := make(chan struct{})
			var mu sync.Mutex
			gone := false
			h := &host{}
			h.set(func(_, op, file string) error {
				mu.Lock()
				defer mu.Unlock()
				if !gone && is(op, file) && !strings.Contains(file, "as2drop-probe") {
					gone = true
					if err := errors.Join(os.Rename(folder, folder+".away"), os.Mkdir(folder, 0o700)); err != nil {
						t.Error(err)
					}
					close(reached)
				}
				if gone {
					return errStale
				}
				return nil
			})
			a, end := h.on(t, cfg)
			drop(t, dir, "loopback", "A-1.xml")
			<-reached
			eventually(t, "somebody is told", func() bool {
				return strings.Contains(strings.Join(events(t, a.ledger, "loopback", "fault"), "\n"), "is the volume mounted?")
			})
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("something is in the empty folder: %v, %v", left, err)
			}
			// It is mounted again: the same files in another folder object.
			entries, err := os.ReadDir(folder + ".away")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != markerFile {
					err = errors.Join(err, os.Rename(filepath.Join(folder+".away", e.Name()), filepath.Join(folder, e.Name())))
				}
			}
			h.set(nil)
			if err = errors.Join(err, os.Rename(filepath.Join(folder+".away", markerFile), filepath.Join(folder, markerFile))); err != nil {
				t.Fatal(err)
			}
			eventually(t, "A-1.xml is sent", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 })
			end()
			delivered(t, cfg, dir)
		})
	}
}

// The folder is replaced at the moment of a claim, and all of the claim runs in the one that
// was opened, where nothing is left: nobody has looked at the marker since. What is missing
// there is no file that its owner took back. The claim is neither undone nor made twice.
func TestClaimInAFolderThatWasJustReplaced(t *testing.T) {
	volumesVanish(t)
	for what, away := range map[string]func(op, name string) bool{
		"before the file is opened": func(op, name string) bool { return op == "read" && name == "outbox/A-1.xml" },
		"before it is moved":        phases["claiming"],
		"once it is moved":          phases["sealing"],
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, dir := setUp(t, nil)
			quick(cfg)
			cfg.Partners[0].Outbox.Poll = time.Second
			folder := partnerDir(dir, "loopback")
			var once sync.Once
			replaced := make(chan struct{})
			h := &host{}
			h.set(func(_, op, file string) error {
				if away(op, file) && !strings.Contains(file, "as2drop-probe") {
					once.Do(func() {
						defer close(replaced)
						if err := replace(folder); err != nil {
							t.Error(err)
						}
					})
				}
				return nil
			})
			a, end := h.on(t, cfg)
			drop(t, dir, "loopback", "A-1.xml")
			<-replaced
			eventually(t, "A-1.xml is sent", func() bool { return sentBy(dir, "loopback", "A-1.*") == 1 })
			if told := events(t, a.ledger, "loopback", "claim-undone"); len(told) > 0 {
				t.Error(told)
			}
			end()
			delivered(t, cfg, dir)
		})
	}
}

// replace puts another folder in the place of one, with all that was in it.
func replace(folder string) error {
	if err := errors.Join(os.Rename(folder, folder+".away"), os.Mkdir(folder, 0o700)); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder + ".away")
	for _, e := range entries {
		err = errors.Join(err, os.Rename(filepath.Join(folder+".away", e.Name()), filepath.Join(folder, e.Name())))
	}
	return err
}
