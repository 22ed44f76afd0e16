package inbox

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// unzipping is a zip, and the zips in it, on the way to staged files. All of them share
// one set of limits.
type unzipping struct {
	*request
	limits bundle.Limits // what is left of them
	zips   int
	files  []ledger.ReceivedFile
	from   []int // of each file, the zip that it came out of
	notes  []string
}

// unzip writes each entry of a zip to a file whose name begins with prefix. within is the
// entry that is the zip.
func (u *unzipping) unzip(f io.ReaderAt, size int64, prefix, within string) error {
	create := func(i int, _ string) (io.WriteCloser, error) { return u.create(fmt.Sprint(prefix, i)) }
	var entries []bundle.Entry
	var err error
	if pieces, ok := f.(inPieces); ok {
		entries, err = pieces.zip.Unpack(u.limits, create)
	} else {
		entries, err = bundle.Unpack(f, size, u.limits, create)
	}
	if err != nil {
		return err
	}
	for i, e := range entries {
		staged := fmt.Sprint(prefix, i)
		if e.Loose {
			staged = u.payload[0].place(e.Place)
		}
		u.files = append(u.files, ledger.ReceivedFile{Entry: within + e.Path, Staged: staged, Final: e.Name, Size: e.Size, SHA256: e.SHA256})
		u.from = append(u.from, u.zips)
		u.limits.Bytes -= e.Size
	}
	u.limits.Entries -= len(entries)
	u.zips++
	return nil
}

// nested applies the rule for zips in the zip. One that cannot be unpacked stays a file,
// and so does a zip in a zip in the zip.
func (u *unzipping) nested() error {
	outer := u.files
	u.files, u.from = nil, nil
	var inner []ledger.ReceivedFile
	var out []int
	for _, f := range outer {
		taken, err := u.openNested(f)
		if err != nil {
			return err
		}
		if !taken {
			inner, out = append(inner, f), append(out, 0)
		}
	}
	u.files, u.from = append(inner, u.files...), append(out, u.from...)
	return nil
}

// openNested takes a file apart if it is a zip and the rule says so. The zip itself is not
// delivered then.
func (u *unzipping) openNested(file ledger.ReceivedFile) (taken bool, err error) {
	if !strings.EqualFold(path.Ext(file.Final), ".zip") || u.p.NestedZips == Keep {
		return false, nil
	}
	if u.p.NestedZips == Reject {
		return false, &oddError{Reject, fmt.Sprintf("it holds the zip %q", file.Entry), "Send the files themselves."}
	}
	staged := path.Join(incoming(u.id), file.Staged)
	had := len(u.files)
	err = u.unzipFile(file, staged)
	var broken *bundle.BrokenError
	if errors.As(err, &broken) {
		u.notes = append(u.notes, fmt.Sprintf("%q was delivered as it is, because it could not be unpacked: %v", file.Entry, broken))
		u.files, u.from = u.files[:had], u.from[:had]
		return false, u.dropStaged(file.Staged + "-")
	}
	if err != nil {
		return false, err
	}
	for _, f := range u.files[had:] {
		if strings.EqualFold(path.Ext(f.Final), ".zip") {
			u.notes = append(u.notes, fmt.Sprintf("%q is a zip in a zip in the zip, and was delivered as it is", f.Entry))
		}
	}
	if u.payload[0].loose != nil && strings.HasPrefix(file.Staged, u.payload[0].name) {
		return true, nil // it is a part of the payload still, and goes with it
	}
	// Windows removes nothing that is open.
	return true, errors.Join(u.syncFiles(), u.p.Folder.Remove(staged))
}

func (u *unzipping) unzipFile(file ledger.ReceivedFile, staged string) error {
	if u.limits.Entries <= 0 || u.limits.Bytes <= 0 {
		return &bundle.BrokenError{Fact: "the limits on files and bytes are used up by what is beside it"}
	}
	f, err := u.p.Folder.OpenFile(staged, fsx.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	return u.unzip(f, file.Size, file.Staged+"-", file.Entry+"!")
}

// dropStaged removes what was staged under names that begin so.
func (r *request) dropStaged(prefix string) error {
	if err := r.syncFiles(); err != nil { // as above
		return err
	}
	names, err := r.p.Folder.Names(incoming(r.id))
	for _, name := range names {
		if err == nil && strings.HasPrefix(name, prefix) {
			err = r.p.Folder.Remove(path.Join(incoming(r.id), name))
		}
	}
	return err
}
