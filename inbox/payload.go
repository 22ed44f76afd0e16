package inbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// maxHeld is how many bytes of the payload of a message are held in memory: a zip of a few
// documents needs no file that is read back once and thrown away.
const maxHeld = 256 << 10

// payload is a part of a message as it came out of the layers. What does not fit into
// memory is in a file of the staging folder, which is durable with keep: most are taken
// apart and dropped. Of a zip the files that are stored in it are laid down one by one, where
// they stay if it is taken apart.
type payload struct {
	r       *request
	name    string // of the file
	memory  []byte // as long as there is no file
	file    io.WriteCloser
	loose   *bundle.Loose // what file is, for a zip; nil = one file has all of it
	places  []fsx.File    // of loose, open until it is known which of them are synced
	spilled bool          // there is a file
}

// hold makes the place for a part.
func (r *request) hold(part as2.Part) (io.WriteCloser, error) {
	p := &payload{r: r, name: fmt.Sprint(payloadName, part.Index)}
	r.payload = append(r.payload, p)
	return p, nil
}

func (p *payload) Write(b []byte) (int, error) {
	if !p.spilled && p.r.held+len(b) <= p.r.mostHeld {
		p.r.held += len(b)
		p.memory = append(p.memory, b...)
		return len(b), nil
	}
	if !p.spilled {
		if err := p.spill(b); err != nil {
			return 0, err
		}
	}
	return p.file.Write(b)
}

// spill goes on in files. next is what comes behind that which is in memory.
func (p *payload) spill(next []byte) error {
	if len(p.memory) > 0 {
		next = p.memory
	}
	if p.r.p.Unpack && p == p.r.payload[0] && bytes.HasPrefix(next, []byte(zipMagic)) { // of several none is taken apart
		p.loose = &bundle.Loose{Create: p.createPlace}
		p.file = p.loose
	} else {
		f, err := p.r.createUnsynced(p.name)
		if err != nil {
			return err
		}
		p.file = f
	}
	p.spilled = true
	_, err := p.file.Write(p.memory)
	p.r.held -= len(p.memory)
	p.memory = nil
	return err
}

// createPlace makes a file that has a part of a zip. It stays open: whoever syncs it with
// another handle might not be told what went wrong before.
func (p *payload) createPlace(n int) (io.WriteCloser, error) {
	f, err := p.r.create(p.place(n))
	if err != nil {
		return nil, err
	}
	p.places = append(p.places, f.File)
	return stillOpen{f}, nil
}

type stillOpen struct{ io.Writer }

func (stillOpen) Close() error { return nil }

// letGo closes what is still open and not needed.
func (p *payload) letGo() {
	for _, f := range p.places {
		f.Close() // it goes, whatever is in it
	}
	p.places = nil
}

// place is the name of a file that has a part of a zip.
func (p *payload) place(n int) string { return fmt.Sprint(p.name, ".", n) }

// Close ends the part.
func (p *payload) Close() error {
	if !p.spilled {
		return nil
	}
	return p.file.Close()
}

// content is what was written, to be read and closed.
type content interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// inPieces is a zip of which files lie loose.
type inPieces struct {
	*io.SectionReader
	zip *bundle.Joined
}

func (i inPieces) Close() error { return i.zip.Close() }

// open opens what was written.
func (p *payload) open() (content, error) {
	if !p.spilled {
		return inMemory{bytes.NewReader(p.memory)}, nil
	}
	if p.loose != nil {
		zip := &bundle.Joined{Loose: p.loose, Open: func(n int) (bundle.Place, error) {
			return p.r.p.Folder.OpenFile(p.path(p.place(n)), fsx.ReadOnly, 0)
		}}
		return inPieces{io.NewSectionReader(zip, 0, p.loose.Size()), zip}, nil
	}
	return p.r.p.Folder.OpenFile(p.path(p.name), fsx.ReadOnly, 0)
}

// keep makes the part a file that is durable, but for its name.
func (p *payload) keep() error {
	if p.loose != nil {
		return p.join()
	}
	if p.spilled {
		return fsx.SyncFile(p.r.p.Folder, p.path(p.name))
	}
	p.spilled = true
	return p.r.write(p.name, p.memory)
}

// join makes one file of a zip that lies in pieces.
func (p *payload) join() error {
	from, err := p.open()
	if err != nil {
		return err
	}
	to, err := p.r.create(p.name)
	if err == nil {
		_, err = io.Copy(struct{ io.Writer }{to}, from)
		err = errors.Join(err, to.Close())
	}
	if err = errors.Join(err, from.Close()); err == nil {
		err = p.drop(nil)
	}
	p.loose = nil
	return err
}

// drop forgets the part, but for those of its files that are among some. Those are durable
// then, but for their names.
func (p *payload) drop(kept []ledger.ReceivedFile) error {
	p.memory = nil
	switch {
	case p.loose != nil:
		return p.dropPlaces(kept)
	case p.spilled:
		return p.r.p.Folder.Remove(p.path(p.name))
	}
	return nil
}

// dropPlaces is drop for a zip that lies in pieces.
func (p *payload) dropPlaces(kept []ledger.ReceivedFile) error {
	defer p.letGo() // where an error came first
	for first := p.loose.Places() - len(p.places); len(p.places) > 0; first++ {
		f, name := p.places[0], p.place(first)
		p.places = p.places[1:]
		stays := slices.ContainsFunc(kept, func(f ledger.ReceivedFile) bool { return f.Staged == name })
		var err error
		if stays {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err == nil && !stays {
			err = p.r.p.Folder.Remove(p.path(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *payload) path(name string) string { return path.Join(incoming(p.r.id), name) }
