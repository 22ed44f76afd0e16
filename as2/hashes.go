package as2

import (
	"bytes"
	"fmt"
	"hash"
	"net/textproto"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// hashes computes several digests of one stream, in a fixed order.
type hashes struct {
	digests []cms.Digest
	states  []hash.Hash
	written int64
	keep    int // so many go on beyond maxGuessed bytes
	guessed []cms.Digest
	held    *[streamBuffer]byte // what was written, for digests that nobody may ever ask for; nil = they are computed, or given up
}

// maxGuessed is up to where digests are computed that the message does not announce.
const maxGuessed = 16 << 20

// newHashes starts digests. The guessed ones are dropped beyond maxGuessed bytes: a
// wrong micalg is forgiven up to there, larger messages are worth the speed.
func newHashes(ds []cms.Digest, guessed ...cms.Digest) *hashes {
	h := &hashes{}
	h.add(ds)
	h.keep = len(h.states)
	for _, d := range guessed {
		if d != cms.NoDigest && !slices.Contains(h.digests, d) && !slices.Contains(h.guessed, d) {
			h.guessed = append(h.guessed, d)
		}
	}
	if len(h.guessed) > 0 {
		h.held = spare.Get().(*[streamBuffer]byte)
	}
	return h
}

// guess computes those of some digests that were only guessed so far. A document is smaller
// than what is held, so most messages cost the digests that they name and no others.
func (h *hashes) guess(ds []cms.Digest) {
	if h.held == nil {
		return
	}
	for _, d := range ds {
		if slices.Contains(h.guessed, d) {
			h.add([]cms.Digest{d})
			h.states[len(h.states)-1].Write(h.held[:h.written])
		}
	}
	h.forget()
}

// forget gives back what is held: no digest is added any more.
func (h *hashes) forget() {
	if h.held != nil {
		spare.Put(h.held)
		h.held = nil
	}
}

func (h *hashes) add(ds []cms.Digest) {
	for _, d := range ds {
		if d != cms.NoDigest && !slices.Contains(h.digests, d) {
			h.digests = append(h.digests, d)
			h.states = append(h.states, d.New())
		}
	}
}

func (h *hashes) Write(p []byte) (int, error) {
	if h.held != nil {
		if h.written+int64(len(p)) > streamBuffer {
			h.guess(h.guessed)
		} else {
			copy(h.held[h.written:], p)
		}
	}
	h.written += int64(len(p))
	if h.written > maxGuessed && len(h.states) > h.keep {
		h.digests, h.states = h.digests[:h.keep], h.states[:h.keep]
	}
	for _, s := range h.states {
		s.Write(p)
	}
	return len(p), nil
}

// clone is a copy that goes its own way from here.
func (h *hashes) clone() *hashes {
	c := &hashes{digests: slices.Clone(h.digests), written: h.written, keep: h.keep, guessed: h.guessed}
	if h.held != nil {
		c.held = spare.Get().(*[streamBuffer]byte)
		copy(c.held[:h.written], h.held[:h.written])
	}
	for _, s := range h.states {
		state, err := s.(hash.Cloner).Clone()
		if err != nil {
			panic(fmt.Sprintf("as2: %T does not clone: %v", s, err)) // those of the standard library do
		}
		c.states = append(c.states, state)
	}
	return c
}

func (h *hashes) mics() []MIC {
	mics := make([]MIC, len(h.states))
	for i, s := range h.states {
		mics[i] = MIC{h.digests[i], s.Sum(nil)}
	}
	return mics
}

func (h *hashes) sums() map[cms.Digest][]byte {
	sums := make(map[cms.Digest][]byte, len(h.states))
	for i, s := range h.states {
		sums[h.digests[i]] = s.Sum(nil)
	}
	return sums
}

// entityHashes are the digests of a MIME entity: over its exact bytes and, from the
// first bare line feed of a text on, also with CRLF line ends. Some senders sign text
// in its canonical form (RFC 1847, 2.1) and then send what they had.
type entityHashes struct {
	exact     *hashes
	canonical *hashes // nil = no bare line feed so far, or no text
	text      bool
	last      byte
	head      []byte // the first 32 bytes
}

// guess computes those of some digests that were only guessed so far.
func (e *entityHashes) guess(ds []cms.Digest) {
	e.exact.guess(ds)
	if e.canonical != nil {
		e.canonical.guess(ds)
	}
}

// header takes the header of the entity and decides whether it is a text.
func (e *entityHashes) header(raw []byte, h textproto.MIMEHeader) {
	e.text = e.text || isText(h)
	e.Write(raw)
}

// isText reports whether a mail agent would convert line ends in an entity: it names
// a transfer encoding that consists of lines, or a text type. Without either the
// content is binary in AS2.
func isText(h textproto.MIMEHeader) bool {
	switch transferEncoding(h) {
	case "7bit", "8bit", "quoted-printable", "base64":
		return true
	case "binary":
		return false
	}
	typ, _ := mediaType(h.Get("Content-Type"))
	return strings.HasPrefix(typ, "text/")
}

func (e *entityHashes) Write(p []byte) (int, error) {
	n := len(p)
	if missing := 32 - len(e.head); missing > 0 {
		e.head = append(e.head, p[:min(n, missing)]...)
	}
	if e.text {
		e.writeCanonical(p)
	}
	e.exact.Write(p)
	if n > 0 {
		e.last = p[n-1]
	}
	return n, nil
}

// writeCanonical gives the canonical digests p with CRLF for each bare LF. It comes
// before p is in the exact ones, so that it can start as their copy.
func (e *entityHashes) writeCanonical(p []byte) {
	if e.canonical == nil {
		if bareLF(p, e.last) < 0 {
			return
		}
		e.canonical = e.exact.clone()
	}
	for last := e.last; ; last = '\n' {
		i := bareLF(p, last)
		if i < 0 {
			e.canonical.Write(p)
			return
		}
		e.canonical.Write(p[:i])
		e.canonical.Write([]byte("\r\n"))
		p = p[i+1:]
	}
}

// bareLF is the index of the first LF without a CR before it, -1 if there is none.
func bareLF(p []byte, last byte) int {
	for from := 0; ; {
		i := bytes.IndexByte(p[from:], '\n')
		if i < 0 {
			return -1
		}
		at := from + i
		before := last
		if at > 0 {
			before = p[at-1]
		}
		if before != '\r' {
			return at
		}
		from = at + 1
	}
}
