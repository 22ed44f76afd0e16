package views

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// fill makes n transfers of 50 partners, every fiftieth failed and the last hundred open, and
// as many received messages, the way that the ledger has them.
const fill = `
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :n)
INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, fold, filed, body)
SELECT printf('01m%07d%08d', i, i), 'p' || (i % 50), 'INV-' || i, CASE WHEN i > :n - 100 THEN 'sealed' ELSE 'filed' END, i > :n - 100, 0, 0, 1700000000000000000 + i * 60000000000, 1, '<' || i || '@us>', 'inv-' || i, CASE WHEN i > :n - 100 THEN 0 ELSE 1700000000000000000 + i * 60000000000 END,
  json_object('id', printf('01m%07d%08d', i, i), 'partner', 'p' || (i % 50), 'key', 'INV-' || i, 'document', 'INV-' || i || '.xml', 'state', CASE WHEN i > :n - 100 THEN 'sealed' ELSE 'filed' END, 'version', 1, 'created', '2026-11-25T12:00:00Z', 'message_id', '<' || i || '@us>',
    'verdict', CASE WHEN i % 50 = 7 THEN 'gave up' ELSE 'accepted' END, 'filed', '2026-11-25T12:00:00Z', 'reason', printf('%600d', i), 'members', json_array(json_object('name', 'INV-' || i || '.xml', 'role', 'document', 'size', 1000)))
FROM n;
INSERT INTO words (what, word, id, partner) SELECT 0, 'inv-' || substr(key, 5) || '.xml', id, partner FROM transfers UNION ALL SELECT 0, substr(key, 5) || '.xml', id, partner FROM transfers;
INSERT INTO received (id, partner, as2_from, as2_to, message_id, state, open, at, version, body)
SELECT id, partner, partner, 'us', message_id, 'published', 0, created, 1, json_object('id', id, 'partner', partner, 'message_id', message_id, 'key', key, 'at', '2026-11-25T12:00:00Z', 'files', json_array(json_object('final', key || '.xml', 'size', 1000))) FROM transfers;
`

// large is a reader on a ledger with a million transfers; AS2DROP_ROWS says another number.
func large(b *testing.B) *Reader {
	b.Helper()
	rows := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("AS2DROP_ROWS")); err == nil {
		rows = n
	}
	file := filepath.Join(b.TempDir(), "ledger.db")
	l, err := ledger.Open(file, ledger.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	db, err := sql.Open("sqlite", file+"?_pragma=synchronous(OFF)")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := db.Exec(fill, sql.Named("n", rows)); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	cfg := &config.Config{Location: time.UTC}
	for i := range 50 {
		cfg.Partners = append(cfg.Partners, &config.Partner{Name: fmt.Sprintf("p%d", i), Location: time.UTC})
	}
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
		{"message-id", search(Search{MessageID: "<4711@us>"})},
		{"deep", search(Search{After: "01m000050000000500"})},
		{"one", func() error { _, err := r.Transfer(ctx, "01m000471100004711", now); return err }},
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
