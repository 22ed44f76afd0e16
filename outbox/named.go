package outbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/xmlstream"
	"github.com/as2drop/as2drop/naming"
)

// reading is what a document named when it was as it was then.
type reading struct {
	size, mtime int64
	naming.Named
}

// readAtOnce is how many documents one scan reads. The next one comes at once, and claims
// come in between.
const readAtOnce = 1000

// named are the attachments that documents name. Each is read once, as long as it does not
// change. Where nobody will ask again, all are read that the observer has not read.
func (o *Outbox) named(ctx context.Context, names []string, again bool, ob *Observer) map[string]naming.Named {
	all := make(map[string]naming.Named, len(names))
	kept := make(map[string]reading, len(names))
	left := readAtOnce
	for _, name := range names {
		old, known := ob.read[name]
		if at, _ := ob.sighting(name); !known || old.size != at.size || old.mtime != at.mtime {
			if left == 0 && again || ctx.Err() != nil {
				continue
			}
			left--
			named, err := o.readNamed(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue // gone since it was listed
			}
			if err != nil {
				named = naming.Named{Fault: fmt.Sprintf("%q cannot be read: %v", name, err)}
			}
			old = reading{at.size, at.mtime, named}
		}
		kept[name] = old
		all[name] = old.Named
	}
	ob.read = kept
	return all
}

// readAnew is for one look alone.
func (o *Outbox) readAnew(ctx context.Context) func(names []string) map[string]naming.Named {
	return func(names []string) map[string]naming.Named { return o.named(ctx, names, false, NewObserver()) }
}

// readNamed reads one document in the outbox.
func (o *Outbox) readNamed(name string) (named naming.Named, err error) {
	f, err := o.p.Folder.OpenFile(path.Join(outboxDir, name), fsx.ReadOnly, 0)
	if err != nil {
		return named, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	return ReadNamed(name, f)
}

// ReadNamed reads a document of this name for the attachments that it names. What is no
// XML names nothing, and no fault is an error of its own: an error is one of the disk.
func ReadNamed(name string, f io.ReaderAt) (named naming.Named, err error) {
	whole := func() io.Reader { return io.NewSectionReader(f, 0, math.MaxInt64) }
	r := bufio.NewReader(whole())
	head, _ := r.Peek(512) // what is there
	if !strings.EqualFold(path.Ext(name), ".xml") && !xmlstream.Begins(head) {
		return named, nil
	}
	kind, refs, err := embedded.References(r)
	if kind == embedded.Unknown && err == nil {
		// It names nothing that we know of. What is cut off is not sent all the same.
		err = xmlstream.Check(whole(), xmlstream.Limits{})
	}
	var fault *embedded.Error
	var syntax *xmlstream.SyntaxError
	if errors.As(err, &fault) || errors.As(err, &syntax) {
		return naming.Named{Fault: fmt.Sprintf("%q cannot be read: %v", name, err)}, nil
	}
	for _, ref := range refs {
		if !ref.Embedded {
			named.Files = append(named.Files, ref.Names())
		}
	}
	return named, err
}
