package ledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// connector opens connections that leave the log beside the database when the last one
// closes: where it is missing, somebody has taken it away or made a copy without it.
type connector struct {
	dsn     string
	begin   string // how a transaction that may write begins
	persist bool
}

func (c connector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	opened, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	if c.persist {
		if _, err := opened.(sqlite.FileControl).FileControlPersistWAL("main", 1); err != nil {
			return nil, errors.Join(err, opened.Close())
		}
	}
	return &conn{driverConn: opened.(driverConn), begin: c.begin, kept: map[string]*prepared{}}, nil
}

// driverConn is what a connection of the driver can do.
type driverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// conn is a connection that keeps the statements it has prepared, for SQLite needs longer
// to prepare most of ours than to carry them out. They are few: all are texts of this
// package. One call at a time, as package sql promises.
//
// SQLite ends a transaction by itself where a page cannot be read or written, and then each
// statement that follows would be committed alone. None is carried out any more, until
// whoever began the transaction has ended it.
type conn struct {
	driverConn
	begin string
	kept  map[string]*prepared // by text
	begun bool                 // a transaction
	lost  error                // why SQLite may have ended it; nil = it has not
}

// let reports whether a statement may be carried out.
func (c *conn) let(query string) error {
	if c.lost != nil && query != rollingBack {
		return c.lost
	}
	return nil
}

// met takes note of what came of a statement.
func (c *conn) met(query string, err error) error {
	switch {
	case query == rollingBack, err == nil && query == committing:
		c.begun, c.lost = false, nil
	case err == nil && strings.HasPrefix(query, "BEGIN"):
		c.begun = true
	case err != nil && err != io.EOF && c.begun && mayEndTransaction(err):
		c.lost = err
	}
	return err
}

// How transactions end.
const (
	committing  = "COMMIT"
	rollingBack = "ROLLBACK"
)

// mayEndTransaction reports whether an error is one with which SQLite rolls back what was begun.
func mayEndTransaction(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}

// prepared is a statement that can be carried out.
type prepared struct {
	driver.Stmt
	reading bool // its rows are being read: it cannot be carried out a second time
}

// maxKept is how many statements a connection keeps, about 10 kB each. A query that is put
// together has a handful of texts.
const maxKept = 256

// statement finds a statement or prepares it; nil = it cannot be kept.
func (c *conn) statement(ctx context.Context, query string) (*prepared, error) {
	if k := c.kept[query]; k != nil {
		if k.reading {
			return nil, nil
		}
		return k, nil
	}
	if len(c.kept) == maxKept {
		return nil, nil
	}
	s, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	k := &prepared{Stmt: s}
	c.kept[query] = k
	return k, nil
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.let(query); err != nil {
		return nil, err
	}
	r, err := c.exec(ctx, query, args)
	return r, c.met(query, err)
}

func (c *conn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	k, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return c.driverConn.ExecContext(ctx, query, args)
	}
	return k.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.let(query); err != nil {
		return nil, err
	}
	r, err := c.query(ctx, query, args)
	if c.met(query, err) != nil {
		return nil, err
	}
	return r, nil
}

func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	k, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if k == nil {
		rows, err := c.driverConn.QueryContext(ctx, query, args)
		return keptRows{rows, c, &prepared{}}, err
	}
	rows, err := k.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	k.reading = true
	return keptRows{rows, c, k}, nil
}

// keptRows gives its statement back when it has been read.
type keptRows struct {
	driver.Rows
	c *conn
	k *prepared
}

func (r keptRows) Next(row []driver.Value) error { return r.c.met("", r.Rows.Next(row)) }

func (r keptRows) Close() error {
	r.k.reading = false
	return r.Rows.Close()
}

// BeginTx begins a transaction. SQLite has one kind of them.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	begin := c.begin
	if o.ReadOnly {
		begin = "BEGIN"
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Nobody would end a transaction that began and was called off.
	if _, err := c.ExecContext(context.WithoutCancel(ctx), begin, nil); err != nil {
		return nil, err
	}
	return transaction{c}, nil
}

// transaction is the one that a connection has begun.
type transaction struct{ c *conn }

// Commit leaves no transaction behind, committed or not.
func (t transaction) Commit() error {
	_, err := t.c.ExecContext(context.Background(), committing, nil)
	if err != nil {
		_ = t.Rollback() // SQLite may have done so already; what counts is why it did not commit
	}
	return err
}

func (t transaction) Rollback() error {
	_, err := t.c.ExecContext(context.Background(), rollingBack, nil)
	return err
}

// Close closes the connection with its statements.
func (c *conn) Close() error {
	var errs []error
	for _, k := range c.kept {
		errs = append(errs, k.Stmt.Close())
	}
	clear(c.kept)
	return errors.Join(append(errs, c.driverConn.Close())...)
}
