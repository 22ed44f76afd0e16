package as2

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/pipeline"
)

// maxLayers bounds how often a message may be wrapped.
const maxLayers = 6

// peeler takes the layers off, outermost first.
type peeler struct {
	o      OpenOptions
	e      *Envelope
	sink   Sink
	src    *tracked
	out    *trackedWriter // the part that is being written
	spools spools
	opened *Opened
	secret bool      // inside of encryption that does not protect from changes
	start  string    // Content-ID of the root of multipart/related
	exam   *examiner // nil = the message is opened, not examined
}

// maxNotes and maxNote bound what a message can make us write down, in notes and bytes.
const (
	maxNotes = 20
	maxNote  = 300
)

func (p *peeler) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxNote {
		text = strings.ToValidUTF8(text[:maxNote], "") + "..."
	}
	if len(p.opened.Notes) < maxNotes && !slices.Contains(p.opened.Notes, text) {
		p.opened.Notes = append(p.opened.Notes, text)
	}
}

// failed reports that the connection or the disk gave up: nothing more can be learnt.
func (p *peeler) failed() bool {
	return p.src.err != nil || p.out.err != nil || p.spools.err != nil
}

// layer adds a layer and returns its index.
func (p *peeler) layer(l Layer) int {
	p.opened.Layers = append(p.opened.Layers, l)
	return len(p.opened.Layers) - 1
}

// peel handles one entity: raw are the bytes of its header, for the MIC.
func (p *peeler) peel(body *bufio.Reader, raw []byte, h textproto.MIMEHeader) error {
	typ, params := mediaType(h.Get("Content-Type"))
	wrapped := typ == "multipart/signed" || isPKCS7(typ, params, len(p.opened.Layers) == 0)
	switch {
	case wrapped && len(p.opened.Layers) == maxLayers:
		return fmt.Errorf("%w: more than %d layers", errStructure, maxLayers)
	case typ == "multipart/signed":
		return p.signed(body, params)
	case wrapped:
		return p.pkcs7(body, params, h)
	}
	return p.content(body, raw, h)
}

// isPKCS7 reports whether an entity is a CMS structure to be opened. One that is only
// called so by its file name is a layer if it is the outermost, or has the name that
// layers have; another one is a document, such as an invoice that its issuer signed.
func isPKCS7(typ string, params map[string]string, outermost bool) bool {
	switch typ {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	case "application/octet-stream":
		name := strings.ToLower(params["name"])
		return name == "smime.p7m" || name == "smime.p7z" || outermost && isWrapperName(name)
	}
	return false
}

// isWrapperName reports whether a file name belongs to a layer and not to a payload.
func isWrapperName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".p7m", ".p7z", ".p7s", ".p7c":
		return true
	}
	return false
}

func (p *peeler) pkcs7(body *bufio.Reader, params map[string]string, h textproto.MIMEHeader) error {
	r, contrary := decodeCMS(body, h)
	if contrary {
		p.note("the transfer encoding is not %q, as the header says", h.Get("Content-Transfer-Encoding"))
	}
	decoded, done := buffer(r)
	defer done()
	switch smimeType(params, decoded) {
	case cms.Enveloped, cms.AuthEnveloped:
		return p.enveloped(decoded)
	case cms.Compressed:
		return p.compressed(decoded)
	case cms.Signed:
		return p.opaque(decoded)
	}
	return fmt.Errorf("%w: %w: application/pkcs7-mime that is neither encrypted, compressed nor signed", errStructure, errFormat)
}

// smimeType looks at the bytes: the parameter is missing or wrong often enough.
func smimeType(params map[string]string, body *bufio.Reader) cms.ContentType {
	if t := cms.Sniff(body); t != cms.Unknown {
		return t
	}
	switch strings.ToLower(params["smime-type"]) {
	case "enveloped-data", "authenveloped-data":
		return cms.Enveloped
	case "compressed-data":
		return cms.Compressed
	case "signed-data":
		return cms.Signed
	}
	return cms.Unknown
}

// inside reads the entity that a layer holds, and then the rest of the layer whatever
// went wrong: its padding, its end and its signature count, and the same work is done
// for every fault. err is about the entity, end about the layer around it. sums, if
// any, get the exact bytes of the entity.
func (p *peeler) inside(r io.Reader, what string, sums *entityHashes) (err, end error) {
	br := buffered(r)
	defer release(br)
	raw, h, err := readMIMEHeader(br)
	if errors.Is(err, errNoHeader) {
		h, err = textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}}, p.headless(what)
	}
	body := br
	if sums != nil {
		// Whoever waits for the digests of a large message has them from another core.
		sums.header(raw, h)
		beside := pipeline.NewWriter(sums)
		defer beside.Close() // digests take everything
		body = buffered(io.TeeReader(body, beside))
		defer release(body)
	}
	if p.exam != nil {
		t := p.exam.entity(what)
		t.header(raw, h)
		body = buffered(io.TeeReader(body, t))
		defer release(body)
	}
	if err == nil {
		err = p.peel(body, raw, h)
	}
	if p.failed() {
		return err, nil
	}
	behind, end := drain(body)
	switch {
	case behind == 0 || err != nil || end != nil:
	case p.secret:
		// Behind the end an attacker could hang blocks of other ciphertexts.
		err = fmt.Errorf("%w: bytes behind the end of the %s", errStructure, what)
	default:
		p.note("bytes behind the end of the %s were passed over", what)
	}
	return err, end
}

// headless decides about content without a MIME header of its own. mendelson's
// encrypted messages have none: the bytes are the payload.
func (p *peeler) headless(what string) error {
	if p.secret && p.o.RequireSigned && !p.opened.Signed {
		return errNoHeader // noise, or a message that would be refused anyway
	}
	p.note("the %s has no MIME header of its own and was taken for the payload", what)
	return nil
}

func (p *peeler) enveloped(body io.Reader) error {
	p.opened.Encrypted = true
	at := p.layer(Layer{Kind: Encrypted})
	d, err := cms.Decrypt(body, cms.DecryptOptions{Identities: p.o.Identities, Ciphers: p.ciphers(), Spool: p.spools.maker(), Limits: p.o.Limits})
	l := &p.opened.Layers[at]
	if refused := (*cms.NotAcceptedError)(nil); errors.As(err, &refused) {
		l.Cipher, l.Legacy = refused.Cipher, refused.Cipher.Legacy()
		return p.acceptCipher(refused.Cipher)
	}
	if err != nil {
		return err
	}
	defer d.Close() // frees a spool where reading has stopped early; all else was said by Read
	l.Cipher, l.Transport, l.Recipients, l.Legacy = d.Cipher, d.Transport, d.Recipients, d.Cipher.Legacy()
	if err := p.acceptCipher(d.Cipher); err != nil {
		return err
	}
	p.secret = p.secret || !d.Cipher.Authenticated()
	err, end := p.inside(d, "decrypted entity", nil)
	switch {
	case errors.Is(end, cms.ErrDecrypt) && errors.Is(err, errLessProtected) && !d.Cipher.Authenticated():
		// That it is not signed shows before its end. To tell then whether the padding
		// was right would be the oracle that ErrDecrypt is there to avoid.
	case errors.Is(end, cms.ErrDecrypt):
		err = end
		if d.Detail() != "" {
			err = fmt.Errorf("%w: %s (recipients: %s)", cms.ErrDecrypt, d.Detail(), strings.Join(d.Recipients, "; "))
		}
	case err == nil:
		err = end
	case end == nil && d.Cipher.Authenticated():
		err = authentic{err}
	}
	return err
}

// ciphers are what cms may decrypt. An examination looks into everything.
func (p *peeler) ciphers() []cms.Cipher {
	if p.exam == nil {
		return p.o.Ciphers
	}
	var all []cms.Cipher
	for _, name := range cms.Ciphers() {
		if c, err := cms.ParseCipher(name); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// acceptCipher holds the cipher against the agreement. It stands in clear in the
// message, so this answer tells nothing.
func (p *peeler) acceptCipher(c cms.Cipher) error {
	if c == cms.NoCipher {
		return nil // one that we do not have shows as a failed decryption
	}
	if p.o.Ciphers == nil && c.Legacy() || p.o.Ciphers != nil && !slices.Contains(p.o.Ciphers, c) {
		return p.object(weakCipher(c.String()))
	}
	if c.Legacy() {
		p.note("it is encrypted with %s, a legacy cipher", c)
	}
	return nil
}

func (p *peeler) compressed(body io.Reader) error {
	p.opened.Compressed = true
	p.layer(Layer{Kind: Compressed})
	z, err := cms.Decompress(body, p.o.Limits)
	if err == nil {
		var end error
		if err, end = p.inside(&inflated{r: z, wire: p.src, limit: p.o.MaxPayload}, "decompressed entity", nil); end != nil {
			err = end // what does not inflate has no sense inside either
		}
	} else if errors.Is(err, cms.ErrSyntax) {
		err = errors.Join(cms.ErrDecompress, err)
	}
	return err
}

// inflated bounds what may come out of compressed content, also where it never becomes
// payload: in a preamble, a header, a layer inside. Without a limit of the payload the
// message itself is the measure, so that layers do not multiply.
type inflated struct {
	r     io.Reader
	wire  *tracked // the message itself
	limit int64    // of the payload, bytes; 0 = none
	n     int64
}

const (
	maxRatio  = 1000     // bytes per byte of the message, which is about what one deflate can make
	freeRatio = 16 << 20 // bytes that may come out at any ratio
	overhead  = 1 << 20  // headers and signatures around a payload, bytes; base64 doubles it at most
)

func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.n += int64(n)
	over := i.n > freeRatio && i.n/maxRatio > i.wire.n
	if i.limit > 0 {
		over = i.n > 2*i.limit+overhead
	}
	if over {
		return 0, fmt.Errorf("%w: it inflates to more than %d bytes", errTooLong, i.n)
	}
	return n, err
}
