package agent

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// aReceipt is a POST of an unsigned receipt for a message.
func aReceipt(messageID string) *as2.Message {
	return &as2.Message{
		Header: http.Header{"Content-Type": {"multipart/report; report-type=disposition-notification; boundary=x"}, "As2-From": {"DEAD"}},
		Body: strings.NewReader("--x\r\nContent-Type: text/plain\r\n\r\nThank you.\r\n--x\r\nContent-Type: message/disposition-notification\r\n\r\n" +
			"Original-Message-ID: " + messageID + "\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n\r\n--x--\r\n"),
		Remote: "192.0.2.1:5",
	}
}

// A receipt that belongs to nobody is answered clearly; one that we cannot take now is
// asked for again.
func TestReceiptsThatAreNotTaken(t *testing.T) {
	cfg, dir := setUp(t, map[string]string{"dead": "http://127.0.0.1:1/"})
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := openWorld(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close() })
	err = w.ledger.Update(t.Context(), func(tx *ledger.Tx) error {
		insert := func(id, partner string) error {
			return tx.InsertTransfer(&ledger.Transfer{ID: id, Partner: partner, Key: "K", State: ledger.StateWaiting, MessageID: "<" + id + "@us>", Created: w.now(), Due: w.now()})
		}
		return errors.Join(insert("t1", "dead"), insert("t2", "gone"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "data", "partners", "dead", markerFile)); err != nil {
		t.Fatal(err)
	}
	r := &receipts{world: w}
	now := w.now()
	w.now = func() time.Time { return now }
	long := aReceipt("<t1@us>")
	long.Body = io.MultiReader(long.Body, strings.NewReader(strings.Repeat("x", maxReceipt)))
	torn := aReceipt("<t1@us>")
	torn.Body = io.MultiReader(strings.NewReader("--x\r\n"), errReader{})
	for _, c := range []struct {
		what   string
		m      *as2.Message
		status int
		says   string
	}{
		{"unknown", aReceipt("<nobody@us>"), 404, "No message of this Message-ID"},
		{"not one", &as2.Message{Header: http.Header{"Content-Type": {"text/plain"}}, Body: strings.NewReader("hello")}, 400, "This is no receipt"},
		{"too long", long, 413, "longer than 1 MiB"},
		{"torn", torn, 503, "try again"},
		{"the volume is gone", aReceipt("<t1@us>"), 503, "try again"},
		{"the partner is gone", aReceipt("<t2@us>"), 503, "try again"},
		{"unknown, much later", aReceipt("<other@us>"), 404, "No message"},
	} {
		if c.what == "unknown, much later" {
			now = now.Add(nobodysEvery)
		}
		got := r.ReceiveReceipt(t.Context(), c.m)
		if got.Status != c.status || !strings.Contains(string(got.Body), c.says) || (got.RetryAfter > 0) != (c.status == 503) {
			t.Errorf("%s: %d %q, Retry-After %v", c.what, got.Status, got.Body, got.RetryAfter)
		}
	}
	// Anybody can send such receipts: they do not fill the ledger.
	err = w.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		n := 0
		events, err := tx.RecentEvents("", 100)
		for _, e := range events {
			if e.Code == "receipt-unknown" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d receipts of nobody on record, want one a minute: %+v", n, events)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
