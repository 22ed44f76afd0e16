package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"
)

const (
	// mostLoose is how many files of a zip are laid down while it comes. The directory, which
	// says how many there are to be, comes last.
	mostLoose = 8

	// mostFrame is how many bytes between the files are held in memory.
	mostFrame = 256 << 10

	// mostPassed is how many bytes a compressed file may have that is passed over.
	mostPassed = 4 << 20

	// mostPieces is into how many pieces a zip is cut. A file of any size is one, or a few: the
	// blocks of whoever stores are all alike but for the last ones.
	mostPieces = 4096
)

// Loose takes a zip as it comes, and lays each file in it that is stored, not compressed,
// down in a place of its own, so that a large one is not written twice:
//
//	l := &bundle.Loose{Create: place}
//	_, err := io.Copy(l, arriving)
//	...
//	zip := &bundle.Joined{Loose: l, Open: open}
//	entries, err := zip.Unpack(limits, create)
//
// Nothing is believed: what the zip is, its directory says, which comes last, and Unpack reads
// the zip as it came out of the pieces. A file that lies loose is taken only where offset,
// lengths and checksum are those of the directory; any other one is unpacked in the usual way.
// What is not understood, or is too much to be held, goes to one more place, the rest.
type Loose struct {
	// Create makes place n: that of a file, or of the rest. Each is closed before the next one
	// is made.
	Create func(n int) (io.WriteCloser, error)

	size   int64
	pieces []piece
	frame  []byte // what is between the files
	files  []*looseFile
	out    io.WriteCloser // the place that is being written; nil = none
	rest   bool           // out is that of the rest
	places int

	state  func(l *Loose, b []byte) (n int, err error)
	header int   // where in the frame the present header begins
	left   int64 // bytes of the present block
	final  bool  // and it is the last one
	block  []byte
}

// looseFile is a file that lies loose.
type looseFile struct {
	place  int
	method uint16
	begins int64 // in the zip
	packed int64 // bytes there
	size   int64
	crc    hash.Hash32
	digest hash.Hash
	whole  bool
	taken  bool
}

// piece is a stretch of the zip. Stored blocks of one length are one piece: their headers are
// made again.
type piece struct {
	begins int64 // in the zip
	place  int   // -1 = the frame
	at     int64 // there
	block  int64 // length of each block behind its header; 0 = there are none
}

// Write never takes less than all, but for an error of a place.
func (l *Loose) Write(b []byte) (int, error) {
	if l.state == nil {
		l.state = (*Loose).local
	}
	written := 0
	for len(b) > 0 {
		n, err := l.state(l, b)
		written += n
		if err != nil {
			return written, err
		}
		b = b[n:]
	}
	return written, nil
}

// Close ends the zip.
func (l *Loose) Close() error {
	if len(l.block) > 0 {
		if err := l.giveUp(); err != nil {
			return err
		}
	}
	return l.closePlace()
}

func (l *Loose) closePlace() error {
	if l.out == nil {
		return nil
	}
	err := l.out.Close()
	l.out = nil
	return err
}

// Size is how long the zip is, bytes.
func (l *Loose) Size() int64 { return l.size }

// Places is how many places were made.
func (l *Loose) Places() int { return l.places }

func (l *Loose) place() error {
	if err := l.closePlace(); err != nil {
		return err
	}
	out, err := l.Create(l.places)
	if err != nil {
		return err
	}
	l.out = out
	l.places++
	return nil
}

// keep puts bytes into the frame, or into the rest if they are too many.
func (l *Loose) keep(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if !l.rest && len(l.frame)+len(b) > mostFrame {
		l.state, l.rest = (*Loose).behind, true
		if err := l.place(); err != nil {
			return err
		}
		l.pieces = append(l.pieces, piece{begins: l.size, place: l.places - 1})
	}
	if l.rest {
		n, err := l.out.Write(b)
		l.size += int64(n)
		return err
	}
	if len(l.pieces) == 0 || l.pieces[len(l.pieces)-1].place >= 0 {
		l.pieces = append(l.pieces, piece{begins: l.size, place: -1, at: int64(len(l.frame))})
	}
	l.frame = append(l.frame, b...)
	l.size += int64(len(b))
	return nil
}

// behind takes what is not looked at any more.
func (l *Loose) behind(b []byte) (int, error) { return len(b), l.keep(b) }

// collect keeps bytes until so many of the present header are there.
func (l *Loose) collect(b []byte, want int) (n int, there bool, err error) {
	n = min(len(b), want-(len(l.frame)-l.header))
	err = l.keep(b[:n])
	return n, !l.rest && len(l.frame)-l.header == want, err
}

const (
	localHeader = 30 // bytes, but for name and extra field
	localSign   = "PK\x03\x04"
	centralSign = "PK\x01\x02"
	describing  = "PK\x07\x08"
)

// local takes the header of a file.
func (l *Loose) local(b []byte) (int, error) {
	h := l.frame[l.header:]
	want := localHeader
	if len(h) >= localHeader {
		want += int(binary.LittleEndian.Uint16(h[26:])) + int(binary.LittleEndian.Uint16(h[28:]))
	}
	n, there, err := l.collect(b, want)
	if !there || err != nil {
		return n, err
	}
	h = l.frame[l.header:]
	switch {
	case string(h[:4]) != localSign:
		l.state = (*Loose).behind
	case want == localHeader && binary.LittleEndian.Uint32(h[26:]) != 0: // its name is to come
	default:
		l.begin(h)
	}
	return n, nil
}

// begin decides by the header whether the file that follows can lie loose.
func (l *Loose) begin(h []byte) {
	const encrypted, descriptor, zip64 = 1, 8, 0xffffffff
	flags, method := binary.LittleEndian.Uint16(h[6:]), binary.LittleEndian.Uint16(h[8:])
	length := binary.LittleEndian.Uint32(h[18:])
	switch {
	case flags&encrypted != 0 || len(l.files) == mostLoose:
		l.state = (*Loose).behind
	case method == zip.Deflate:
		l.state = (*Loose).blockHeader
	case method == zip.Store && flags&descriptor == 0 && length != zip64 && length > 0:
		l.state, l.left, l.final = (*Loose).data, int64(length), true
	default:
		l.state = (*Loose).behind
	}
	l.files = append(l.files, &looseFile{place: -1, method: method, begins: l.size, crc: crc32.NewIEEE(), digest: sha256.New()})
}

// blockHeader takes the header of a deflate block (RFC 1951, 3.2.3). Only stored ones are
// understood, whose header ends with a byte, and an empty last one as compressors write it.
func (l *Loose) blockHeader(b []byte) (n int, err error) {
	for n < len(b) && len(l.block) < 5 {
		l.block = append(l.block, b[n])
		n++
		switch kind := l.block[0]; {
		case kind > 1 && kind != 3:
			return l.compressed(b, n)
		case kind == 3 && len(l.block) == 2:
			if l.block[1] != 0 {
				return n, l.giveUp()
			}
			return n, l.endFile()
		}
	}
	if len(l.block) < 5 {
		return n, nil
	}
	length := binary.LittleEndian.Uint16(l.block[1:])
	if binary.LittleEndian.Uint16(l.block[3:]) != ^length || len(l.pieces) > mostPieces-3 { // three more end it
		return n, l.giveUp()
	}
	l.left, l.final = int64(length), l.block[0] == 1
	f := l.files[len(l.files)-1]
	switch {
	case l.left == 0 && l.final:
		return n, l.endFile()
	case l.left == 0 || l.final:
		err = l.keep(l.block)
		l.block = l.block[:0]
		if err != nil || l.rest || l.left == 0 {
			return n, err
		}
		l.state = (*Loose).data
		return n, nil
	}
	if err := l.open(f); err != nil {
		return n, err
	}
	if last := l.pieces[len(l.pieces)-1]; last.place != f.place || last.block != l.left {
		l.pieces = append(l.pieces, piece{begins: l.size, place: f.place, at: f.size, block: l.left})
	}
	l.size += int64(len(l.block))
	l.block = l.block[:0]
	l.state = (*Loose).blockData
	return n, nil
}

// compressed passes over a file that is all there, as a document before its attachments is.
// Of a larger one, or further on in a file, it is the end of what is understood. The first
// n bytes are taken already, the last of them a block's first.
func (l *Loose) compressed(b []byte, n int) (int, error) {
	if l.size > l.files[len(l.files)-1].begins {
		return n, l.giveUp()
	}
	in := bytes.NewReader(b[n-1:])
	size, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(in), mostPassed+1))
	if err != nil || size > mostPassed {
		return n, l.giveUp()
	}
	l.block = l.block[:0]
	ends := len(b) - in.Len()
	if err := l.keep(b[n-1 : ends]); err != nil || l.rest {
		return ends, err
	}
	return ends, l.endFile()
}

// giveUp has all that follows go to the rest, with what was held of a block's header.
func (l *Loose) giveUp() error {
	l.state = (*Loose).behind
	held := l.block
	l.block = nil
	return l.keep(held)
}

// open makes the place of a file where it has none.
func (l *Loose) open(f *looseFile) (err error) {
	if f.place < 0 {
		if err = l.place(); err == nil {
			f.place = l.places - 1
		}
	}
	return err
}

// data takes bytes of the present file that stand in the zip by themselves.
func (l *Loose) data(b []byte) (int, error) {
	f := l.files[len(l.files)-1]
	if err := l.open(f); err != nil {
		return 0, err
	}
	if last := l.pieces[len(l.pieces)-1]; last.place != f.place || last.block != 0 {
		l.pieces = append(l.pieces, piece{begins: l.size, place: f.place, at: f.size})
	}
	return l.blockData(b)
}

// blockData takes bytes of the present block.
func (l *Loose) blockData(b []byte) (int, error) {
	f := l.files[len(l.files)-1]
	b = b[:min(int64(len(b)), l.left)]
	n, err := l.out.Write(b)
	f.crc.Write(b[:n])
	f.digest.Write(b[:n])
	f.size, l.size, l.left = f.size+int64(n), l.size+int64(n), l.left-int64(n)
	switch {
	case err != nil:
	case l.left == 0 && l.final:
		err = l.endFile()
	case l.left == 0:
		l.state = (*Loose).blockHeader
	}
	return n, err
}

// endFile ends the present file. What is held of its last block belongs to it.
func (l *Loose) endFile() error {
	held := l.block
	l.block = l.block[:0]
	if err := l.keep(held); err != nil || l.rest {
		return err
	}
	f := l.files[len(l.files)-1]
	f.packed, f.whole = l.size-f.begins, f.place >= 0
	l.header, l.final = len(l.frame), false
	l.state = (*Loose).between
	return l.closePlace()
}

// between takes a data descriptor, with a signature and lengths of four or eight bytes, up to
// the signature of what follows.
func (l *Loose) between(b []byte) (int, error) {
	for _, want := range []int{4, 20, 28} {
		h := l.frame[l.header:]
		if len(h) < want {
			n, there, err := l.collect(b, want)
			if !there || err != nil {
				return n, err
			}
			l.follow()
			return n, nil
		}
	}
	l.state = (*Loose).behind
	return 0, nil
}

// follow looks whether what was collected ends with a signature.
func (l *Loose) follow() {
	h := l.frame[l.header:]
	switch end := string(h[len(h)-4:]); {
	case end == localSign:
		l.header, l.state = len(l.frame)-4, (*Loose).local
	case end == centralSign, string(h[:4]) != describing:
		l.state = (*Loose).behind
	}
}
