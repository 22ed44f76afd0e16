package bundle

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zip"
)

// Joined is the zip as it came.
type Joined struct {
	Loose *Loose
	Open  func(place int) (Place, error)
	open  []Place
}

// Place is a place to be read.
type Place interface {
	io.ReaderAt
	io.Closer
}

// ReadAt reads bytes of the zip.
func (j *Joined) ReadAt(b []byte, at int64) (n int, err error) {
	l := j.Loose
	if at < 0 {
		return 0, errNegative
	}
	for n < len(b) && err == nil {
		if at >= l.size {
			return n, io.EOF
		}
		i, found := slices.BinarySearchFunc(l.pieces, at, func(p piece, at int64) int { return cmp.Compare(p.begins, at) })
		if !found {
			i--
		}
		ends := l.size
		if i+1 < len(l.pieces) {
			ends = l.pieces[i+1].begins
		}
		k, rerr := j.readPiece(l.pieces[i], b[n:n+int(min(int64(len(b)-n), ends-at))], at-l.pieces[i].begins)
		n, at, err = n+k, at+int64(k), rerr
	}
	return n, err
}

// readPiece reads from one piece; it may give less.
func (j *Joined) readPiece(p piece, b []byte, at int64) (int, error) {
	if p.place < 0 {
		return copy(b, j.Loose.frame[p.at+at:]), nil
	}
	if p.block > 0 {
		const header = 5
		number, within := at/(p.block+header), at%(p.block+header)
		if within < header {
			length := uint16(p.block)
			head := [header]byte{1: byte(length), byte(length >> 8), byte(^length), byte(^length >> 8)}
			return copy(b, head[within:]), nil
		}
		b = b[:min(int64(len(b)), p.block+header-within)]
		at = number*p.block + within - header
	}
	for len(j.open) < j.Loose.places {
		f, err := j.Open(len(j.open))
		if err != nil {
			return 0, err
		}
		j.open = append(j.open, f)
	}
	n, err := j.open[p.place].ReadAt(b, p.at+at)
	if err == io.EOF && n == len(b) {
		err = nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // somebody has cut it
	}
	return n, err
}

// Close closes the places.
func (j *Joined) Close() (err error) {
	for _, f := range j.open {
		err = errors.Join(err, f.Close())
	}
	j.open = nil
	return err
}

// Unpack is Unpack of the zip as it came. What lies loose is not written again: Entry.Place says
// where. It may be called once.
func (j *Joined) Unpack(lim Limits, create func(i int, name string) (io.WriteCloser, error)) ([]Entry, error) {
	return unpack(j, j.Loose.size, lim, j.Loose, create)
}

// take finds the file that an entry of the directory is, if it lies loose and all that the
// directory says of it is so.
func (l *Loose) take(r io.ReaderAt, f *zip.File) (*looseFile, bool) {
	const descriptor = 8
	if l == nil {
		return nil, false
	}
	begins, err := f.DataOffset()
	if err != nil {
		return nil, false // which will be said of it
	}
	i := slices.IndexFunc(l.files, func(file *looseFile) bool { return file.whole && !file.taken && file.begins == begins })
	if i < 0 {
		return nil, false
	}
	file := l.files[i]
	same := file.method == f.Method && uint64(file.packed) == f.CompressedSize64 && uint64(file.size) == f.UncompressedSize64 && file.crc.Sum32() == f.CRC32
	if same && f.Flags&descriptor != 0 {
		var d [8]byte
		_, err := r.ReadAt(d[:], begins+file.packed)
		same = err == nil && bytes.Equal(d[:], binary.LittleEndian.AppendUint32([]byte(describing), f.CRC32))
	}
	file.taken = same
	return file, same
}

// entry is what Unpack says of a file that lies loose.
func (f *looseFile) entry(of *zip.File) Entry {
	return Entry{Name: base(of.Name), Path: of.Name, Size: f.size, SHA256: hex.EncodeToString(f.digest.Sum(nil)), Modified: of.Modified, Loose: true, Place: f.place}
}
