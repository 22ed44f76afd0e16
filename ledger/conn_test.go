package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// connect opens a connection and tells what it keeps.
func connect(t *testing.T) (*sql.Conn, *conn) {
	t.Helper()
	db := openPlain(filepath.Join(t.TempDir(), "some.db"), "_pragma=foreign_keys(1)")
	t.Cleanup(func() { db.Close() }) // it is not looked at again
	c, err := db.Conn(bg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // likewise
	var inner *conn
	if err := c.Raw(func(d any) error { inner = d.(*conn); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ExecContext(bg, "CREATE TABLE t (n INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)"); err != nil {
		t.Fatal(err)
	}
	return c, inner
}

// A statement whose rows are being read is not carried out over them.
func TestOneStatementTwiceAtATime(t *testing.T) {
	c, inner := connect(t)
	const query = "SELECT n FROM t WHERE n > ? ORDER BY n"
	for range 2 {
		got := ""
		outer, err := c.QueryContext(bg, query, 0)
		if err != nil {
			t.Fatal(err)
		}
		for outer.Next() {
			var n int
			if err := outer.Scan(&n); err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprint(n, ":")
			rows, err := c.QueryContext(bg, query, n)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				if err := rows.Scan(&n); err != nil {
					t.Fatal(err)
				}
				got += fmt.Sprint(n, " ")
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(outer.Err(), outer.Close()); err != nil || got != "1:2 3 2:3 3:" {
			t.Errorf("read %q, %v", got, err)
		}
	}
	if p := inner.kept[query]; p == nil || p.reading {
		t.Errorf("kept %v", p)
	}
}

// What failed, and what was not read to its end, can be carried out again.
func TestStatementsAreKept(t *testing.T) {
	c, inner := connect(t)
	const insert, query = "INSERT INTO t VALUES (?)", "SELECT n FROM t ORDER BY n"
	for n, fails := range map[int]bool{1: true, 2: true, 7: false, 8: false} {
		if _, err := c.ExecContext(bg, insert, n); (err != nil) != fails {
			t.Errorf("%d: %v", n, err)
		}
		var first int
		if err := c.QueryRowContext(bg, query).Scan(&first); err != nil || first != 1 {
			t.Errorf("%d, %v", first, err)
		}
	}
	before := inner.kept[insert]
	if _, err := c.ExecContext(bg, insert, 9); err != nil || before == nil || inner.kept[insert] != before {
		t.Errorf("%v; prepared anew: %v", err, inner.kept[insert])
	}
	// The table is another one now: SQLite finds out and prepares it anew by itself.
	if _, err := c.ExecContext(bg, "ALTER TABLE t ADD COLUMN m INTEGER NOT NULL DEFAULT 5"); err != nil {
		t.Fatal(err)
	}
	var sum int
	if err := c.QueryRowContext(bg, "SELECT sum(m) FROM t").Scan(&sum); err != nil || sum != 30 {
		t.Errorf("%d, %v", sum, err)
	}
	for i := range maxKept + 50 {
		if err := c.QueryRowContext(bg, fmt.Sprint("SELECT ", i)).Scan(&sum); err != nil || sum != i {
			t.Fatalf("%d, %v", sum, err)
		}
	}
	if len(inner.kept) != maxKept {
		t.Errorf("%d statements are kept", len(inner.kept))
	}
}

// Whoever is called off before his transaction begins leaves none behind.
func TestNoTransactionIsLeftBehind(t *testing.T) {
	c, inner := connect(t)
	off, cancel := context.WithCancel(bg)
	cancel()
	if tx, err := inner.BeginTx(off, driver.TxOptions{ReadOnly: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", tx, err)
	}
	tx, err := c.BeginTx(bg, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A commit that cannot be made.
	for _, text := range []string{"CREATE TABLE child (n INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO child VALUES (77)"} {
		if _, err := tx.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err == nil {
		t.Error("committed a row without its parent")
	}
	if tx, err = c.BeginTx(bg, nil); err != nil {
		t.Fatalf("the next one: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
}
