package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// FaultKind is what is wrong with a ledger as a file.
type FaultKind string

const (
	FaultLocked     FaultKind = "locked"      // another program holds it
	FaultFull       FaultKind = "full"        // its volume has no room
	FaultReadOnly   FaultKind = "read-only"   // the file or its folder
	FaultUnreadable FaultKind = "unreadable"  // the system refuses to read, write or open it
	FaultDamaged    FaultKind = "damaged"     // pages of it are not what SQLite wrote
	FaultNoLedger   FaultKind = "no ledger"   // the file is something else
	FaultForeignLog FaultKind = "foreign log" // the -wal beside it belongs to another database
	FaultMoved      FaultKind = "moved"       // somebody moved or replaced it while it was open
	FaultNewer      FaultKind = "newer"       // a newer program wrote it
	FaultNetwork    FaultKind = "network"     // its locks cannot be relied upon there
)

// Fault is why a ledger cannot be used. View and Update return one wherever the file and
// not the caller is to blame.
type Fault struct {
	File  string
	Kind  FaultKind
	Fact  string
	Cause error // what SQLite or the system says; may be nil
}

func (f *Fault) Error() string {
	text := f.File + ": " + f.Fact
	if f.Cause != nil {
		text += ": " + f.Cause.Error()
	}
	if hint := f.Hint(); hint != "" {
		text += " (" + hint + ")"
	}
	return "ledger: " + text
}

func (f *Fault) Unwrap() error { return f.Cause }

// Passes reports whether it may pass without anybody stopping the agent. The others want
// a person.
func (f *Fault) Passes() bool {
	switch f.Kind {
	case FaultLocked, FaultFull, FaultReadOnly, FaultUnreadable:
		return true
	}
	return false
}

// Mendable reports whether a repair can make a new ledger of what can still be read and
// of what the partners' folders tell.
func (f *Fault) Mendable() bool { return f.Kind == FaultDamaged || f.Kind == FaultNoLedger }

// Hint is what an operator can do.
func (f *Fault) Hint() string {
	name := filepath.Base(f.File)
	switch f.Kind {
	case FaultLocked:
		return "a backup program, a virus scanner or a database tool has it open: keep these away from " + filepath.Dir(f.File) + " and copy the ledger with as2drop backup"
	case FaultFull:
		return "make room on the volume of " + filepath.Dir(f.File)
	case FaultReadOnly:
		return "the agent must be able to write this file, and to make files in its folder: see owner and mode, whether the volume was mounted read-only, and the attributes of the file"
	case FaultUnreadable:
		return "see whether the agent may read and write this file and its folder, and ask the system's log for disk errors"
	case FaultDamaged, FaultNoLedger:
		return "keep the file, stop the agent, then either put the newest backup back or let as2drop check --repair save what can be read and rebuild the rest from the partners' folders"
	case FaultForeignLog:
		return "move " + name + "-wal and " + name + "-shm out of the way, then: as2drop check --repair"
	case FaultMoved:
		return "stop the agent, put the right file back, then: as2drop check --repair"
	case FaultNewer:
		return "use the newer as2drop that wrote it"
	case FaultNetwork:
		return "set data_dir to a local folder; partner folders may stay where they are"
	}
	return ""
}

// FaultOf finds the fault in an error; nil = there is none.
func FaultOf(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// blame makes a Fault of an error that the file is to blame for; any other is returned
// as it is.
func blame(file string, err error) error {
	var se *sqlite.Error
	if err == nil || FaultOf(err) != nil || !errors.As(err, &se) {
		return err
	}
	f := &Fault{File: file, Cause: se}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		f.Kind, f.Fact = FaultLocked, fmt.Sprintf("another program has held it locked for more than %s", busyTimeout)
	case sqlite3.SQLITE_FULL:
		f.Kind, f.Fact = FaultFull, "there is no space left for it"
	case sqlite3.SQLITE_READONLY:
		f.Kind, f.Fact = FaultReadOnly, "it cannot be written to"
		if se.Code() == sqlite3.SQLITE_READONLY_DBMOVED {
			f.Kind, f.Fact = FaultMoved, "it was moved, removed or replaced while it was open"
		}
	case sqlite3.SQLITE_CORRUPT:
		f.Kind, f.Fact = FaultDamaged, "it is damaged"
	case sqlite3.SQLITE_NOTADB:
		f.Kind, f.Fact = FaultNoLedger, "it is no ledger"
	case sqlite3.SQLITE_IOERR:
		f.Kind, f.Fact = FaultUnreadable, "the system cannot read or write it"
		if se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE || se.Code() == sqlite3.SQLITE_IOERR_SHMOPEN {
			f.Kind, f.Fact = FaultFull, "there is no space left beside it"
		}
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		f.Kind, f.Fact = FaultUnreadable, "it cannot be opened"
	default:
		return err
	}
	return f
}

// examine turns an error into a Fault where it is one, and remembers it.
func (l *Ledger) examine(err error) error {
	err = blame(l.file, err)
	if f := FaultOf(err); f != nil {
		if known := l.trouble.Load(); known == nil || known.Passes() {
			l.trouble.Store(f)
		}
		if !f.Passes() {
			l.lostOnce.Do(func() { close(l.lost) })
		}
	}
	return err
}

// Trouble is the fault that the last reading or writing met; nil = none, or a commit has
// succeeded since. A fault that does not pass stays.
func (l *Ledger) Trouble() *Fault { return l.trouble.Load() }

// Lost is closed once a fault was met that does not pass: the agent must end.
func (l *Ledger) Lost() <-chan struct{} { return l.lost }

// works forgets a fault that has passed.
func (l *Ledger) works() {
	if f := l.trouble.Load(); f != nil && f.Passes() {
		l.trouble.CompareAndSwap(f, nil)
	}
}

// Probe commits something, to see whether the ledger can be written to again.
func (l *Ledger) Probe(ctx context.Context) error {
	return l.Update(ctx, func(tx *Tx) error { return tx.exec("meta", opened) })
}
