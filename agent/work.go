package agent

import "github.com/as2drop/as2drop/internal/status"

// work adds up what was done for the partners that there are now.
func (a *running) work() (w status.Work) {
	w.Updates, w.Commits = a.ledger.Stats()
	w.Rows = a.ledger.RowsRead()
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, t := range a.tenants {
		w.Looks += t.worker.scans.Load()
		w.Listed += t.worker.listed.Load()
	}
	return w
}
