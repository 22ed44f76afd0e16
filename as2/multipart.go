package as2

import (
	"bytes"
	"errors"
	"io"
)

// errMultipart is wrapped by errors about the structure of a multipart body.
var errMultipart = errors.New("as2: malformed multipart body")

// parts splits a multipart body (RFC 2046, 5.1.1) as a stream. After next, Read gives
// the exact bytes of one part, its header included, without the line break that
// belongs to the boundary. Boundaries may be preceded by a bare LF.
type parts struct {
	r     io.Reader
	delim []byte // LF, two hyphens, boundary
	buf   []byte // of whole, which release gives back
	whole *[streamBuffer]byte
	start int // unread bytes of buf begin here
	end   int
	err   error // of r, when all of buf was read
	found int   // offset of a delimiter in buf, -1 = none found yet
	line  int   // length of the delimiter with the rest of its line
	last  bool  // the delimiter closes the body
}

// maxBoundary is more than RFC 2046, 5.1.1 allows (70).
const maxBoundary = 200

func newParts(r io.Reader, boundary string) (*parts, error) {
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, errors.Join(errMultipart, errors.New("as2: no boundary, or one that is too long"))
	}
	p := &parts{r: r, delim: []byte("\n--" + boundary), whole: spare.Get().(*[streamBuffer]byte), found: -1}
	p.buf = p.whole[:]
	// The first boundary may be the first line: pretend that a line ends before it.
	p.buf[0], p.end = '\n', 1
	return p, nil
}

// next skips what is left of the present part and goes to the following one. io.EOF
// means that there is none.
func (p *parts) next() error {
	if _, err := io.Copy(io.Discard, readerOnly{p}); err != nil {
		return err
	}
	if p.last {
		return io.EOF
	}
	p.start += p.line
	p.found = -1
	return nil
}

// epilogue reads what follows the last boundary, to the end, and reports whether it is
// more than blanks. An epilogue is legal and means nothing (RFC 2046, 5.1.1).
func (p *parts) epilogue() (more bool, err error) {
	p.start += p.line
	for {
		more = more || len(bytes.TrimSpace(p.buf[p.start:p.end])) > 0
		p.start, p.end = 0, 0
		if p.err == io.EOF {
			return more, nil
		}
		if p.err != nil {
			return more, p.err
		}
		p.fill()
	}
}

// release gives the buffer back. Nothing is read afterwards; who cannot tell leaves it to the
// collector.
func (p *parts) release() {
	spare.Put(p.whole)
	p.buf, p.whole, p.start, p.end, p.err = nil, nil, 0, 0, io.ErrClosedPipe
}

type readerOnly struct{ io.Reader }

func (p *parts) Read(out []byte) (int, error) {
	for {
		n, err := p.ready()
		if err != nil {
			return 0, err
		}
		if n > 0 {
			n = copy(out, p.buf[p.start:p.start+n])
			p.start += n
			return n, nil
		}
		if p.found >= 0 {
			return 0, io.EOF
		}
		p.fill()
	}
}

// ready is the number of bytes that certainly belong to the part.
func (p *parts) ready() (int, error) {
	if p.found < 0 {
		p.search()
	}
	if p.found >= 0 {
		end := p.found
		if end > p.start && p.buf[end-1] == '\r' {
			end--
		}
		if end <= p.start {
			p.start = p.found
			return 0, nil
		}
		return end - p.start, nil
	}
	if p.err != nil {
		if p.err == io.EOF {
			return 0, errors.Join(errMultipart, errors.New("as2: the closing boundary is missing"))
		}
		return 0, p.err
	}
	// The end of buf may be the beginning of a delimiter, with a CR before it. What
	// search has looked at up to there is safe.
	tail := len(p.delim) + 1
	if i := bytes.LastIndexByte(p.buf[max(p.start, p.end-tail-maxLine):p.end], '\n'); i >= 0 {
		at := max(p.start, p.end-tail-maxLine) + i
		if at > p.start && p.buf[at-1] == '\r' {
			at--
		}
		return at - p.start, nil
	}
	return max(0, p.end-p.start-1), nil // the last byte may be a CR
}

// maxLine is how many blanks may follow a boundary on its line.
const maxLine = 100

// search looks for a delimiter whose line is complete in buf.
func (p *parts) search() {
	from := p.start
	for {
		i := bytes.Index(p.buf[from:p.end], p.delim)
		if i < 0 {
			return
		}
		at := from + i
		after := p.buf[at+len(p.delim) : p.end]
		last := bytes.HasPrefix(after, []byte("--"))
		n := 0
		if last {
			n = 2
		}
		for n < len(after) && (after[n] == ' ' || after[n] == '\t') && n < maxLine {
			n++
		}
		rest := after[n:]
		switch {
		case last && (len(rest) > 0 && (rest[0] == '\r' || rest[0] == '\n') || len(rest) == 0 && p.err != nil):
			// What follows is the epilogue.
		case !last && len(rest) > 0 && rest[0] == '\n':
		case !last && len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			n++
		case p.err == nil && (len(rest) == 0 || len(rest) == 1 && rest[0] == '\r' || len(after) < 2):
			return // more bytes will tell
		default:
			from = at + 1 // a line that only begins like a boundary
			continue
		}
		p.found, p.last, p.line = at, last, len(p.delim)+n
		if !last {
			p.line++ // the LF
		}
		return
	}
}

// fill moves what is unread to the front and reads more.
func (p *parts) fill() {
	p.end = copy(p.buf, p.buf[p.start:p.end])
	p.start = 0
	if p.err != nil {
		return
	}
	n, err := p.r.Read(p.buf[p.end:])
	p.end += n
	p.err = err
}
