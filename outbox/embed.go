package outbox

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/embedded"
	"github.com/as2drop/as2drop/ledger"
)

// embed is the document with its attachments in it; the form learns how long that is and,
// once it was written, its SHA-256. It is an *embedded.Error where the document cannot
// take them.
func (o *Outbox) embed(sent []outgoing, form *form) (as2.File, error) {
	document := sent[0]
	var names []string
	var sizes []int64
	var attachments []embedded.Source
	for _, f := range sent[1:] {
		names, sizes = append(names, f.name), append(sizes, f.size)
		attachments = append(attachments, o.asItIs(f).Write)
	}
	r, err := o.open(document)
	if err != nil {
		return as2.File{}, err
	}
	defer r.Close() // opened for reading: nothing can be lost
	plan, err := embedded.NewPlan(r, names)
	if err != nil {
		return as2.File{}, err
	}
	form.size = plan.Size(document.size, sizes)
	file := o.asItIs(document)
	write := file.Write
	file.Write = func(w io.Writer) error {
		sum := &summed{w, sha256.New()}
		if err := plan.Write(sum, write, attachments); err != nil {
			return err
		}
		form.made = fmt.Sprintf("%x", sum.hash.Sum(nil))
		return nil
	}
	return file, nil
}

// summed takes the digest of what is written.
type summed struct {
	w    io.Writer
	hash hash.Hash
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.hash.Write(b[:n])
	return n, err
}

// unembeddable is what follows from a document that cannot take its attachments. It would
// be the same with the next try, so nothing is sent; retry takes it from where it is filed.
func unembeddable(t *ledger.Transfer, fault *embedded.Error) decision {
	return decision{verdict: ledger.VerdictRefused, reason: fmt.Sprintf("%q cannot take its attachments: %s", t.Document, fault), next: fault.Next}
}
