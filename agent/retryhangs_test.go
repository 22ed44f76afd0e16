package agent

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// An operator wants a given-up document posted again while the partner's share hangs: that
// keeps nobody else's wish, and is done when the share answers.
func TestRetryWhileTheShareHangs(t *testing.T) {
	cfg, dir := setUp(t, map[string]string{"stuck": "http://127.0.0.1:1/"})
	stuck := cfg.Partners[1]
	stuck.Retry.Attempts = 1
	h := &host{}
	a, _ := h.on(t, cfg)
	drop(t, dir, "stuck", "S-1.xml")
	eventually(t, "S-1.xml is given up", func() bool {
		found, _ := filepath.Glob(filepath.Join(partnerDir(dir, "stuck"), "failed", "S-1.*", "WHY.txt"))
		return len(found) == 1 && a.idle()
	})
	var given ledger.Transfer
	read := func() {
		t.Helper()
		err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
			all, err := tx.RecentTransfers("stuck", time.Time{}, 10)
			if err == nil && len(all) != 1 {
				t.Fatalf("%d transfers", len(all))
			}
			given = all[0]
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read()
	answers := make(chan struct{})
	answer := sync.OnceFunc(func() { close(answers) })
	var asked sync.Once
	reached := make(chan struct{})
	message := ".evidence/" + given.ID + "/message"
	h.set(func(partner, _, name string) error {
		if partner == "stuck" {
			if name == message {
				asked.Do(func() { close(reached) })
			}
			<-answers
		}
		return nil
	})
	t.Cleanup(answer)

	wish := func(w ledger.Wish) {
		t.Helper()
		w.By, w.Reason, w.At = "me", "test", time.Now()
		if err := a.ledger.Update(t.Context(), func(tx *ledger.Tx) error { return tx.AddWish(w) }); err != nil {
			t.Fatal(err)
		}
	}
	granted := func(id string) bool {
		var w ledger.Wish
		err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { w, err = tx.Wish(id); return err })
		return err == nil && !w.Done.IsZero()
	}
	wish(ledger.Wish{ID: "w1", Kind: ledger.WishRetry, Transfer: given.ID})
	<-reached
	wish(ledger.Wish{ID: "w2", Kind: ledger.WishHold, Partner: "loopback"})
	eventually(t, "the other wish is granted", func() bool { return granted("w2") })
	if read(); granted("w1") || given.Posts != 1 || given.State != ledger.StateFiled {
		t.Errorf("while the share hangs: %s, %d posts", given.State, given.Posts)
	}
	answer()
	eventually(t, "it is posted again and given up again", func() bool {
		read()
		return granted("w1") && given.Posts == 2 && given.State == ledger.StateFiled
	})
	if _, err := os.Stat(filepath.Join(partnerDir(dir, "stuck"), given.FilePath, "S-1.xml")); err != nil {
		t.Error(err)
	}
}
