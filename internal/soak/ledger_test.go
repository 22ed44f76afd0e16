//go:build linux

package soak

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // for the figures of the summary; no verdict rests on them
)

// unsettled reads the output of ls --json and names what is still on its way.
func unsettled(out string) (string, error) {
	var rows []struct{ Partner, What, Name, State, Text string }
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		return "", fmt.Errorf("as2drop ls --json: %w: %s", err, out)
	}
	var open []string
	for _, r := range rows {
		if r.What == "file" && !slices.Contains([]string{"waits: quiet", "waits: in-flight", "waits: busy"}, r.State) {
			continue // it waits for something that does not come: the judge looks at it
		}
		if r.What == "pause" {
			continue // what it keeps has a row of its own; where nothing is to be sent nobody finds out that it could be
		}
		open = append(open, fmt.Sprintf("%s %s %q: %s %s", r.Partner, r.What, r.Name, r.State, r.Text))
	}
	return strings.Join(open, "\n"), nil
}

// figures are what the ledgers counted.
type figures struct{ posts, unknown, repeats, receiptPosts, lateReceipts int }

// add reads one ledger. Nobody else has it open.
func (f *figures) add(path string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close() // nothing was written
	for query, sum := range map[string]*int{
		`SELECT count(*) FROM attempts WHERE transfer IN (SELECT id FROM transfers)`:                         &f.posts,
		`SELECT count(*) FROM attempts WHERE transfer IN (SELECT id FROM transfers) AND outcome = 'unknown'`: &f.unknown,
		`SELECT count(*) FROM attempts WHERE transfer NOT IN (SELECT id FROM transfers)`:                     &f.receiptPosts,
		`SELECT count(*) FROM events WHERE json_extract(body, '$.code') = 'repeat'`:                          &f.repeats,
		`SELECT count(*) FROM events WHERE json_extract(body, '$.code') = 'late-receipt'`:                    &f.lateReceipts,
	} {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil {
			return fmt.Errorf("%s: %s: %w", path, query, err)
		}
		*sum += n
	}
	return nil
}
