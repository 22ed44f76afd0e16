package evidence

import (
	"encoding/hex"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/internal/inspection"
)

// contents are the files inside of a message, unpacked where it is a zip.
type contents struct {
	temp  Temp
	parts []part
}

type part struct {
	as2.Part
	file TempFile
}

func (c *contents) sink(p as2.Part) (io.WriteCloser, error) {
	f, err := c.temp()
	if err != nil {
		return nil, err
	}
	c.parts = append(c.parts, part{p, f})
	return keepOpen{f}, nil
}

// keepOpen leaves a file to be read after it was written.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

func (c *contents) close() error {
	var errs []error
	for _, p := range c.parts {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(errs...)
}

// files lists what is in a message that was opened. A zip is listed by its entries, as
// the inbox would deliver it; one that cannot be unpacked is one file.
func (c *contents) files(m *inspection.Message) ([]File, error) {
	var all []File
	for i, f := range m.Files {
		whole := File{f.Name, f.Size, f.SHA256}
		if i >= len(c.parts) || len(m.Files) > 1 || !strings.HasSuffix(strings.ToLower(f.Name), ".zip") && f.Type != "application/zip" {
			all = append(all, whole)
			continue
		}
		entries, err := bundle.Unpack(c.parts[i].file, f.Size, bundle.Limits{}, func(int, string) (io.WriteCloser, error) { return nowhere{}, nil })
		var broken *bundle.BrokenError
		if errors.As(err, &broken) {
			all = append(all, whole)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			all = append(all, File{e.Name, e.Size, e.SHA256})
		}
	}
	return all, nil
}

// inside lists what is embedded in the document of a message that was opened.
func (c *contents) inside(m *inspection.Message) ([]File, error) {
	if len(c.parts) == 0 || len(m.Files) == 0 {
		return nil, nil
	}
	_, objects, err := embedded.Extract(io.NewSectionReader(c.parts[0].file, 0, m.Files[0].Size), embedded.Limits{},
		func(int, embedded.Object) (io.WriteCloser, error) { return nowhere{}, nil })
	var fault *embedded.Error
	if err != nil && !errors.As(err, &fault) {
		return nil, err
	}
	var all []File
	for _, o := range objects {
		all = append(all, File{o.Name, o.Size, hex.EncodeToString(o.SHA256[:])})
	}
	return all, nil
}

// digests are those of everything that a delivered file may be: each file of the
// message, what is in it if it is a zip, in zips in that, and what is embedded in documents.
func (c *contents) digests(m *inspection.Message) (digests map[string]bool, err error) {
	digests = map[string]bool{}
	for i, f := range m.Files {
		digests[f.SHA256] = true
		if i < len(c.parts) {
			err = errors.Join(err, c.look(c.parts[i].file, f.Size, 2, digests))
		}
	}
	return digests, err
}

// look adds the digests of what is in a file. What cannot be read has nothing in it.
func (c *contents) look(f TempFile, size int64, zips int, digests map[string]bool) error {
	if _, objects, err := embedded.Extract(io.NewSectionReader(f, 0, size), embedded.Limits{}, func(int, embedded.Object) (io.WriteCloser, error) { return nowhere{}, nil }); err == nil {
		for _, o := range objects {
			digests[hex.EncodeToString(o.SHA256[:])] = true
		}
	}
	if zips == 0 {
		return nil
	}
	inner := map[int]TempFile{} // zips and documents: nothing is in others
	entries, err := bundle.Unpack(f, size, bundle.Limits{}, func(i int, name string) (io.WriteCloser, error) {
		if ext := strings.ToLower(path.Ext(name)); ext != ".zip" && ext != ".xml" {
			return nowhere{}, nil
		}
		file, err := c.temp()
		if err == nil {
			inner[i] = file
		}
		return keepOpen{file}, err
	})
	var broken *bundle.BrokenError
	if errors.As(err, &broken) {
		err = nil
	}
	for i, e := range entries {
		digests[e.SHA256] = true
		if file, ok := inner[i]; ok {
			err = errors.Join(err, c.look(file, e.Size, zips-1, digests))
		}
	}
	for _, file := range inner {
		err = errors.Join(err, file.Close())
	}
	return err
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }
