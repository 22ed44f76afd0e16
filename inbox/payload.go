package inbox

import (
	"bytes"
	"fmt"
	"io"
	"path"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
)

// maxHeld is how many bytes of the payload of a message are held in memory: a zip of a few
// documents needs no file that is read back once and thrown away.
const maxHeld = 256 << 10

// payload is a part of a message as it came out of the layers. What does not fit into
// memory is in a file of the staging folder, which is durable with keep: most are taken
// apart and dropped.
type payload struct {
	r       *request
	name    string // of the file
	memory  []byte // as long as there is no file
	file    io.WriteCloser
	spilled bool // there is a file
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
		if err := p.spill(); err != nil {
			return 0, err
		}
	}
	return p.file.Write(b)
}

// spill goes on in a file.
func (p *payload) spill() error {
	f, err := p.r.createUnsynced(p.name)
	if err != nil {
		return err
	}
	p.file, p.spilled = f, true
	_, err = f.Write(p.memory)
	p.r.held -= len(p.memory)
	p.memory = nil
	return err
}

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

// open opens what was written.
func (p *payload) open() (content, error) {
	if !p.spilled {
		return inMemory{bytes.NewReader(p.memory)}, nil
	}
	return p.r.p.Folder.OpenFile(p.path(), fsx.ReadOnly, 0)
}

// keep makes the part a file that is durable, but for its name.
func (p *payload) keep() error {
	if p.spilled {
		return fsx.SyncFile(p.r.p.Folder, p.path())
	}
	p.spilled = true
	return p.r.write(p.name, p.memory)
}

// drop forgets the part.
func (p *payload) drop() error {
	p.memory = nil
	if !p.spilled {
		return nil
	}
	return p.r.p.Folder.Remove(p.path())
}

func (p *payload) path() string { return path.Join(incoming(p.r.id), p.name) }
