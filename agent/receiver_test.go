package agent

import (
	"testing"

	"github.com/as2drop/as2drop/ledger"
)

// A partner for whom nothing came has nobody who waits for it. The first thing that comes, or
// that an earlier process has left, employs as many as he may have; nobody begins after the end.
func TestReceiversComeWhenTheyAreNeeded(t *testing.T) {
	a := notStarted(t, map[string]string{"globex": "http://127.0.0.1:1/"})
	b := a.setup().find("globex")
	tenant := &tenant{a: a, worker: newWorker(a, b), gone: make(chan struct{})}
	ctx := t.Context()
	tenant.ctx, tenant.stop = ctx, func() {}
	came := 0
	tenant.worker.came = func() { came++ }

	tenant.worker.seeToReceived(ctx)
	if came != 0 {
		t.Fatal("nothing was left, and somebody was employed for it")
	}
	tenant.worker.seeToReceived(ctx)
	err := a.ledger.Update(ctx, func(tx *ledger.Tx) error {
		return tx.InsertStored(&ledger.Stored{ID: "s1", Partner: "globex", From: "G", To: "US", MessageID: "<1@globex>", At: a.now(), Open: true, Due: a.now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	if tenant.worker.seeToReceived(ctx); came != 0 {
		t.Error("the ledger was asked again at once")
	}
	tenant.worker.cameLooked = tenant.worker.cameLooked.Add(-receivePoll)
	if tenant.worker.seeToReceived(ctx); came != 1 {
		t.Errorf("a stored message was left, and %d times somebody was employed for it", came)
	}

	tenant.close()
	if tenant.receive(); len(tenant.receivers) != 0 {
		t.Errorf("%d began after the end", len(tenant.receivers))
	}
	tenant.over = false
	tenant.receive()
	if n := max(receiversPer, b.partner.Send.Parallel); len(tenant.receivers) != n || !tenant.receivers[0].first || tenant.receivers[1].first {
		t.Errorf("%d are there, not %d", len(tenant.receivers), n)
	}
}
