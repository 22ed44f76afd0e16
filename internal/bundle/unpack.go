package bundle

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/pipeline"
	"github.com/klauspost/compress/zip"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits bound what Unpack accepts. A zero field means the default.
type Limits struct {
	Entries int   // files in the zip; default 10,000
	Bytes   int64 // of all files together, unpacked; default 256 GiB
	Ratio   int64 // unpacked bytes per byte of the zip, beyond the first MiB; default 1,000
}

// WithDefaults are the limits that hold.
func (l Limits) WithDefaults() Limits {
	if l.Entries == 0 {
		l.Entries = 10_000
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 1_000
	}
	return l
}

// Entry is one unpacked file.
type Entry struct {
	Name     string    // last element of Path; still a foreign name, see naming.Safe
	Path     string    // as it stands in the zip
	Size     int64     // bytes, counted
	SHA256   string    // lower-case hexadecimal
	Modified time.Time // as the zip says, zero if it does not
	Loose    bool      // it lies where Loose has put it, and create was not called
	Place    int       // of Loose
}

// BrokenError says what is wrong with a zip: it is damaged, over a limit, or holds
// something that is never unpacked. Errors of another type come from the disk.
type BrokenError struct {
	Entry   string // as it stands in the zip; empty if the fault is not in one entry
	Fact    string
	BadName bool // it is the name of the entry that is refused
}

func (e *BrokenError) Error() string {
	if e.Entry == "" {
		return "zip: " + e.Fact
	}
	return fmt.Sprintf("zip entry %q: %s", e.Entry, e.Fact)
}

// Unpack reads the zip of the given size from r and writes each file through
// create, which is called with 0, 1, 2, ... and the foreign name. Folders are
// skipped; of a file in a folder only the last element of the name is kept.
//
// Everything that can be refused from the directory is refused before the first
// create. The files that were created before an error are the caller's to remove.
func Unpack(r io.ReaderAt, size int64, lim Limits, create func(i int, name string) (io.WriteCloser, error)) ([]Entry, error) {
	return unpack(r, size, lim, nil, create)
}

// unpack is Unpack of a zip of which some files may lie loose.
func unpack(r io.ReaderAt, size int64, lim Limits, loose *Loose, create func(i int, name string) (io.WriteCloser, error)) ([]Entry, error) {
	lim = lim.WithDefaults()
	disk := &diskReaderAt{r: r, budget: int64(lim.Entries)*256 + 1<<20}
	files, err := directory(disk, size, lim)
	if err != nil {
		return nil, disk.blame(err)
	}
	left := min(lim.Bytes, saturatingMul(size, lim.Ratio)+1<<20)
	buf := buffers.Get().(*[sampleSize]byte)
	defer buffers.Put(buf)
	entries := make([]Entry, 0, len(files))
	for i, f := range files {
		if file, ok := loose.take(disk, f); ok && file.size <= left {
			left -= file.size
			entries = append(entries, file.entry(f))
			continue
		}
		e, err := unpackFile(f, i, left, buf[:], create)
		if err != nil {
			return nil, disk.blame(err)
		}
		left -= e.Size
		entries = append(entries, e)
	}
	return entries, nil
}

// directory lists the files of a zip after every check that needs no data.
func directory(r *diskReaderAt, size int64, lim Limits) ([]*zip.File, error) {
	zr, err := zip.NewReader(r, size)
	switch {
	case r.budget < 0:
		return nil, &BrokenError{Fact: fmt.Sprintf("its directory is longer than %d entries need", lim.Entries)}
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return nil, &BrokenError{Fact: fmt.Sprintf("it cannot be read: %v", err)}
	}
	r.unlimited = true

	var files []*zip.File
	seen := make(map[string]string, len(zr.File))
	fold := cases.Fold()
	for _, f := range zr.File {
		if f.Mode().IsDir() || strings.HasSuffix(f.Name, "/") {
			continue
		}
		if fact := refuse(f); fact != "" {
			return nil, &BrokenError{Entry: f.Name, Fact: fact}
		}
		if fact := refuseName(f.Name); fact != "" {
			return nil, &BrokenError{Entry: f.Name, Fact: fact, BadName: true}
		}
		if len(files) == lim.Entries {
			return nil, &BrokenError{Fact: fmt.Sprintf("it holds more than %d files", lim.Entries)}
		}
		key := fold.String(norm.NFC.String(base(f.Name)))
		if first, ok := seen[key]; ok {
			return nil, &BrokenError{Entry: f.Name, Fact: fmt.Sprintf("has the same name as entry %q", first), BadName: true}
		}
		seen[key] = f.Name
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, &BrokenError{Fact: "it holds no file"}
	}
	return files, nil
}

// refuse names the reason why an entry is never unpacked, or is empty.
func refuse(f *zip.File) string {
	const encrypted = 0x1
	switch {
	case f.Flags&encrypted != 0:
		return "is protected with a password"
	case f.Mode()&fs.ModeSymlink != 0:
		return "is a symbolic link"
	case !f.Mode().IsRegular():
		return fmt.Sprintf("is no regular file (%v)", f.Mode().Type())
	}
	return ""
}

// refuseName names the reason why nothing of that name is ever unpacked, or is empty.
func refuseName(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	switch {
	case strings.ContainsRune(name, 0):
		return "has a NUL in its name"
	case strings.HasPrefix(name, "/"), len(name) > 1 && name[1] == ':':
		return "has an absolute path"
	case base(name) == "":
		return "has an empty name"
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "points outside of the zip"
		}
	}
	return ""
}

// base is the last element of a foreign path; Windows programs write backslashes.
func base(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

func unpackFile(f *zip.File, i int, left int64, buf []byte, create func(int, string) (io.WriteCloser, error)) (Entry, error) {
	over := &BrokenError{Entry: f.Name, Fact: "unpacks to more than the limits allow"}
	// The stated size is not believed, but a statement over the limit saves the work.
	if f.UncompressedSize64 > uint64(left) {
		return Entry{}, over
	}
	in, err := f.Open()
	if err != nil {
		return Entry{}, &BrokenError{Entry: f.Name, Fact: err.Error()}
	}
	defer in.Close() // a reader over memory: nothing can be lost
	out, err := create(i, base(f.Name))
	if err != nil {
		return Entry{}, err
	}
	digest := sha256.New()
	tracked := &trackedReader{r: io.LimitReader(in, left+1)}
	beside := pipeline.NewWriter(io.MultiWriter(out, digest))
	defer beside.Close() // again, or after a panic
	n, err := io.CopyBuffer(struct{ io.Writer }{beside}, tracked, buf)
	if cerr := cmp.Or(beside.Close(), out.Close()); err == nil {
		err = cerr
	}
	switch {
	case tracked.err != nil:
		return Entry{}, &BrokenError{Entry: f.Name, Fact: tracked.err.Error()}
	case err != nil:
		return Entry{}, err
	case n > left:
		return Entry{}, over
	}
	return Entry{
		Name: base(f.Name), Path: f.Name, Size: n,
		SHA256: hex.EncodeToString(digest.Sum(nil)), Modified: f.Modified,
	}, nil
}

// trackedReader remembers that an error came from reading the zip, not from
// writing the file.
type trackedReader struct {
	r   io.Reader
	err error
}

func (t *trackedReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// errNegative is about a place that the directory names.
var errNegative = errors.New("an offset in its directory is negative")

// diskReaderAt reads the zip file and remembers the first error of the disk, so
// that a failing disk is never reported as a broken zip.
//
// Until it is unlimited it gives out budget bytes only: the library holds the whole
// directory in memory and goes on reading it for as long as it finds records,
// whatever number the end record states, so a zip that is nothing but directory
// would fill the memory.
type diskReaderAt struct {
	r         io.ReaderAt
	budget    int64
	unlimited bool
	err       error
}

func (d *diskReaderAt) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errNegative
	}
	if !d.unlimited {
		if d.budget -= int64(len(p)); d.budget < 0 {
			return 0, errors.New("directory over the limit")
		}
	}
	n, err := d.r.ReadAt(p, at)
	if err != nil && err != io.EOF && d.err == nil {
		d.err = err
	}
	return n, err
}

// blame returns the disk's own error if there was one, else err.
func (d *diskReaderAt) blame(err error) error {
	if d.err != nil {
		return d.err
	}
	return err
}

func saturatingMul(a, b int64) int64 {
	if a != 0 && b > (1<<62)/a {
		return 1 << 62
	}
	return a * b
}
