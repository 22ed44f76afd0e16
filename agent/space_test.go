package agent

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/ledger"
)

// faults of a volume, and what is told of each.
var volumeFaults = map[string]struct {
	err  error
	free bool // the reserve is used up, and no call fails
	want string
}{
	"reserve used up": {free: true, want: "not enough space on the volume"},
	"disk full":       {err: syscall.ENOSPC, want: "make room on the volume of"},
	"read-only":       {err: syscall.EROFS, want: "read-only"},
	"rights lost":     {err: syscall.EACCES, want: "see owner and rights"},
}

// Nothing can be written while files are there to be sent: nothing is counted and nothing
// is posted, one alarm is raised for all, and it goes on by itself.
func TestVolumeThatTakesNothing(t *testing.T) {
	for name, f := range volumeFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, dir := setUp(t, nil)
			h := &host{}
			a, end := h.on(t, cfg)
			eventually(t, "the outbox", func() bool {
				_, err := os.Stat(filepath.Join(partnerDir(dir, "loopback"), "outbox"))
				return err == nil
			})
			if f.free {
				h.setSpace(func(string) (uint64, bool) { return 1 << 20, true })
			} else {
				h.set(func(_, op, name string) error {
					if op == "write" && strings.HasPrefix(name, ".work/") {
						return f.err
					}
					return nil
				})
			}
			for _, document := range []string{"A-1.xml", "A-2.xml", "A-3.xml", "A-4.xml"} {
				drop(t, dir, "loopback", document)
			}
			eventually(t, "the log tells of it", func() bool { return strings.Contains(h.log(), f.want) })
			if got := events(t, a.ledger, "loopback", "fault"); len(got) > 1 {
				t.Errorf("one cause, and %d alarms: %q", len(got), got)
			}
			err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
				ts, err := tx.OpenTransfers("loopback")
				for _, tr := range ts {
					if tr.Attempts > 0 || tr.Posts > 0 {
						t.Errorf("%s: %d attempts counted, %d posts", tr.Document, tr.Attempts, tr.Posts)
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := sentBy(dir, "loopback", "A-*"); n > 0 {
				t.Errorf("%d are sent", n)
			}
			h.set(nil)
			h.setSpace(nil)
			eventually(t, "all are sent", func() bool { return sentBy(dir, "loopback", "A-*") == 4 })
			end()
		})
	}
}

// A dropped file may not be read: it waits with its reason, and the others go on.
func TestFileThatMayNotBeRead(t *testing.T) {
	cfg, dir := setUp(t, nil)
	h := &host{}
	a, _ := h.on(t, cfg)
	h.set(func(_, op, name string) error {
		if op == "read" && name == "outbox/BAD.xml" {
			return syscall.EACCES
		}
		return nil
	})
	drop(t, dir, "loopback", "BAD.xml")
	drop(t, dir, "loopback", "GOOD.xml")
	eventually(t, "GOOD.xml is sent", func() bool { return sentBy(dir, "loopback", "GOOD.*") == 1 })
	eventually(t, "the reason is told", func() bool {
		return strings.Contains(strings.Join(events(t, a.ledger, "loopback", "file-waits"), "\n"), "BAD.xml waits: it cannot be opened for reading")
	})
	h.set(nil)
	a.tenant("loopback").worker.nudge()
	eventually(t, "BAD.xml is sent", func() bool { return sentBy(dir, "loopback", "BAD.*") == 1 })
}

// Transfers whose files cannot be read any more keep no other one from being sent,
// however many there are, and go on when they can be.
func TestTransfersThatFailStarveNobody(t *testing.T) {
	cfg, dir := setUp(t, nil)
	h := &host{}
	h.set(func(_, op, name string) error {
		if op == "read" && strings.HasPrefix(name, ".work/") && strings.Contains(name, "/BAD-") {
			return syscall.EIO
		}
		return nil
	})
	h.on(t, cfg)
	sent := func(pattern string, n int) func() bool {
		return func() bool {
			found, _ := filepath.Glob(filepath.Join(partnerDir(dir, "loopback"), "sent", "*", pattern))
			return len(found) == n
		}
	}
	for _, document := range []string{"BAD-1.xml", "BAD-2.xml", "BAD-3.xml", "BAD-4.xml"} {
		drop(t, dir, "loopback", document)
	}
	eventually(t, "one of them cannot be read", func() bool {
		return strings.Contains(h.log(), "BAD-") && strings.Contains(h.log(), syscall.EIO.Error())
	})
	drop(t, dir, "loopback", "GOOD-1.xml")
	drop(t, dir, "loopback", "GOOD-2.xml")
	eventually(t, "the others are sent", sent("GOOD-*", 2))
	h.set(nil)
	eventually(t, "all are sent", sent("BAD-*", 4))
}
