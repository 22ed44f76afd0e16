package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// What an earlier process left of one partner cannot be finished: his recovery is tried
// again and again, and the others do not wait for it.
func TestOnePartnersRecoveryKeepsNobodyElse(t *testing.T) {
	cfg, dir := setUp(t, map[string]string{"stuck": "http://127.0.0.1:1/"})
	l := emptyLedger(t, cfg.DataDir)
	left := ledger.Transfer{ID: "left", Partner: "stuck", Key: "LEFT", Document: "LEFT.xml", State: ledger.StateSending, Created: time.Now(), Due: time.Now(), MessageID: "<left@us>"}
	if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.InsertTransfer(&left) }); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	drop(t, dir, "loopback", "GOOD.xml")
	eventually(t, "GOOD.xml is sent", func() bool {
		sent, _ := filepath.Glob(filepath.Join(dir, "data", "partners", "loopback", "sent", "*", "GOOD.*", "receipt.mdn"))
		return len(sent) == 1
	})
	told := func(code, text string) bool {
		found := false
		err := l.View(t.Context(), func(tx *ledger.Tx) error {
			events, err := tx.RecentEvents("stuck", 100)
			for _, e := range events {
				found = found || e.Code == code && strings.Contains(e.Text, text)
			}
			return err
		})
		return err == nil && found
	}
	if !told("folder", "no attempt is open") {
		t.Error("nobody is told why stuck is out of order")
	}

	// Once it can be finished the partner works without a restart.
	left.State, left.Hold = ledger.StateClaimed, "put right by hand"
	if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.SaveTransfer(&left) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stuck is in order", func() bool { return told("folder-back", "") })
}

// emptyLedger opens the ledger of a data folder beside the agent.
func emptyLedger(t *testing.T, dataDir string) *ledger.Ledger {
	t.Helper()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(LedgerPath(dataDir), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
