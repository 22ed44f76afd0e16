package embedded

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
)

// Source writes the bytes of one file.
type Source func(w io.Writer) error

// Write writes the document with the attachments, which are given in the order of their
// names, in it. The document is the one that the plan was made for, byte for byte.
func (p *Plan) Write(w io.Writer, document Source, attachments []Source) error {
	buffered := bufio.NewWriterSize(w, 64<<10)
	s := &splice{w: buffered, edits: p.edits, attachments: attachments}
	if err := document(s); err != nil {
		return err
	}
	if len(s.edits) > 0 || s.skip > 0 {
		return fmt.Errorf("the document ends at byte %d, before the place at byte %d: it is not the one that was looked at", s.at, p.edits[len(p.edits)-1].at)
	}
	return buffered.Flush()
}

// Size is how long the result is, from the lengths of document and attachments in bytes.
func (p *Plan) Size(document int64, attachments []int64) int64 {
	n := document
	for _, e := range p.edits {
		n += int64(len(e.before)+len(e.after)) - e.remove + (attachments[e.attachment]+2)/3*4
	}
	return n
}

// splice passes a document on and puts the edits in as their places come by.
type splice struct {
	w           io.Writer
	at          int64 // offset in the document
	skip        int64 // bytes of it that are still to be left out
	edits       []edit
	attachments []Source
}

func (s *splice) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		rest := b[done:]
		if s.skip > 0 {
			n := min(s.skip, int64(len(rest)))
			s.skip, s.at, done = s.skip-n, s.at+n, done+int(n)
			continue
		}
		if len(s.edits) > 0 {
			if s.edits[0].at == s.at {
				if err := s.put(); err != nil {
					return done, err
				}
				continue
			}
			rest = rest[:min(s.edits[0].at-s.at, int64(len(rest)))]
		}
		n, err := s.w.Write(rest)
		s.at, done = s.at+int64(n), done+n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// put writes the next attachment in base64, in one line as most programs do it.
func (s *splice) put() error {
	e := s.edits[0]
	s.edits = s.edits[1:]
	s.skip = e.remove
	if _, err := s.w.Write(e.before); err != nil {
		return err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, s.w)
	if err := s.attachments[e.attachment](encoder); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	_, err := s.w.Write(e.after)
	return err
}
