package inbox

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/xmlstream"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// extract takes the attachments out of the documents of a message, each a file of its own
// beside its untouched document. Where that cannot be done a note says why, and the
// document is delivered all the same.
func (r *request) extract(row *ledger.Received, l *layout) error {
	if len(l.batches) == 0 {
		return nil
	}
	used, tries := make(map[string]bool, len(row.Files)), map[string]int{}
	for _, f := range row.Files {
		used[r.p.fold(f.Final)] = true
	}
	left := r.p.Limits.WithDefaults()
	left.Entries -= len(row.Files)
	for i := range l.batches {
		b := &l.batches[i]
		document := row.Files[b.document]
		objects, err := r.extractFrom(document, b.document, left)
		var broken *embedded.Error
		if errors.As(err, &broken) {
			row.Notes = append(row.Notes, fmt.Sprintf("nothing was taken out of %q: %v", document.Entry, broken))
			if err := r.dropStaged(extractedPrefix(b.document)); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for n, o := range objects {
			name := r.nameFor(b.key, o.Name, used, tries)
			b.files = append(b.files, len(row.Files))
			row.Files = append(row.Files, ledger.ReceivedFile{Entry: o.Name, From: document.Entry, Staged: fmt.Sprint(extractedPrefix(b.document), n), Final: name, Size: o.Size, SHA256: hex.EncodeToString(o.SHA256[:])})
			left.Bytes -= o.Size
		}
		left.Entries -= len(objects)
	}
	return nil
}

// nameFor is a name that nothing else of the message has. tries are the numbers that were
// given under each name, so that thousands of one name are numbered once each.
func (r *request) nameFor(key, given string, used map[string]bool, tries map[string]int) string {
	name := naming.Safe(r.p.Rules.AttachmentName(key, naming.Safe(given)))
	ext := path.Ext(name)
	stem, first := strings.TrimSuffix(name, ext), r.p.fold(name)
	for used[r.p.fold(name)] {
		tries[first] = max(tries[first], 1) + 1
		number := fmt.Sprintf("~%d", tries[first])
		// Safe would cut a long name at the end of its stem, and the number with it.
		for keep := []rune(stem); ; keep = keep[:len(keep)-1] {
			name = string(keep) + number + ext
			if naming.Safe(name) == name || len(keep) == 0 {
				break
			}
		}
	}
	used[r.p.fold(name)] = true
	return name
}

// extractedPrefix begins the staged names of what was taken out of a file.
func extractedPrefix(document int) string {
	return fmt.Sprintf("%sout-of-%d-", fileName, document)
}

// extractFrom writes the attachments in one document to staged files. What is no document
// of a kind that has any has none.
func (r *request) extractFrom(document ledger.ReceivedFile, place int, left bundle.Limits) ([]embedded.Object, error) {
	f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), document.Staged), fsx.ReadOnly, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	if xml, err := isXML(f, document); err != nil || !xml {
		return nil, err
	}
	_, objects, err := embedded.Extract(f, embedded.Limits{Objects: cmp.Or(left.Entries, -1), Bytes: cmp.Or(left.Bytes, -1)}, func(i int, _ embedded.Object) (io.WriteCloser, error) {
		return r.create(fmt.Sprint(extractedPrefix(place), i))
	})
	return objects, err
}

// isXML goes by the extension, and by the first character where that says nothing.
func isXML(f io.ReaderAt, document ledger.ReceivedFile) (bool, error) {
	if strings.EqualFold(path.Ext(document.Final), ".xml") {
		return true, nil
	}
	head := make([]byte, 512)
	n, err := f.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return xmlstream.Begins(head[:n]), err
}
