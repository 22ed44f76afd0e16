package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"

	"github.com/as2drop/as2drop/internal/pipeline"
)

// Member is one file that goes into a bundle.
type Member struct {
	Name     string    // entry name, one path element
	Size     int64     // bytes the file is expected to have
	Modified time.Time // recorded in the entry, to the second
	Open     func() (io.ReadCloser, error)
}

// Written is what really went into a bundle for one member.
type Written struct {
	Name   string
	Size   int64  // bytes before compression
	SHA256 string // of those bytes, lower-case hexadecimal
}

// ChangedError says that a member did not have the size it was announced with:
// somebody is still writing it, or it was cut short. What was written so far is
// useless.
type ChangedError struct {
	Name      string
	Want, Got int64 // bytes; Got is Want+1 when the file is longer
}

func (e *ChangedError) Error() string {
	if e.Got > e.Want {
		return fmt.Sprintf("%q changed while being read: expected %d bytes, found more", e.Name, e.Want)
	}
	return fmt.Sprintf("%q changed while being read: expected %d bytes, found %d", e.Name, e.Want, e.Got)
}

const (
	// deflateLevel is the lowest level of klauspost/compress that really
	// compresses base64 text; levels 1 to 6 store it, and a document with an
	// embedded PDF would come out a third bigger.
	deflateLevel = 7

	// sampleSize bytes at the start of a member decide whether deflating it is
	// worth the time.
	sampleSize = 64 << 10

	// compressible is the estimate above which a member is deflated. Random
	// bytes estimate below 0.01, base64 text above 0.2.
	compressible = 0.05
)

// Write writes the members as a zip to w, in the given order, in one pass and in
// constant memory, and returns what each entry really held.
//
// Every entry is deflated with a data descriptor, because the sizes and checksums
// come after the data in one pass and Java's ZipInputStream refuses a stored entry
// with a descriptor. A member that looks incompressible becomes deflate with
// stored blocks. Names carry the UTF-8 flag; zip64 appears only where it must.
//
// A member with another size than announced ends the call with a *ChangedError.
func Write(w io.Writer, members []Member) ([]Written, error) {
	zw := zip.NewWriter(w)
	level, large := deflateLevel, false
	var beside []io.Closer
	defer func() {
		for _, c := range beside {
			c.Close() // again, or after an error, which counts
		}
	}()
	zw.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		if large && level == deflateLevel && runtime.GOMAXPROCS(0) > 1 {
			s := newSpread(out)
			beside = append(beside, s)
			return s, nil
		}
		return newCompressor(out, level)
	})
	buf := buffers.Get().(*[sampleSize]byte)
	defer buffers.Put(buf)
	written := make([]Written, 0, len(members))
	for _, m := range members {
		in, err := m.Open()
		if err != nil {
			return nil, err
		}
		large = m.Size >= spreadFrom
		got, err := writeMember(zw, m, in, buf[:], &level)
		err = errors.Join(err, in.Close())
		if err != nil {
			return nil, err
		}
		written = append(written, got)
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return written, nil
}

// writeMember copies one member. level is what the compressor of the next entry
// will be made with; it is set from the first bytes.
func writeMember(zw *zip.Writer, m Member, in io.Reader, buf []byte, level *int) (Written, error) {
	n, err := io.ReadFull(in, buf)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return Written{}, err
	}
	*level = flate.NoCompression
	if n < 1<<10 || compress.Estimate(buf[:n]) > compressible {
		*level = deflateLevel
	}
	entry, err := zw.CreateHeader(&zip.FileHeader{
		Name:     m.Name,
		Method:   zip.Deflate,
		Modified: m.Modified.UTC(),
		Flags:    utf8Flag,
	})
	if err != nil {
		return Written{}, err
	}
	// What was sampled goes first; Copy has a buffer of its own.
	return Copy(entry, io.MultiReader(bytes.NewReader(buf[:n]), in), m.Name, m.Size)
}

// Copy copies a file that is expected to have size bytes and tells what it was. More
// or fewer bytes give a *ChangedError.
func Copy(w io.Writer, in io.Reader, name string, size int64) (Written, error) {
	digest := sha256.New()
	buf := buffers.Get().(*[sampleSize]byte)
	defer buffers.Put(buf)
	// One byte more than announced is enough to know that the file grew.
	beside := pipeline.NewWriter(digest)
	defer beside.Close() // again, or after a panic
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, beside)}, io.LimitReader(in, size+1), buf[:])
	beside.Close() // a digest takes everything
	if err != nil {
		return Written{}, err
	}
	if n != size {
		return Written{}, &ChangedError{Name: name, Want: size, Got: n}
	}
	return Written{Name: name, Size: size, SHA256: hex.EncodeToString(digest.Sum(nil))}, nil
}

// utf8Flag is general purpose bit 11: name and comment are UTF-8.
const utf8Flag = 0x800
