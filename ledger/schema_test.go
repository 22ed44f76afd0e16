package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Error(err)
	}
}

// A ledger of every earlier schema opens, keeps its rows and is brought up to date.
func TestOlderLedgersOpen(t *testing.T) {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, newest := range files {
		path := filepath.Join(t.TempDir(), "ledger.db")
		db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		version, err := schemaNumber(newest)
		if err != nil {
			t.Fatal(err)
		}
		if version != i+1 { // a ledger that was brought past a gap would never get what fills it
			t.Fatalf("%s is the schema after %d", newest, i)
		}
		for _, file := range files[:i+1] {
			text, err := schema.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(string(text)); err != nil {
				t.Fatal(file, err)
			}
		}
		body := `{"id":"t1","partner":"acme","state":"sending","version":1,"message_id":"<m1@us>"}`
		_, err = db.Exec(`INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, body) VALUES ('t1','acme','k','sending',1,0,0,0,1,'<m1@us>',?)`, body)
		_, err2 := db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		if err := errors.Join(err, err2, db.Close()); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("schema %d: %v", version, err)
		}
		update(t, l, func(tx *Tx) error {
			for _, id := range []string{"m1@us", "<m1@us>", " <m1@us> "} {
				if got, err := tx.TransferByMessageID(id); err != nil || got.ID != "t1" {
					t.Errorf("schema %d: %q: %v %v", version, id, got.ID, err)
				}
			}
			got, err := tx.Transfer("t1")
			got.State = StateWaiting
			return errors.Join(err, tx.SaveTransfer(&got))
		})
		var now int
		last, err := schemaNumber(files[len(files)-1])
		if err2 := l.write.QueryRow("PRAGMA user_version").Scan(&now); err != nil || err2 != nil || now != last {
			t.Errorf("schema %d is now %d, want %d: %v %v", version, now, last, err, err2)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// scansGiven is the plan of what reads a list that came with the query, or counts what a
// query inside of it found.
var scansGiven = regexp.MustCompile(`^SCAN (k VIRTUAL TABLE|\(subquery|CONSTANT ROW)`)

// Every query of the package uses an index: a ledger with a million transfers answers
// as fast as an empty one.
func TestNoQueryScans(t *testing.T) {
	l := open1(t)
	query := regexp.MustCompile("`((?:SELECT|UPDATE|DELETE)[^`]*)`")
	found := 0
	for _, file := range []string{"outgoing.go", "incoming.go", "world.go", "retention.go", "line.go", "backlog.go", "last.go", "hooks.go", "search.go", "slots.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range query.FindAllSubmatch(source, -1) {
			found++
			args := make([]any, strings.Count(string(m[1]), "?"))
			for i := range args {
				args[i] = sql.NullString{}
			}
			rows, err := l.read.Query("EXPLAIN QUERY PLAN "+string(m[1]), args...)
			if err != nil {
				t.Fatalf("%s: %v", m[1], err)
			}
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(detail, "SCAN") && !scansGiven.MatchString(detail) || strings.Contains(detail, "TEMP B-TREE") && !strings.Contains(string(m[1]), "UNION") {
					t.Errorf("%s\n  %s", m[1], detail)
				}
			}
			rows.Close()
		}
	}
	if found < 20 {
		t.Errorf("only %d queries found", found)
	}
}
