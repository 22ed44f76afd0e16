package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// header is what the first bytes of the file tell without SQLite
// (https://www.sqlite.org/fileformat.html, 1.3).
type header struct {
	size    int64 // of the file
	page    int64 // bytes of a page
	pages   int64 // that there should be; 0 = it does not say
	wal     bool  // it is written through a log; a copy made by VACUUM INTO is not
	version uint32
}

const (
	headerLen = 100
	magic     = "SQLite format 3\x00"

	// persistVersion is the first schema whose ledgers always have their log beside them.
	persistVersion = 6
)

var (
	errNotSQLite = errors.New("it does not begin like an SQLite database")
	errZeroes    = errors.New("it begins with zeroes, as after a crash of the system or of its disk")
	errShort     = errors.New("it ends within its first page")
)

// readHeader reads the header of a file; none for an empty one.
func readHeader(file string) (h header, err error) {
	f, err := os.Open(file)
	if err != nil {
		return h, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return h, err
	}
	if h.size = info.Size(); h.size == 0 {
		return h, nil
	}
	b := make([]byte, headerLen)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return h, err
	}
	zero := true
	for _, c := range b[:n] {
		zero = zero && c == 0
	}
	switch {
	case zero:
		return h, errZeroes
	case n < len(magic) || string(b[:len(magic)]) != magic:
		return h, errNotSQLite
	case n < headerLen:
		return h, errShort
	}
	h.page = int64(binary.BigEndian.Uint16(b[16:]))
	if h.page == 1 {
		h.page = 65536
	}
	if binary.BigEndian.Uint32(b[24:]) == binary.BigEndian.Uint32(b[92:]) { // else an old version wrote it last
		h.pages = int64(binary.BigEndian.Uint32(b[28:]))
	}
	h.wal = b[18] == 2
	h.version = binary.BigEndian.Uint32(b[60:])
	return h, nil
}

// Exists reports whether there is a ledger, sound or not. An empty file is none: SQLite
// makes it before anything is committed.
func Exists(file string) (bool, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}

// look refuses what SQLite would read wrongly or not at all. bare tells that the log is
// missing which a ledger in use has beside it: then it is a copy, and what was committed
// last may not be in it.
func look(file string) (bare bool, err error) {
	h, err := readHeader(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, errNotSQLite), errors.Is(err, errZeroes), errors.Is(err, errShort):
		return false, &Fault{File: file, Kind: FaultNoLedger, Fact: "it is no ledger", Cause: err}
	case errors.Is(err, fs.ErrPermission):
		return false, &Fault{File: file, Kind: FaultUnreadable, Fact: "it cannot be opened", Cause: err}
	case err != nil:
		return false, &Fault{File: file, Kind: FaultUnreadable, Fact: "it cannot be read", Cause: err}
	case h.size == 0:
		return false, nil
	}
	log, err := logSize(file)
	if err != nil {
		return false, &Fault{File: file, Kind: FaultUnreadable, Fact: "its log cannot be read", Cause: err}
	}
	switch {
	case !h.wal && log > 0:
		// SQLite would mix the two.
		return false, &Fault{File: file, Kind: FaultForeignLog, Fact: "a copy was put in its place, and the log beside it belongs to the ledger that was there before"}
	case log <= 0 && h.pages*h.page > h.size:
		return false, &Fault{File: file, Kind: FaultDamaged, Fact: fmt.Sprintf("it was cut off: %d bytes of %d are there", h.size, h.pages*h.page)}
	}
	return h.wal && log < 0 && h.version >= persistVersion, nil
}

// logSize is the length of the log beside a file; -1 = there is none.
func logSize(file string) (int64, error) {
	info, err := os.Stat(file + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
