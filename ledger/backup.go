package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// Contents counts what a ledger holds.
type Contents struct {
	Schema       int    `json:"schema"`
	Agent        string `json:"agent"`
	Generation   int64  `json:"generation"`
	Transfers    int64  `json:"transfers"`
	Open         int64  `json:"open_transfers"` // of them, under way
	Attempts     int64  `json:"attempts"`
	Received     int64  `json:"received"`
	Refusals     int64  `json:"refusals"`
	Stored       int64  `json:"stored"`
	OwedReceipts int64  `json:"owed_receipts"`
	Events       int64  `json:"events"`
}

// BackupSize is how many bytes a copy of the ledger takes at most.
func (l *Ledger) BackupSize(ctx context.Context) (int64, error) {
	var pages, size int64
	err := l.read.QueryRowContext(ctx, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size").Scan(&pages, &size)
	return pages * size, l.examine(err)
}

// Backup writes a copy of the ledger as it is at one moment to a file that must not be
// there, while others go on reading and writing. The copy is marked as one: whoever puts
// it in the ledger's place finds every partner held until check --repair has read back
// what the folders know beyond it. It is checked thoroughly; the caller syncs the file.
//
// The log of the ledger grows while the copy is made, by what is committed meanwhile.
func (l *Ledger) Backup(ctx context.Context, file string) (Contents, error) {
	source := open(l.file, Options{}, "BEGIN", "")
	defer source.Close() // it only read
	if _, err := source.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return Contents{}, blameCopy(l.file, file, err)
	}
	db := openCopy(file)
	defer db.Close() // what was written is committed and looked at below
	if _, err := db.ExecContext(ctx, copied); err != nil {
		return Contents{}, blame(file, err)
	}
	faults, err := checkPages(ctx, db, "integrity_check")
	if err == nil && len(faults) > 0 {
		err = &Fault{File: file, Kind: FaultDamaged, Fact: "the copy is not sound: " + strings.Join(faults, "; ")}
	}
	if err != nil {
		return Contents{}, blame(file, err)
	}
	c, err := contents(ctx, db)
	return c, blame(file, err)
}

// blameCopy tells whether source or copy is to blame.
func blameCopy(source, target string, err error) error {
	f := FaultOf(blame(source, err))
	if f == nil {
		return fmt.Errorf("ledger: %s: copying it to %s: %w", source, target, err)
	}
	if f.Kind == FaultFull || f.Kind == FaultReadOnly || f.Kind == FaultUnreadable {
		f.File = target
	}
	return f
}

// openCopy opens a database that nobody else uses, and writes it without a log and
// without syncing: that is the caller's, at the end.
func openCopy(file string) *sql.DB {
	return openPlain(file, "_pragma=journal_mode(DELETE)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)")
}

func openPlain(file, parameters string) *sql.DB {
	db := sql.OpenDB(connector{"file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() + "?" + parameters, "BEGIN", false})
	db.SetMaxOpenConns(1)
	return db
}

// Contents counts the rows of the ledger.
func (l *Ledger) Contents(ctx context.Context) (Contents, error) {
	c, err := contents(ctx, l.read)
	return c, l.examine(err)
}

func contents(ctx context.Context, db *sql.DB) (c Contents, err error) {
	ask := func(to any, query string) {
		if err == nil {
			err = db.QueryRowContext(ctx, query).Scan(to)
		}
		if errors.Is(err, sql.ErrNoRows) {
			err = nil // it was never started
		}
	}
	ask(&c.Schema, "PRAGMA user_version")
	ask(&c.Agent, "SELECT value FROM meta WHERE key='"+metaAgent+"'")
	ask(&c.Generation, "SELECT CAST(value AS INTEGER) FROM meta WHERE key='"+metaGeneration+"'")
	ask(&c.Transfers, "SELECT count(*) FROM transfers")
	ask(&c.Open, "SELECT count(*) FROM transfers WHERE open=1")
	ask(&c.Attempts, "SELECT count(*) FROM attempts")
	ask(&c.Received, "SELECT count(*) FROM received")
	ask(&c.Refusals, "SELECT count(*) FROM refusals")
	ask(&c.Stored, "SELECT count(*) FROM stored WHERE open=1")
	ask(&c.OwedReceipts, "SELECT count(*) FROM owed_mdns WHERE open=1")
	ask(&c.Events, "SELECT count(*) FROM events")
	return c, err
}
