package agent

import (
	"path/filepath"

	"github.com/as2drop/as2drop/internal/fsx"
)

// keepWatch has file events of the outbox nudge the worker, and returns the folder that is
// watched; former is the one that was. A folder on a network is polled alone: its events
// do not tell what other machines do, and would be a promise that nobody keeps.
func (w *worker) keepWatch(former string) (watched string) {
	b := w.box()
	if w.a.options.NoWatch || b.fault != nil {
		return former
	}
	folder := filepath.Join(b.partner.Folder, "outbox")
	kind, err := fsx.Network(b.partner.Folder)
	if err == nil && kind != "" {
		if w.polled != folder {
			w.polled = folder
			w.log.Info("the folder is polled, for no events come from there", "folder", folder, "on", kind, "every", b.partner.Outbox.Poll)
		}
		folder = ""
	}
	if former != folder {
		w.a.watch.remove(former)
	}
	if folder != "" {
		w.a.watch.add(folder, w.nudge)
	}
	return folder
}
