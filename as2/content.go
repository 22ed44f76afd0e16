package as2

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/pipeline"
)

// content is the innermost entity: one file, or several in a multipart. All layers are
// known here, so what was agreed is decided before a byte is written.
func (p *peeler) content(body *bufio.Reader, raw []byte, h textproto.MIMEHeader) (err error) {
	if err := p.requirements(); err != nil {
		return err
	}
	typ, params := mediaType(h.Get("Content-Type"))
	switch typ {
	case "multipart/encrypted", "multipart/report", "message/disposition-notification":
		return fmt.Errorf("%w: %s is no business document", errFormat, typ)
	}
	p.start = StripID(params["start"])
	var src io.Reader = body
	if !p.opened.Signed {
		// RFC 4130, 7.3.1: the MIC of what is unsigned, with the inner header if there is
		// a layer around it.
		mic := newHashes([]cms.Digest{p.unsignedDigest()})
		mic.Write(raw)
		beside := pipeline.NewWriter(mic)
		defer func() {
			beside.Close() // digests take everything
			if err == nil {
				p.opened.MICs = mic.mics()
			}
		}()
		src = io.TeeReader(body, beside)
	}
	if err := p.files(src, h, 0); err != nil {
		return err
	}
	p.root()
	// A transfer encoding or a multipart may end before the entity does.
	if _, err := io.Copy(io.Discard, readerOnly{src}); err != nil {
		return err
	}
	return nil
}

// requirements holds the layers that were really peeled against what was agreed.
func (p *peeler) requirements() error {
	var err error
	switch {
	case p.o.RequireEncrypted && !p.opened.Encrypted:
		err = fmt.Errorf("%w: it is %s and not encrypted", errLessProtected, describeLayers(p.opened.Layers))
	case p.o.RequireSigned && !p.opened.Signed:
		err = fmt.Errorf("%w: it is %s and not signed", errLessProtected, describeLayers(p.opened.Layers))
	default:
		return nil
	}
	return p.object(err)
}

// unsignedDigest is the first accepted one that the sender asks for (RFC 4130, 7.3.1), or
// the first that we know: a MIC is no signature. Without any it is what his version makes the default: SHA-256 (rfc4130bis, 8.4.3) or
// SHA-1 (RFC 4130, 7.4.3).
func (p *peeler) unsignedDigest() cms.Digest {
	d, ok := p.e.Receipt.digest(p.o.Digests)
	switch {
	case ok:
		return d
	case len(p.e.Receipt.Digests) > 0:
		return p.e.Receipt.Digests[0]
	case p.e.Version != "" && atLeast(p.e.Version, 3):
		return cms.SHA256
	}
	return cms.SHA1
}

// maxNesting is how deep multiparts may stand in each other.
const maxNesting = 4

// files writes what an entity holds. Parts of a batch are delivered as they are: a
// signature or encryption inside of one belongs to the file. What its sender compressed
// by itself is inflated: compression is a matter of transport.
func (p *peeler) files(r io.Reader, h textproto.MIMEHeader, depth int) error {
	typ, params := mediaType(h.Get("Content-Type"))
	squeezed := depth > 0 && strings.HasSuffix(typ, "/pkcs7-mime") && strings.EqualFold(params["smime-type"], "compressed-data")
	if !squeezed && (!strings.HasPrefix(typ, "multipart/") || typ == "multipart/signed") {
		return p.file(r, h, depth > 0)
	}
	if depth == maxNesting {
		return fmt.Errorf("%w: multiparts nested deeper than %d", errStructure, maxNesting)
	}
	if squeezed {
		return p.squeezed(r, h, depth)
	}
	if typ != "multipart/related" { // RFC 6362 knows no other
		p.note("the files came in %s and were taken for one batch", typ)
	}
	ps, err := newParts(r, params["boundary"])
	if err == nil {
		defer ps.release()
		err = firstPart(ps)
	}
	for ; err == nil; err = ps.next() {
		br := buffered(ps)
		part, herr := partHeader(br)
		if herr == nil {
			herr = p.files(br, part, depth+1)
		}
		release(br)
		if herr != nil {
			return herr
		}
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// partHeader takes the header off a part, which may have none.
func partHeader(br *bufio.Reader) (textproto.MIMEHeader, error) {
	_, h, err := readMIMEHeader(br)
	if errors.Is(err, errNoHeader) {
		return textproto.MIMEHeader{}, nil
	}
	return h, err
}

// squeezed writes a part that is a CompressedData with an entity of its own inside. The
// part's identifier, and a name that is no layer's, are those of the file.
func (p *peeler) squeezed(r io.Reader, h textproto.MIMEHeader, depth int) error {
	outer, done := buffer(r)
	defer done()
	decoded, _ := decodeCMS(outer, h)
	z, err := cms.Decompress(decoded, p.o.Limits)
	if errors.Is(err, cms.ErrSyntax) {
		err = errors.Join(cms.ErrDecompress, err)
	}
	if err != nil {
		return err
	}
	br := buffered(&inflated{r: z, wire: p.src, limit: p.o.MaxPayload})
	defer release(br)
	inner, err := partHeader(br)
	if err != nil {
		return err
	}
	if inner.Get("Content-Id") == "" {
		inner.Set("Content-Id", h.Get("Content-Id"))
	}
	if name := fileName(h); fileName(inner) == "" && !isWrapperName(name) {
		inner.Set("Content-Disposition", h.Get("Content-Disposition"))
	}
	p.note("file %d was compressed by itself", len(p.opened.Parts)+1)
	if err := p.files(br, inner, depth+1); err != nil {
		return err
	}
	_, err = drain(br) // its end and its checksum count
	return err
}

// file writes one file to the sink.
func (p *peeler) file(r io.Reader, h textproto.MIMEHeader, batch bool) error {
	part := Part{Index: len(p.opened.Parts), Filename: fileName(h), ContentID: StripID(h.Get("Content-Id"))}
	part.ContentType, _ = mediaType(h.Get("Content-Type"))
	part.Document = p.start == "" && part.Index == 0 || p.start != "" && part.ContentID == p.start
	if part.Index == p.o.MaxParts {
		return fmt.Errorf("%w: more than %d files", errTooLong, p.o.MaxParts)
	}
	if !batch && part.Filename == "" && (len(p.opened.Layers) == 0 || !isWrapperName(p.e.Filename)) {
		part.Filename = p.e.Filename // mendelson names it in the HTTP header alone
	}
	if !knownTransfer(h) {
		p.note("the transfer encoding %q is unknown; the bytes were taken as they are", h.Get("Content-Transfer-Encoding"))
	}
	file, err := p.sink(part)
	if err != nil {
		p.out.err = err
		return err
	}
	before := p.out.n
	beside := pipeline.NewWriter(file) // what is large is written while more of it is decrypted
	defer beside.Close()               // again, or after a panic
	p.out.w = beside
	var w io.Writer = p.out
	if p.exam != nil {
		w = io.MultiWriter(w, p.exam.file(part))
	}
	buf := spare.Get().(*[streamBuffer]byte)
	defer spare.Put(buf)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, readerOnly{decodeTransfer(r, h)}, buf[:])
	if cerr := cmp.Or(beside.Close(), file.Close()); cerr != nil && p.out.err == nil {
		p.out.err = cerr
	}
	part.Size = p.out.n - before
	p.opened.Parts = append(p.opened.Parts, part)
	if err == nil {
		err = p.out.err
	}
	return err
}

// root makes sure that one of the parts is the document: the one that start names, or
// the first (RFC 2387, 3.2).
func (p *peeler) root() {
	documents := 0
	for i := range p.opened.Parts {
		if p.opened.Parts[i].Document {
			if documents++; documents > 1 {
				p.opened.Parts[i].Document = false // a Content-ID that is there twice
			}
		}
	}
	if documents == 0 {
		p.opened.Parts[0].Document = true
		p.note("no part has the Content-ID %q that the message names as its root; the first one was taken", p.start)
	}
}

// drain reads to the end and counts what is more than blanks.
func drain(r io.Reader) (n int64, err error) {
	buf := spare.Get().(*[streamBuffer]byte)
	defer spare.Put(buf)
	for {
		k, err := r.Read(buf[:])
		for _, c := range buf[:k] {
			if !strings.ContainsRune(blanks, rune(c)) {
				n++
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// tracked counts, and remembers the error of the connection below.
type tracked struct {
	r   io.Reader
	n   int64
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// trackedWriter counts, limits, and remembers the error of the disk below.
type trackedWriter struct {
	w       io.Writer
	n       int64
	left    int64
	limited bool
	err     error
}

func (t *trackedWriter) Write(p []byte) (int, error) {
	if t.limited {
		if t.left -= int64(len(p)); t.left < 0 {
			return 0, errTooLong
		}
	}
	n, err := t.w.Write(p)
	t.n += int64(n)
	if err != nil {
		t.err = err
	}
	return n, err
}
