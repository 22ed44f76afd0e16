package views

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/largeledger"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// large is a reader on a ledger with a million transfers; AS2DROP_ROWS says another number.
func large(b *testing.B) *Reader {
	b.Helper()
	rows := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("AS2DROP_ROWS")); err == nil {
		rows = n
	}
	file := filepath.Join(b.TempDir(), "ledger.db")
	open := func() *ledger.Ledger {
		l, err := ledger.Open(file, ledger.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	if err := open().Close(); err != nil {
		b.Fatal(err)
	}
	cfg := &config.Config{Location: time.UTC}
	o := largeledger.Options{Transfers: rows, Open: min(100, rows), First: time.Unix(1700000000, 0), Every: time.Minute}
	for i := range 50 {
		name := fmt.Sprintf("p%d", i)
		cfg.Partners = append(cfg.Partners, &config.Partner{Name: name, Location: time.UTC})
		o.Partners = append(o.Partners, name)
	}
	if err := largeledger.Fill(file, o); err != nil {
		b.Fatal(err)
	}
	l := open()
	b.Cleanup(func() { l.Close() })
	return &Reader{Ledger: l, Config: func() *config.Config { return cfg }, Status: func() *status.Status { return nil }}
}

// What each page costs with a million transfers and as many messages.
func BenchmarkMillion(b *testing.B) {
	r := large(b)
	now := time.Unix(1700000000, 0).Add(1_000_000 * time.Minute)
	ctx := context.Background()
	search := func(s Search) func() error {
		return func() error { _, err := r.Transfers(ctx, s, now); return err }
	}
	for _, page := range []struct {
		name string
		get  func() error
	}{
		{"overview", func() error { _, err := r.Overview(ctx, now); return err }},
		{"partner", func() error { _, err := r.PartnerOverview(ctx, "p7", now); return err }},
		{"newest", search(Search{})},
		{"of-partner", search(Search{Partner: "p7"})},
		{"failed", search(Search{Stand: ledger.StandFailed})},
		{"failed-of-partner", search(Search{Stand: ledger.StandFailed, Partner: "p7"})},
		{"failed-of-one-without", search(Search{Stand: ledger.StandFailed, Partner: "p8"})},
		{"word-of-one", search(Search{Text: "INV-12345.xml"})},
		{"word-of-many", search(Search{Text: "inv"})},
		{"word-of-many-failed", search(Search{Text: "inv", Stand: ledger.StandFailed})},
		{"word-of-some-rare", search(Search{Text: "123", Partner: "p8", Stand: ledger.StandFailed})},
		{"word-of-nobody", search(Search{Text: "order"})},
		{"message-id", search(Search{MessageID: largeledger.MessageID(4711)})},
		{"deep", search(Search{After: largeledger.ID(500)})},
		{"one", func() error { _, err := r.Transfer(ctx, largeledger.ID(4711), now); return err }},
		{"received", func() error { _, err := r.Incoming(ctx, IncomingSearch{Partner: "p3"}, now); return err }},
	} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				if err := page.get(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
