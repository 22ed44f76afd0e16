package agent

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// keepWatch has file events of the outbox nudge the worker where there are any, and says
// once where there are not. A folder on a network is polled alone: its events do not tell
// what other machines do, and would be a promise that nobody keeps.
func (w *worker) keepWatch() {
	b := w.box()
	if b.fault != nil {
		return
	}
	folder := filepath.Join(b.partner.Folder, "outbox")
	why := b.polled(w.a.options.NoWatch)
	if w.watched != "" && (why != "" || w.watched != folder) {
		w.a.watch.remove(w.watched)
		w.watched = ""
	}
	w.unwatched = false
	if why == "" {
		if err := w.a.watch.add(folder, w.event); err != nil {
			why = "it cannot be watched: " + err.Error()
			w.unwatched = errors.Is(err, fs.ErrNotExist)
		}
		w.watched = folder
	}
	w.mu.Lock()
	told := w.polled
	w.polled = why
	w.mu.Unlock()
	switch {
	case why == told:
	case why == "":
		w.log.Info("file events of the outbox have come back")
	default:
		w.log.Info("the folder is polled", "folder", folder, "every", pollOf(b.partner), "network", b.network, "reason", why)
	}
}

// polled says why file events of a partner's outbox are not used; empty = they are.
func (b *box) polled(noWatch bool) string {
	switch {
	case noWatch:
		return "--no-watch"
	case b.partner.Outbox.Watch == "poll":
		return "outbox.watch: poll"
	case b.partner.Outbox.Watch != "events" && b.network != "":
		return "it is on a " + b.network + ", and file events do not tell what others write there"
	}
	return ""
}
