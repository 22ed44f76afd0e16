// Package largeledger makes ledgers of years: a million transfers, the attempts and events
// that they left behind, and as many received messages. It is for benchmarks; what such a
// ledger names is in no folder.
//
// The rows are as the ledger itself writes them, with everything that it looks things up by.
// They are put there by SQL, because a million commits take half an hour.
package largeledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
)

// Options say what a ledger is filled with.
type Options struct {
	Transfers int // and as many received messages
	Partners  []string
	Open      int       // the last so many transfers are held and not filed
	First     time.Time // when the first was made; they follow each other
	Every     time.Duration
}

// ID is the identifier of the i-th transfer, and of the i-th received message.
func ID(i int) string { return fmt.Sprintf("01m%07d%08d", i, i) }

// Document is the document of the i-th transfer.
func Document(i int) string { return fmt.Sprintf("INV-%d.xml", i) }

// MessageID is that of the i-th transfer, and of the i-th received message.
func MessageID(i int) string { return fmt.Sprintf("<%d@us>", i) }

// rows are the transfers: every fiftieth failed. The words are those that the ledger makes
// of "INV-1.xml".
const rows = `
CREATE TEMP TABLE made AS WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :n)
SELECT printf('01m%07d%08d', i, i) AS id, i, (SELECT name FROM partner WHERE number = i % :partners) AS partner, 'INV-' || i AS key, '<' || i || '@us>' AS message_id,
  i >= :n - :open AS open, :first + i * :every AS at, strftime('%Y-%m-%dT%H:%M:%SZ', (:first + i * :every) / 1000000000, 'unixepoch') AS moment FROM n;
INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, fold, filed, body)
SELECT id, partner, key, CASE WHEN open THEN 'sealed' ELSE 'filed' END, open, open, at, at, 6, message_id, 'inv-' || i, CASE WHEN open THEN 0 ELSE at END,
  json_object('id', id, 'partner', partner, 'key', key, 'document', key || '.xml', 'state', CASE WHEN open THEN 'sealed' ELSE 'filed' END, 'version', 6, 'created', moment, 'due', moment, 'message_id', message_id,
    'verdict', CASE WHEN open THEN '' WHEN i % 50 = 7 THEN 'gave up' ELSE 'accepted' END, 'filed', CASE WHEN open THEN '0001-01-01T00:00:00Z' ELSE moment END, 'file_path', 'sent/' || id, 'reason', printf('%600d', i),
    'members', json_array(json_object('name', key || '.xml', 'role', 'document', 'size', 1000)))
FROM made;
INSERT INTO attempts (transfer, n, outcome, process, body)
SELECT id, 1, 'answered', 'p', json_object('transfer', id, 'n', 1, 'outcome', 'answered', 'process', 'p', 'started', moment, 'ended', moment, 'status', 200) FROM made;
INSERT INTO events (partner, subject, body)
SELECT partner, id, json_object('at', moment, 'level', 'info', 'partner', partner, 'subject', id, 'code', 'sent', 'text', key || '.xml: accepted') FROM made WHERE i % 10 = 0;
INSERT INTO received (id, partner, as2_from, as2_to, message_id, state, open, at, version, body)
SELECT id, partner, partner, 'us', message_id, 'published', 0, at, 3, json_object('id', id, 'partner', partner, 'message_id', message_id, 'key', key, 'at', moment, 'files', json_array(json_object('final', key || '.xml', 'size', 1000))) FROM made;
INSERT INTO words (what, word, id, partner) SELECT w.what, w.word, w.id, w.partner FROM (
  SELECT 0 AS what, 'inv-' || i || '.xml' AS word, id, partner FROM made UNION ALL SELECT 0, i || '.xml', id, partner FROM made UNION ALL
  SELECT 1, 'inv-' || i || '.xml', id, partner FROM made UNION ALL SELECT 1, i || '.xml', id, partner FROM made) AS w ORDER BY 1, 2, 3;
DROP TABLE made;
DROP TABLE partner;
`

// Fill fills a ledger of the newest schema that nobody has open. What is in it already stays.
// Nothing is synced.
func Fill(file string, o Options) (err error) {
	// The log would be as large as the ledger.
	db, err := sql.Open("sqlite", file+"?_pragma=synchronous(OFF)&_pragma=cache_size(-400000)&_pragma=temp_store(MEMORY)&_pragma=journal_mode(OFF)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1) // what is temporary belongs to a connection
	defer func() { err = errors.Join(err, db.Close()) }()
	again, err := withoutIndexes(db)
	if err != nil {
		return err
	}
	if _, err := db.Exec("CREATE TEMP TABLE partner (number INTEGER PRIMARY KEY, name TEXT)"); err != nil {
		return err
	}
	for i, name := range o.Partners {
		if _, err := db.Exec("INSERT INTO partner VALUES (?, ?)", i, name); err != nil {
			return err
		}
	}
	_, err = db.Exec(rows, sql.Named("n", o.Transfers), sql.Named("partners", len(o.Partners)), sql.Named("open", o.Open), sql.Named("first", o.First.UnixNano()), sql.Named("every", int64(o.Every)))
	for _, index := range again {
		if err == nil {
			_, err = db.Exec(index)
		}
	}
	return errors.Join(err, withLog(db))
}

// withLog gives the ledger its log back: without one it would look like a copy.
func withLog(db *sql.DB) error {
	if _, err := db.Exec("PRAGMA journal_mode = WAL; UPDATE meta SET value = value"); err != nil {
		return err
	}
	c, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	err = c.Raw(func(driver any) error {
		_, err := driver.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	})
	return errors.Join(err, c.Close())
}

// withoutIndexes drops the indexes and returns how they are made again: that is several
// times as fast as keeping them.
func withoutIndexes(db *sql.DB) (again []string, err error) {
	found, err := db.Query("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer found.Close() // Err tells
	var names []string
	for found.Next() {
		var name, text string
		if err := found.Scan(&name, &text); err != nil {
			return nil, err
		}
		names, again = append(names, name), append(again, text)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := db.Exec("DROP INDEX " + name); err != nil {
			return nil, err
		}
	}
	return again, nil
}
