package ledger

import (
	"strings"

	"github.com/as2drop/as2drop/naming"
)

// What the words of names belong to.
const (
	wordsOfTransfer = 0
	wordsOfReceived = 1
)

// Limits of what a transfer or message is found by. A batch of a thousand attachments is
// found by its document and the first of them.
const (
	maxWords   = 40 // of all its names
	maxWordLen = 64 // runes
)

// wordBreaks end a word of a file name.
const wordBreaks = "_-. "

// words are what a file name is found by: the name from the beginning of each word on, as
// names are compared. The extension alone is none: everybody has it.
func words(name string) (list []string) {
	folded := naming.Fold(name, true)
	extension := strings.LastIndex(folded, ".") + 1
	begins := true
	for i, r := range folded {
		switch {
		case strings.ContainsRune(wordBreaks, r):
			begins = true
		case begins:
			begins = false
			if len(list) == 0 || i != extension {
				list = append(list, wordOf(folded[i:]))
			}
		}
	}
	return list
}

// wordOf is the beginning of a folded name as it stands in the table.
func wordOf(folded string) string {
	n := 0
	for i := range folded {
		if n++; n > maxWordLen {
			return folded[:i]
		}
	}
	return folded
}

// addWords records what something is found by.
func (tx *Tx) addWords(what int, id, partner string, names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		for _, w := range words(name) {
			if len(seen) == maxWords {
				return nil
			}
			if seen[w] {
				continue
			}
			seen[w] = true
			if err := tx.exec("words", `INSERT INTO words (what, word, id, partner) VALUES (?,?,?,?)`, what, w, id, partner); err != nil {
				return err
			}
		}
	}
	return nil
}

// names of a transfer's files, the document first.
func (t *Transfer) names() (names []string) {
	names = append(names, t.Document)
	for _, m := range t.Members {
		if m.Role != RoleMarker {
			names = append(names, m.Name)
		}
	}
	return names
}

// names of a message's files, in the inbox and as the partner called them.
func (r *Received) names() (names []string) {
	for _, f := range r.Files {
		names = append(names, f.Final, f.Entry)
	}
	return names
}

// wordsSince is the schema that brought the table of words.
const wordsSince = 10

// fillWords fills the table of words for rows that were written without it. Letters beyond
// ASCII are found there as they were written.
const fillWords = `WITH RECURSIVE
	named (what, id, partner, name) AS (
		SELECT 0, id, partner, json_extract(body, '$.document') FROM transfers
		UNION ALL SELECT 0, t.id, t.partner, json_extract(m.value, '$.name') FROM transfers AS t, json_each(t.body, '$.members') AS m WHERE json_extract(m.value, '$.role') <> 'marker'
		UNION ALL SELECT 1, r.id, r.partner, json_extract(f.value, '$.final') FROM received AS r, json_each(r.body, '$.files') AS f
		UNION ALL SELECT 1, r.id, r.partner, json_extract(f.value, '$.entry') FROM received AS r, json_each(r.body, '$.files') AS f),
	cut (what, id, partner, word, rest) AS (
		SELECT what, id, partner, lower(name), replace(replace(replace(lower(name), '_', '-'), '.', '-'), ' ', '-') FROM named WHERE name <> ''
		UNION ALL SELECT what, id, partner, substr(word, instr(rest, '-') + 1), substr(rest, instr(rest, '-') + 1) FROM cut WHERE instr(rest, '-') > 0)
	INSERT OR IGNORE INTO words (what, word, id, partner) SELECT what, substr(word, 1, 64), id, partner FROM cut WHERE word <> ''`
