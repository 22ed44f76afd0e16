package agent

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/namelist"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
	"github.com/as2drop/as2drop/outbox"
)

// waitingFiles knows which files of an outbox wait, since when, and of which it was told.
// They may be very many: of each about 20 bytes are kept.
type waitingFiles struct {
	first time.Time      // the moment that since counts from
	files *namelist.List // since when each waits, or wasTold; by name and reason
}

const wasTold = math.MinInt64

// news are the files worth an alarm that were not told of: time alone does not help them,
// or they have waited for too long.
func (w *waitingFiles) news(waiting []naming.Waiting, now time.Time, tooLong time.Duration) (news []naming.Waiting) {
	if w.first.IsZero() {
		w.first, w.files = now, &namelist.List{}
	}
	var still namelist.Sorter
	for _, f := range waiting {
		if f.Reason == naming.WaitIgnored || f.Reason == outbox.WaitPickup {
			continue
		}
		file := f.Name + "\x00" + string(f.Reason) // no name has such a byte
		at := now.Sub(w.first)
		since := at
		if known, ok := w.files.Find(file); ok {
			since = time.Duration(known[0])
		}
		if since != wasTold && (f.Alarm || at-since >= tooLong) {
			news, since = append(news, f), wasTold
		}
		still.Add(file, namelist.Numbers{int64(since)})
	}
	w.files = namelist.Collect(still.Sorted())
	return news
}

// waitingEach is how many files have an event each; of more there is one for all that wait
// for the same reason.
const waitingEach = 10

// waitingEvents are the events about files that wait.
func waitingEvents(news []naming.Waiting) (events []ledger.Event) {
	const hint = "as2drop ls shows all that waits"
	if len(news) <= waitingEach {
		for _, f := range news {
			events = append(events, ledger.Event{Code: "file-waits", Text: f.Name + " waits: " + f.Text, Hint: hint})
		}
		return events
	}
	groups := map[naming.Reason][]naming.Waiting{}
	var reasons []naming.Reason
	for _, f := range news {
		if groups[f.Reason] == nil {
			reasons = append(reasons, f.Reason)
		}
		groups[f.Reason] = append(groups[f.Reason], f)
	}
	for _, reason := range reasons {
		all := groups[reason]
		if len(all) == 1 {
			events = append(events, ledger.Event{Code: "file-waits", Text: all[0].Name + " waits: " + all[0].Text, Hint: hint})
			continue
		}
		var names []string
		for _, f := range all[:min(3, len(all))] {
			names = append(names, f.Name)
		}
		text := fmt.Sprintf("%d files wait (%s): %s", len(all), reason, strings.Join(names, ", "))
		if more := len(all) - len(names); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		events = append(events, ledger.Event{Code: "file-waits", Text: text + "; the first one: " + all[0].Text, Hint: hint})
	}
	return events
}

// alarmWaiting raises alarms about files that wait, in one commit.
func (w *worker) alarmWaiting(ctx context.Context, waiting []naming.Waiting) {
	events := waitingEvents(w.waiting.news(waiting, w.a.now(), w.box().partner.Outbox.WaitingAlarm))
	if len(events) == 0 {
		return
	}
	for _, e := range events {
		w.log.Warn("waits in the outbox", "text", e.Text)
	}
	err := w.a.ledger.Update(context.WithoutCancel(ctx), func(tx *ledger.Tx) error {
		for _, e := range events {
			e.At, e.Level, e.Partner = w.a.now().UTC(), ledger.Alarm, w.partner
			if err := tx.AddEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !ofLedger(err) {
		w.log.Error("ledger", "error", err)
	}
}
