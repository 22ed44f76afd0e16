package agent

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// The ledger is lost and the agent must end: that is told before it does. The next agent may
// not even start.
func TestLostLedgerIsTold(t *testing.T) {
	a, c := notStarted(t, nil), newChat(t)
	withChat(a, c)
	a.health.latest.Store(&status.Status{At: time.Now()})
	for _, file := range []string{LedgerPath(a.dataDir), LedgerPath(a.dataDir) + "-wal"} {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err == nil {
			_, err = f.WriteAt(bytes.Repeat([]byte("damage! "), max(0, int(info.Size()-4096)/8)), 4096)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error { _, err := tx.Transfer("t1"); return err })
	if ledger.FaultOf(err) == nil {
		t.Fatalf("a damaged ledger is read: %v", err)
	}
	a.watchLedger(a.ctx)
	if a.ctx.Err() == nil {
		t.Error("the agent goes on")
	}
	select {
	case d := <-c.told:
		if !strings.Contains(d.Text, "the ledger takes nothing: it is damaged") {
			t.Errorf("%+v", d)
		}
	default:
		t.Error("the agent ended before anybody was told")
	}
}
