package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// 100,000 files that pair with nothing are one event for each reason, once; a file that
// comes later is told of by its name. Whether they wait for a day more changes nothing.
func TestStrayFilesAreFewEvents(t *testing.T) {
	const strays, folders = 100_000, 500
	var waiting []naming.Waiting
	for i := range strays {
		waiting = append(waiting, naming.Waiting{Name: fmt.Sprintf("scan_%d.pdf", i), Reason: naming.WaitDocument, Text: "no document has its key"})
	}
	for i := range folders {
		waiting = append(waiting, naming.Waiting{Name: fmt.Sprintf("folder%d", i), Reason: naming.WaitSubfolder, Alarm: true, Text: "folders are left alone"})
	}
	var w waitingFiles
	for _, look := range []struct {
		after time.Duration
		more  []naming.Waiting
		want  []string
	}{
		{0, nil, []string{"500 files wait (subfolder): folder0, folder1, folder2 and 497 more; the first one: folders are left alone"}},
		{time.Minute, nil, nil},
		{time.Hour, nil, []string{"100000 files wait (document): scan_0.pdf, scan_1.pdf, scan_2.pdf and 99997 more; the first one: no document has its key"}},
		{25 * time.Hour, nil, nil},
		{26 * time.Hour, []naming.Waiting{{Name: "late.pdf", Reason: naming.WaitLate, Alarm: true, Text: "late for INV-1"}}, []string{"late.pdf waits: late for INV-1"}},
	} {
		waiting = append(waiting, look.more...)
		var told []string
		for _, e := range waitingEvents(w.news(waiting, noon.Add(look.after), time.Hour)) {
			told = append(told, e.Text)
		}
		if strings.Join(told, "\n") != strings.Join(look.want, "\n") {
			t.Errorf("after %v: %q, want %q", look.after, told, look.want)
		}
	}
	if w.files.Len() != len(waiting) {
		t.Errorf("%d files are remembered, and %d wait", w.files.Len(), len(waiting))
	}
	if w.news(waiting[:1], noon.Add(27*time.Hour), time.Hour); w.files.Len() != 1 {
		t.Errorf("%d files are remembered of which one is left", w.files.Len())
	}
}

// A whole folder of them in an outbox is two events in the ledger, however often the
// worker looks.
func TestStrayFilesInAnOutbox(t *testing.T) {
	a := notStarted(t, nil)
	b := a.setup().boxes[0]
	b.partner.Outbox.WaitingAlarm = 0
	for i := range 200 {
		outbox := filepath.Join(b.partner.Folder, "outbox")
		if err := errors.Join(os.WriteFile(filepath.Join(outbox, fmt.Sprintf("scan_%d.pdf", i)), []byte("%PDF"), 0o600), os.Mkdir(filepath.Join(outbox, fmt.Sprint("folder", i)), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorker(a, b)
	for range 3 {
		report, err := b.outbox.Scan(t.Context(), w.seen)
		if err != nil || len(report.Waiting) != 400 || report.Listed != 400 {
			t.Fatalf("%d of %d wait, %v", len(report.Waiting), report.Listed, err)
		}
		w.alarmWaiting(t.Context(), report.Waiting)
	}
	var events []ledger.Event
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { events, err = tx.RecentEvents(b.partner.Name, 1000); return err })
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v: %+v", len(events), err, events)
	}
	for _, e := range events {
		if !strings.HasPrefix(e.Text, "200 files wait (") || e.Level != ledger.Alarm || e.Hint == "" {
			t.Errorf("%+v", e)
		}
	}
}
