package largeledger

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// What a ledger is filled with is what the ledger reads, and nothing that it looks things up
// by is missing.
func TestFill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	empty, err := ledger.Open(file, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := Fill(file, Options{Transfers: 100, Partners: []string{"acme", "globex"}, Open: 3, First: first, Every: time.Minute}); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(file, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nothing was written
	ctx := context.Background()
	if faults, err := l.CheckThoroughly(ctx); err != nil || len(faults) > 0 {
		t.Errorf("%q, %v", faults, err)
	}
	err = l.View(ctx, func(tx *ledger.Tx) error {
		row, err := tx.Transfer(ID(7))
		if err != nil || row.Partner != "globex" || row.Document != Document(7) || row.MessageID != MessageID(7) || row.Verdict != ledger.VerdictGaveUp || !row.Created.Equal(first.Add(7*time.Minute)) {
			t.Errorf("%+v, %v", row, err)
		}
		attempts, err := tx.Attempts(ID(7))
		if err != nil || len(attempts) != 1 {
			t.Errorf("%+v, %v", attempts, err)
		}
		load, err := tx.Load("globex")
		if err != nil || load.Open != 2 || load.Held != 2 || load.LastReceived.IsZero() {
			t.Errorf("%+v, %v", load, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
