package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed schema/*.sql
var schema embed.FS

var (
	// ErrLost means that somebody else changed the row since it was read.
	ErrLost = errors.New("changed by somebody else meanwhile")
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not in the ledger")
	// ErrExists means that a row that must be unique is there already.
	ErrExists = errors.New("in the ledger already")
)

// Options say how to open a ledger.
type Options struct {
	VFS string // name of an SQLite VFS, for tests on a simulated disk; the file name is then its own
}

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	write, read *sql.DB

	mu      sync.Mutex
	queue   []*job
	leading bool

	updates, commits atomic.Int64
}

// busyTimeout is how long one process waits for another one's commit.
const busyTimeout = 10 * time.Second

// Open opens the ledger in a file, makes it if it is not there, and brings its schema
// up to date. It refuses network file systems and schemas newer than this program.
func Open(file string, o Options) (*Ledger, error) {
	if o.VFS == "" {
		if err := refuseNetwork(filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("ledger: %s: %w", file, err)
		}
	}
	l := &Ledger{}
	var err error
	if l.write, err = open(file, o, "_txlock=immediate"); err != nil {
		return nil, err
	}
	// The schema, and that what is read is durable.
	if err := l.migrate(); err != nil {
		l.write.Close() // the error that matters is the first one
		return nil, fmt.Errorf("ledger: %s: %w", file, err)
	}
	if l.read, err = open(file, o, "_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, l.write.Close())
	}
	// Savepoints and group commit want one writer; readers never wait for it.
	l.write.SetMaxOpenConns(1)
	l.read.SetMaxOpenConns(4)
	return l, nil
}

func open(file string, o Options, extra string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() +
		"?_pragma=busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&" + extra
	if o.VFS != "" {
		dsn += "&vfs=" + url.QueryEscape(o.VFS)
	}
	return sql.Open("sqlite", dsn)
}

// migrate applies the numbered schemas that the database has not seen. A schema's
// number is the one in its file name.
func (l *Ledger) migrate() error {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	newest, err := schemaNumber(files[len(files)-1])
	if err != nil {
		return err
	}
	tx, err := l.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	var version int
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > newest {
		return fmt.Errorf("its schema is version %d, this program knows %d; use the newer as2drop that wrote it", version, newest)
	}
	for _, file := range files {
		n, err := schemaNumber(file)
		if err != nil {
			return err
		}
		if n <= version {
			continue
		}
		text, err := schema.ReadFile(file)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(string(text)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if version < newest {
		if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", newest)); err != nil {
			return err
		}
	}
	// A process that was killed may have left a commit in the log that was written and
	// not synced. We can read it, and a power cut could still take it back after we have
	// acted on it. Any commit of ours syncs the log as a whole, so make one first.
	_, err = tx.Exec(`INSERT INTO meta (key, value) VALUES ('opened', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1`)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// schemaNumber reads "schema/0001.sql".
func schemaNumber(file string) (int, error) {
	return strconv.Atoi(strings.TrimSuffix(path.Base(file), ".sql"))
}

// Close closes the ledger. Updates that are under way must have returned.
func (l *Ledger) Close() error { return errors.Join(l.read.Close(), l.write.Close()) }

// Check asks SQLite whether the database is sound and returns what it complains of.
func (l *Ledger) Check(ctx context.Context) ([]string, error) {
	rows, err := l.read.QueryContext(ctx, "PRAGMA quick_check")
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
	var faults []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		if s != "ok" {
			faults = append(faults, s)
		}
	}
	return faults, rows.Err()
}

// Stats counts since Open: calls of Update that succeeded, and the commits they took.
func (l *Ledger) Stats() (updates, commits int64) { return l.updates.Load(), l.commits.Load() }

// Tx is one transaction. It must not be used after the function it was given to.
type Tx struct {
	tx  *sql.Tx
	ctx context.Context
}

// View calls f with a snapshot of the ledger.
func (l *Ledger) View(ctx context.Context, f func(*Tx) error) error {
	tx, err := l.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer tx.Rollback() // nothing was written
	return f(&Tx{tx, ctx})
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's base 32

// firstID is what identifiers of a moment begin with: all earlier ones are less.
func firstID(now time.Time) string {
	id := make([]byte, 0, 18)
	ms := uint64(now.UnixMilli())
	for shift := 45; shift >= 0; shift -= 5 {
		id = append(id, alphabet[ms>>shift&31])
	}
	return string(id)
}

// NewID makes an identifier of 18 letters and digits that sorts by time and is safe
// in file names of every system. 40 of its bits come from rand.
func NewID(now time.Time, rand io.Reader) (string, error) {
	var r [5]byte
	if _, err := io.ReadFull(rand, r[:]); err != nil {
		return "", fmt.Errorf("random bytes for an identifier: %w", err)
	}
	id := []byte(firstID(now))
	bits := uint64(r[0])<<32 | uint64(r[1])<<24 | uint64(r[2])<<16 | uint64(r[3])<<8 | uint64(r[4])
	for shift := 35; shift >= 0; shift -= 5 {
		id = append(id, alphabet[bits>>shift&31])
	}
	return string(id), nil
}
