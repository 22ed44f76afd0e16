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
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/fsx"
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
	// Observe is told of each commit, by who made it and before the next one begins: it must
	// be quick. nil = nobody counts.
	Observe func(Commit)
}

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	write, read *sql.DB

	mu      sync.Mutex
	queue   []*job
	leading bool

	updates, commits, rows atomic.Int64
	observe                func(Commit)

	file     string
	trouble  atomic.Pointer[Fault]
	lost     chan struct{}
	lostOnce sync.Once
}

// busyTimeout is how long one process waits for another one's commit.
const busyTimeout = 10 * time.Second

// Open opens the ledger in a file, makes it if it is not there, and brings its schema
// up to date. An error that is a *Fault says what is wrong with the file and what to do.
func Open(file string, o Options) (*Ledger, error) {
	bare := false
	if o.VFS == "" {
		// SQLite cannot rely on the locks of network file systems.
		if kind, err := fsx.Network(filepath.Dir(file)); err != nil {
			return nil, &Fault{File: file, Kind: FaultUnreadable, Fact: "its folder cannot be looked at", Cause: err}
		} else if kind != "" {
			return nil, &Fault{File: file, Kind: FaultNetwork, Fact: "the ledger must be on a local disk, this is a " + kind}
		}
		var err error
		if bare, err = look(file); err != nil {
			return nil, err
		}
		private(file)
	}
	// A commit leaves out the time of the log's last change, which nothing needs, and nothing
	// else. Where SQLite has no choice it goes on as it is.
	_, _ = sqlite.Fdatasync(true)
	l := &Ledger{file: file, observe: o.Observe, lost: make(chan struct{})}
	l.write = open(file, o, "BEGIN IMMEDIATE", "")
	// The schema, and that what is read is durable.
	if err := l.migrate(bare); err != nil {
		l.write.Close() // the error that matters is the first one
		if err = blame(file, err); FaultOf(err) == nil {
			err = fmt.Errorf("ledger: %s: %w", file, err)
		}
		return nil, err
	}
	// What a savepoint could have to undo is a few pages of one Update; SQLite writes them to a
	// temporary file otherwise. Not before the schema: an index of many rows is sorted there.
	if _, err := l.write.Exec("PRAGMA temp_store = MEMORY"); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: %s: %w", file, err), l.write.Close())
	}
	l.read = open(file, o, "BEGIN", "&_pragma=query_only(1)")
	// Savepoints and group commit want one writer; readers never wait for it.
	l.write.SetMaxOpenConns(1)
	l.read.SetMaxOpenConns(4)
	return l, nil
}

// private makes a ledger that is not there yet for its owner alone; SQLite gives the log
// beside it the same permissions and owner. An empty file is a ledger that has yet to begin.
func private(file string) {
	if runtime.GOOS == "windows" {
		return // it inherits who may read it from its folder
	}
	f, err := access.Create(file)
	if err != nil {
		return // it is there, or SQLite says why it cannot be made
	}
	_ = f.Close() // nothing was written
}

func open(file string, o Options, begin, extra string) *sql.DB {
	dsn := "file:" + (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath() +
		"?_pragma=busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")" +
		"&_pragma=journal_mode(WAL)&_pragma=journal_size_limit(" + strconv.Itoa(maxLog) + ")" +
		"&_pragma=wal_autocheckpoint(" + strconv.Itoa(writeBack) + ")" +
		"&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" + extra
	if o.VFS != "" {
		dsn += "&vfs=" + url.QueryEscape(o.VFS)
	}
	return sql.OpenDB(connector{dsn, begin, o.VFS == ""})
}

// writeBack is the length of the log from which it is written back, in pages of 4 KiB. Most
// transactions change the same few pages, which are then written back once for many of
// them; a process that starts after a crash reads the log in some 50 ms.
const writeBack = 4000

// maxLog is what is kept of the log after it was written back, in bytes.
const maxLog = 64 << 20

// migrate applies the numbered schemas that the database has not seen. A schema's
// number is the one in its file name. Of a bare ledger it notes that the folders may know
// more.
func (l *Ledger) migrate(bare bool) error {
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
		return &Fault{File: l.file, Kind: FaultNewer, Fact: fmt.Sprintf("its schema is version %d, this program knows %d", version, newest)}
	}
	if version == 0 {
		if err := refuseForeign(tx, l.file); err != nil {
			return err
		}
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
	if version < wordsSince {
		if _, err := tx.Exec(fillWords); err != nil {
			return fmt.Errorf("words of names: %w", err)
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
	if _, err = tx.Exec(opened); err == nil && bare {
		_, err = tx.Exec(copied)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

const (
	// opened is a change that means nothing, for commits whose sync is what counts.
	opened = `INSERT INTO meta (key, value) VALUES ('opened', '1') ON CONFLICT (key) DO UPDATE SET value = value + 1`
	// copied makes a ledger one that every folder may know more than.
	copied = `UPDATE folders SET body = json_set(body, '$.generation', -1)`
)

// refuseForeign keeps a schema out of the database of another program.
func refuseForeign(tx *sql.Tx, file string) error {
	var tables int
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil || tables == 0 {
		return err
	}
	return &Fault{File: file, Kind: FaultNoLedger, Fact: "it is the database of another program"}
}

// schemaNumber reads "schema/0001.sql".
func schemaNumber(file string) (int, error) {
	return strconv.Atoi(strings.TrimSuffix(path.Base(file), ".sql"))
}

// Close closes the ledger. Updates that are under way must have returned.
func (l *Ledger) Close() error { return errors.Join(l.read.Close(), l.write.Close()) }

// Check asks SQLite whether the database is sound and returns what it complains of.
func (l *Ledger) Check(ctx context.Context) ([]string, error) {
	return checkPages(ctx, l.read, "quick_check")
}

// CheckThoroughly also compares tables with their indexes. It reads everything.
func (l *Ledger) CheckThoroughly(ctx context.Context) ([]string, error) {
	return checkPages(ctx, l.read, "integrity_check")
}

// checkPages returns what SQLite complains of. That it cannot go on is a complaint too.
func checkPages(ctx context.Context, db *sql.DB, pragma string) (faults []string, err error) {
	defer func() {
		if f := FaultOf(blame("", err)); f != nil && f.Kind == FaultDamaged {
			faults, err = append(faults, f.Cause.Error()), nil
		}
	}()
	rows, err := db.QueryContext(ctx, "PRAGMA "+pragma)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
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

// RowsRead counts the rows that were asked for since Open: the work of those who read.
func (l *Ledger) RowsRead() int64 { return l.rows.Load() }

// Tx is one transaction. It must not be used after the function it was given to.
type Tx struct {
	tx    *sql.Conn
	ctx   context.Context
	rows  *atomic.Int64 // counted up for each row read
	deeds *[]Deed       // what counts once it is committed; nil = nobody counts
}

// View calls f with a snapshot of the ledger.
func (l *Ledger) View(ctx context.Context, f func(*Tx) error) error {
	return l.examine(transact(ctx, l.read, "BEGIN", func(c *sql.Conn) (bool, error) {
		return false, f(&Tx{c, ctx, &l.rows, nil})
	}))
}

// transact runs f between the beginning and the end of a transaction, and commits if f says
// so. What is an error of f is returned as it is. sql.Tx does the same with a goroutine for
// each transaction and each query in it, to end them when somebody goes away: waking those
// costs more than most queries do.
func transact(ctx context.Context, db *sql.DB, begin string, f func(*sql.Conn) (commit bool, err error)) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer c.Close() // it goes back to the others
	// Nobody is to be told that there is a transaction and that he went away.
	ctx = context.WithoutCancel(ctx)
	if _, err := c.ExecContext(ctx, begin); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	ended := false
	defer func() {
		if !ended {
			_, _ = c.ExecContext(ctx, rollingBack) // SQLite may have done so by itself; what is not committed is undone in any case
		}
	}()
	commit, err := f(c)
	if err != nil || !commit {
		return err
	}
	if _, err := c.ExecContext(ctx, committing); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	ended = true
	return nil
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
