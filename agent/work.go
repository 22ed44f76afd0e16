package agent

// Work is what an agent has done since it started: for those who ask whether it does more
// than it should.
type Work struct {
	Looks   int64 `json:"looks"`   // at outboxes
	Listed  int64 `json:"listed"`  // entries that those looks found
	Updates int64 `json:"updates"` // of the ledger
	Commits int64 `json:"commits"` // that the updates took, each with a sync
	Rows    int64 `json:"rows"`    // read from the ledger
}

// work adds up what was done for the partners that there are now.
func (a *running) work() (w Work) {
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
