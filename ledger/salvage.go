package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Salvaged is what became of one table.
type Salvaged struct {
	Table string
	Rows  int64
	Fault string // why rows may be missing; empty = all were read
}

// Salvage makes a new ledger in the file fresh, which must not be there, of what can
// still be read of a damaged one, which is only read. Tables are read from both ends, and
// the rows in between one by one where an index still names them. The new ledger counts
// as a copy: every folder may know more than it does. The caller syncs it.
//
// An error is about the new ledger. That nothing could be read is none.
func Salvage(ctx context.Context, damaged, fresh string) (report []Salvaged, err error) {
	if _, err := os.Lstat(fresh); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, fmt.Errorf("ledger: %s: the name is taken", fresh))
	}
	made, err := Open(fresh, Options{})
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	s := &salvage{ctx: ctx, from: openPlain(damaged, "_pragma=query_only(1)&_pragma=busy_timeout(10000)"), to: openCopy(fresh)}
	defer s.from.Close() // it only read
	defer func() { err = errors.Join(err, s.to.Close()) }()
	tables, err := s.tables()
	if err != nil {
		return nil, blame(fresh, err)
	}
	for _, t := range tables {
		r, err := s.table(t)
		if err != nil {
			return nil, blame(fresh, err)
		}
		report = append(report, r)
	}
	if _, err = s.to.ExecContext(ctx, fillWords); err != nil {
		return nil, blame(fresh, err)
	}
	_, err = s.to.ExecContext(ctx, copied)
	return report, blame(fresh, err)
}

type salvage struct {
	ctx      context.Context
	from, to *sql.DB
}

// table of a ledger: its columns, and those of its key.
type table struct {
	name         string
	columns, key []string
	body         int // index of the JSON among the columns; -1 = none
}

// tables are those of the new ledger: all that there can be, but for what follows from the
// others.
func (s *salvage) tables() (list []table, err error) {
	names, err := texts(s.ctx, s.to, `SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('slots', 'words') ORDER BY name='attempts'`)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t := table{name: name, body: -1}
		t.columns, err = texts(s.ctx, s.to, `SELECT name FROM pragma_table_info(?)`, name)
		if err == nil {
			t.key, err = texts(s.ctx, s.to, `SELECT name FROM pragma_table_info(?) WHERE pk>0 ORDER BY pk`, name)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func texts(ctx context.Context, db *sql.DB, query string, args ...any) (list []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// table reads one table. err is about the new ledger.
func (s *salvage) table(t table) (r Salvaged, err error) {
	r.Table = t.name
	t, fault := s.common(t)
	if len(t.columns) == 0 {
		r.Fault = "nothing of it can be read"
		if fault != nil {
			r.Fault += ": " + fault.Error()
		}
		return r, nil
	}
	all := "SELECT " + strings.Join(t.columns, ", ") + " FROM " + t.name + " ORDER BY "
	fault, err = s.copy(t, all+strings.Join(t.key, ", "))
	if fault != nil && err == nil {
		_, err = s.copy(t, all+strings.Join(t.key, " DESC, ")+" DESC")
		if err == nil {
			err = s.holes(t)
		}
		r.Fault = fault.Error()
	}
	if err == nil {
		err = s.to.QueryRowContext(s.ctx, "SELECT count(*) FROM "+t.name).Scan(&r.Rows)
	}
	return r, err
}

// common leaves the columns that the damaged ledger has too: it may be an older one.
func (s *salvage) common(t table) (table, error) {
	there, err := texts(s.ctx, s.from, `SELECT name FROM pragma_table_info(?)`, t.name)
	if err != nil {
		return table{}, err
	}
	var columns []string
	for _, c := range t.columns {
		for _, d := range there {
			if c == d {
				columns = append(columns, c)
			}
		}
	}
	t.columns = columns
	for i, c := range columns {
		if c == "body" {
			t.body = i
		}
	}
	return t, nil
}

// salvageBatch is how many rows share a commit.
const salvageBatch = 1000

// copy copies rows until the damaged ledger gives no more. fault is why it did not come
// to the end, err is about the new ledger.
func (s *salvage) copy(t table, query string, args ...any) (fault, err error) {
	rows, fault := s.from.QueryContext(s.ctx, query, args...)
	if fault != nil {
		return fault, nil
	}
	defer rows.Close() // what it could not read is the fault
	for more := true; more; {
		tx, err := s.to.BeginTx(s.ctx, nil)
		if err != nil {
			return nil, err
		}
		for n := 0; n < salvageBatch; n++ {
			if more = rows.Next(); !more {
				break
			}
			values := make([]any, len(t.columns))
			for i := range values {
				values[i] = new(any)
			}
			if ferr := rows.Scan(values...); ferr != nil {
				fault, more = ferr, false
				break
			}
			if err := s.insert(tx, t, values); err != nil {
				return nil, errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
	}
	return errors.Join(fault, rows.Err()), nil
}

// insert puts a row into the new ledger unless it is there, contradicts one that is
// there, or is no row of ours any more.
func (s *salvage) insert(tx *sql.Tx, t table, values []any) error {
	for i, v := range values {
		values[i] = *v.(*any)
		if values[i] == nil {
			return nil // there are no NULLs in a ledger
		}
	}
	if t.body >= 0 {
		text, ok := values[t.body].(string)
		if !ok || !json.Valid([]byte(text)) {
			return nil
		}
	}
	_, err := tx.ExecContext(s.ctx, "INSERT OR IGNORE INTO "+t.name+" ("+strings.Join(t.columns, ", ")+") VALUES (?"+strings.Repeat(", ?", len(values)-1)+")", values...)
	return err
}

// holes asks for rows by the keys that indexes name. An index can be sound where the
// table is not.
func (s *salvage) holes(t table) error {
	indexes, err := texts(s.ctx, s.to, `SELECT name FROM pragma_index_list(?) WHERE origin='c' AND partial=0`, t.name)
	if err != nil {
		return err
	}
	key := strings.Join(t.key, ", ")
	keys := table{name: "temp.salvage", columns: t.key, body: -1}
	for _, index := range indexes {
		columns, err := texts(s.ctx, s.to, `SELECT coalesce(name, '') FROM pragma_index_info(?)`, index)
		if err != nil {
			return err
		}
		if slices.Contains(columns, "") {
			continue // it is made of an expression
		}
		columns = append(columns, t.key...)
		for _, order := range []string{"", " DESC"} {
			_, err := s.to.ExecContext(s.ctx, "CREATE TEMP TABLE salvage ("+key+", PRIMARY KEY ("+key+"))")
			if err != nil {
				return err
			}
			// Where it ends early the other direction goes on.
			if _, err := s.copy(keys, "SELECT "+key+" FROM "+t.name+" INDEXED BY "+index+" ORDER BY "+strings.Join(columns, order+", ")+order); err != nil {
				return err
			}
			if err := s.named(t, key); err != nil {
				return err
			}
		}
	}
	if t.name == "attempts" { // no index names them all, but each belongs to a transfer or message
		return s.ofOwners(t)
	}
	return nil
}

// ofOwners reads the attempts of each transfer, and of each receipt, that was saved.
func (s *salvage) ofOwners(t table) error {
	owners, err := texts(s.ctx, s.to, `SELECT id FROM transfers UNION SELECT received FROM owed_mdns EXCEPT SELECT transfer FROM attempts`)
	if err != nil {
		return err
	}
	for _, id := range owners {
		if _, err := s.copy(t, "SELECT "+strings.Join(t.columns, ", ")+" FROM "+t.name+" WHERE transfer=? ORDER BY n", id); err != nil {
			return err
		}
	}
	return nil
}

// named reads the rows whose keys an index has named.
func (s *salvage) named(t table, key string) error {
	where := strings.Join(t.key, "=? AND ") + "=?"
	_, err := s.to.ExecContext(s.ctx, "DELETE FROM temp.salvage WHERE ("+key+") IN (SELECT "+key+" FROM "+t.name+")")
	if err != nil {
		return err
	}
	for {
		missing, err := s.keys(key, len(t.key))
		if err != nil || len(missing) == 0 {
			_, derr := s.to.ExecContext(s.ctx, "DROP TABLE temp.salvage")
			return errors.Join(err, derr)
		}
		for _, k := range missing {
			if _, err := s.copy(t, "SELECT "+strings.Join(t.columns, ", ")+" FROM "+t.name+" WHERE "+where, k...); err != nil {
				return err
			}
			if _, err := s.to.ExecContext(s.ctx, "DELETE FROM temp.salvage WHERE "+where, k...); err != nil {
				return err
			}
		}
	}
}

// keys reads some of the keys that are left.
func (s *salvage) keys(key string, n int) (list [][]any, err error) {
	rows, err := s.to.QueryContext(s.ctx, "SELECT "+key+" FROM temp.salvage LIMIT ?", salvageBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // rows.Err tells
	for rows.Next() {
		values := make([]any, n)
		to := make([]any, n)
		for i := range to {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		list = append(list, values)
	}
	return list, rows.Err()
}
