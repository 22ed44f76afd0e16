package crashtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/as2drop/as2drop/internal/simdisk"
)

// Seen are the states that were looked at. The program is deterministic: from one state it
// always goes on in the same way, however the state came about.
//
// Most of what a crash can leave is no state of its own. Of the pages that one commit
// writes to the log, losing any one undoes the same commit, and a power cut before a sync
// leaves what one after it does.
type Seen struct {
	states map[[sha256.Size]byte]bool
	pages  map[string][sha256.Size]byte // of ledgers, by the digests of their files
}

// NewSeen is for one program and one World; nothing was looked at yet.
func NewSeen() Seen {
	return Seen{map[[sha256.Size]byte]bool{}, map[string][sha256.Size]byte{}}
}

// Before reports whether worlds like these were passed to it before, together. Nothing is
// changed.
//
// What counts is every file as it is, what the World remembers, and of the ledger each page
// that SQLite reads, wherever it lies, in the database or in the log. A ledger that SQLite
// cannot read is no state that was seen.
func (s Seen) Before(worlds ...World) bool {
	h := sha256.New()
	for _, w := range worlds {
		pages, err := s.pagesOf(w.Disk())
		if err != nil {
			return false
		}
		fmt.Fprintf(h, "%x %x %q\n", pages, w.Disk().Sum("ledger.db", "ledger.db-wal"), w.Memory())
	}
	state := [sha256.Size]byte(h.Sum(nil))
	before := s.states[state]
	s.states[state] = true
	return before
}

// pagesOf is the digest of what SQLite reads of the ledger on a disk.
func (s Seen) pagesOf(d *simdisk.Disk) ([sha256.Size]byte, error) {
	tree := d.Tree()
	files := tree["ledger.db"].SHA256 + " " + tree["ledger.db-wal"].SHA256
	if sum, ok := s.pages[files]; ok {
		return sum, nil
	}
	sum, err := readPages(d.Clone())
	if err == nil {
		s.pages[files] = sum
	}
	return sum, err
}

func readPages(d *simdisk.Disk) (sum [sha256.Size]byte, err error) {
	vfs, prefix := d.SQLite()
	defer d.Release()
	db, err := sql.Open("sqlite", "file:"+prefix+"/ledger.db?vfs="+vfs)
	if err != nil {
		return sum, err
	}
	defer db.Close() // only read from, and so is the connection
	c, err := db.Conn(context.Background())
	if err != nil {
		return sum, err
	}
	defer c.Close()
	err = c.Raw(func(driver any) error {
		s, ok := driver.(interface{ Serialize() ([]byte, error) })
		if !ok {
			return errors.New("the driver does not give the pages of a database")
		}
		pages, err := s.Serialize()
		sum = sha256.Sum256(pages)
		return err
	})
	return sum, err
}
