package as2

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// OpenOptions are what a message is held against.
type OpenOptions struct {
	Identities       []cms.Identity // ours, to decrypt with
	Trust            cms.Trust      // whose signatures count: the sender's, as configured
	Ciphers          []cms.Cipher   // that are accepted; nil = all but the legacy ones
	Spool            cms.NewSpool   // for CCM of unstated length
	At               time.Time      // the moment of verification
	RequireSigned    bool
	RequireEncrypted bool
	Digests          []cms.Digest // accepted in signatures; empty = SHA-256 and better
	MaxPayload       int64        // bytes after all layers; 0 = no limit
	Limits           cms.Limits
}

// Part is one file of a message.
type Part struct {
	Index       int    // 0, 1, 2, ... in the order of the message
	Filename    string // foreign; empty = none stated
	ContentType string
	ContentID   string // without angle brackets; empty = none
	Document    bool   // the root of multipart/related (RFC 2387), or the only part
	Size        int64  // bytes; known when Open has returned
}

// Sink makes the place that a part is written to. Size is not known yet. Open closes
// each before it asks for the next one.
type Sink func(Part) (io.WriteCloser, error)

// Opened is what was found in a message.
type Opened struct {
	Layers     []string // outermost first: "encrypted aes-256-cbc", "signed sha-256", "compressed"
	Signed     bool
	Encrypted  bool
	Compressed bool
	Signer     *x509.Certificate // the configured one
	MICs       []MIC             // the one for the receipt first
	Parts      []Part            // the files; more than one where it was multipart/related
	Size       int64             // of all parts, bytes
	Notes      []string          // worth an event: an expired certificate, a liberty taken
}

// maxLayers bounds how often a message may be wrapped.
const maxLayers = 6

// Open peels the layers off a message and writes the payload, part by part, to what
// sink makes. Everything passes in one go and in constant memory.
//
// A *Fault is the sender's fault. Any other error is ours, or the connection's: the
// body could not be read or the payload not written. After any error what was written
// to the parts must be thrown away.
func Open(e *Envelope, body io.Reader, sink Sink, o OpenOptions) (*Opened, error) {
	if len(o.Digests) == 0 {
		o.Digests = []cms.Digest{cms.SHA256, cms.SHA384, cms.SHA512}
	}
	src := &tracked{r: body}
	p := &peeler{o: o, e: e, sink: sink, out: &trackedWriter{left: o.MaxPayload, limited: o.MaxPayload > 0}, opened: &Opened{}}
	h := textproto.MIMEHeader{}
	h.Set("Content-Type", e.ContentType)
	h.Set("Content-Transfer-Encoding", e.Encoding)
	err := p.peel(bufio.NewReaderSize(src, 64<<10), nil, h)
	if err == nil {
		err = p.requirements()
	}
	switch {
	case p.out.err != nil:
		return nil, fmt.Errorf("as2: writing the payload: %w", p.out.err)
	case src.err != nil:
		return nil, fmt.Errorf("as2: reading the message: %w", src.err)
	case err != nil:
		return nil, p.blame(err)
	}
	p.opened.Size = p.out.n
	return p.opened, nil
}

// peeler takes the layers off, outermost first.
type peeler struct {
	o      OpenOptions
	e      *Envelope
	sink   Sink
	out    *trackedWriter // the part that is being written
	opened *Opened
	mic    *hashes // of an unsigned message
}

// errStructure is wrapped by errors that attackers can provoke by changing a
// ciphertext. Inside of encryption they all get the answer of a failed decryption:
// which of them it was would tell whether the padding was right.
var errStructure = errors.New("as2: the message has no sensible structure")

// blame turns an error into the fault that is answered.
func (p *peeler) blame(err error) error {
	var f *Fault
	structural := errors.Is(err, errStructure) || errors.Is(err, errMultipart) || errors.Is(err, cms.ErrSyntax) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errNoHeader) || errors.Is(err, cms.ErrDecompress)
	switch {
	case errors.Is(err, cms.ErrDecrypt), structural && p.opened.Encrypted:
		return fault(DecryptionFailed, "The message could not be decrypted.", err.Error())
	case errors.As(err, &f):
		return f
	case errors.Is(err, errTooLong):
		return fault(UnexpectedProcessing, "The message is larger than this partner may send.", err.Error())
	case errors.Is(err, cms.ErrDecompress):
		return fault(DecompressionFailed, "The message could not be decompressed.", err.Error())
	case errors.Is(err, cms.ErrDigestMismatch):
		return fault(IntegrityCheckFailed, "The content is not what was signed.", err.Error())
	case errors.Is(err, cms.ErrNoSigner), errors.Is(err, cms.ErrUnknownSigner), errors.Is(err, cms.ErrBadSignature), errors.Is(err, cms.ErrAlgorithm):
		return fault(AuthenticationFailed, "The signature could not be verified with the certificates agreed upon.", err.Error())
	}
	return fault(UnexpectedProcessing, "The message could not be read.", err.Error())
}

// peel handles one entity: raw are the bytes of its header, for the MIC.
func (p *peeler) peel(body *bufio.Reader, raw []byte, h textproto.MIMEHeader) error {
	if len(p.opened.Layers) > maxLayers {
		return fmt.Errorf("%w: more than %d layers", errStructure, maxLayers)
	}
	typ, params := mediaType(h.Get("Content-Type"))
	switch {
	case typ == "multipart/signed":
		return p.signed(body, params)
	case typ == "application/pkcs7-mime" || typ == "application/x-pkcs7-mime" || typ == "application/octet-stream" && strings.HasSuffix(params["name"], ".p7m"):
		decoded := bufio.NewReaderSize(decodeTransfer(body, h), 64<<10)
		switch smimeType(params, decoded) {
		case cms.Enveloped:
			return p.enveloped(decoded)
		case cms.Compressed:
			return p.compressed(decoded)
		case cms.Signed:
			return p.opaque(decoded)
		}
		return fmt.Errorf("%w: application/pkcs7-mime that is neither encrypted, compressed nor signed", errStructure)
	}
	return p.payload(body, raw, h)
}

// smimeType looks at the bytes: the parameter is missing or wrong often enough.
func smimeType(params map[string]string, body *bufio.Reader) cms.ContentType {
	if t := cms.Sniff(body); t != cms.Unknown {
		return t
	}
	switch strings.ToLower(params["smime-type"]) {
	case "enveloped-data":
		return cms.Enveloped
	case "compressed-data":
		return cms.Compressed
	case "signed-data":
		return cms.Signed
	}
	return cms.Unknown
}

func (p *peeler) enveloped(body io.Reader) error {
	p.opened.Encrypted = true
	d, err := cms.Decrypt(body, cms.DecryptOptions{Identities: p.o.Identities, Ciphers: p.o.Ciphers, Spool: p.o.Spool, Limits: p.o.Limits})
	if err != nil {
		return err
	}
	p.opened.Layers = append(p.opened.Layers, "encrypted "+d.Cipher.String())
	err = p.inside(d)
	if errors.Is(err, cms.ErrDecrypt) && d.Detail() != "" {
		return fmt.Errorf("%w: %s (recipients: %s)", cms.ErrDecrypt, d.Detail(), strings.Join(d.Recipients, "; "))
	}
	return err
}

func (p *peeler) compressed(body io.Reader) error {
	p.opened.Compressed = true
	p.opened.Layers = append(p.opened.Layers, "compressed")
	z, err := cms.Decompress(body, p.o.Limits)
	if err != nil {
		if errors.Is(err, cms.ErrSyntax) {
			err = errors.Join(cms.ErrDecompress, err)
		}
		return err
	}
	return p.inside(z)
}

func (p *peeler) opaque(body io.Reader) error {
	s, err := cms.OpenSigned(body, p.o.Limits)
	if err != nil {
		return err
	}
	if !s.Opaque() {
		return fmt.Errorf("%w: signed-data without content", errStructure)
	}
	at := len(p.opened.Layers)
	p.opened.Layers = append(p.opened.Layers, "signed")
	outermost := !p.opened.Signed
	p.opened.Signed = true
	if err := p.inside(s); err != nil {
		return err
	}
	return p.verify(s, s.Sums(), outermost, at)
}

// inside reads the entity that a layer holds, to its end.
func (p *peeler) inside(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	raw, h, err := readMIMEHeader(br)
	if errors.Is(err, errNoHeader) {
		if p.o.RequireSigned && !p.opened.Signed {
			return err // noise, or a message that would be refused anyway
		}
		// mendelson's encrypted messages have no inner header: the bytes are the payload.
		raw, h, err = nil, textproto.MIMEHeader{"Content-Type": {"application/octet-stream"}}, nil
	}
	if err != nil {
		return err
	}
	if err := p.peel(br, raw, h); err != nil {
		return err
	}
	// The padding and the end of the structure count too.
	_, err = io.Copy(io.Discard, br)
	return err
}

// signed reads a multipart/signed (RFC 1847, 2.1): the first part passes through the
// digests as it is, then its signature is verified.
func (p *peeler) signed(body io.Reader, params map[string]string) error {
	at := len(p.opened.Layers)
	p.opened.Layers = append(p.opened.Layers, "signed")
	outermost := !p.opened.Signed
	p.opened.Signed = true
	ps, err := newParts(body, params["boundary"])
	if err != nil {
		return err
	}
	sums := newHashes(p.digestsFor(params["micalg"]))
	if err := firstPart(ps); err != nil {
		return err
	}
	if err := p.inside(io.TeeReader(ps, sums)); err != nil {
		return err
	}
	signature, err := p.signaturePart(ps)
	if err != nil {
		return err
	}
	return p.verify(signature, sums.sums(), outermost, at)
}

// firstPart skips the preamble.
func firstPart(ps *parts) error {
	if err := ps.next(); err != nil {
		return errors.Join(errMultipart, err)
	}
	return nil
}

// digestsFor are those of the micalg parameter that are accepted; all accepted ones
// where it says nothing that we understand.
func (p *peeler) digestsFor(micalg string) []cms.Digest {
	var ds []cms.Digest
	for name := range strings.SplitSeq(micalg, ",") {
		if d, err := cms.ParseDigest(name); err == nil && slices.Contains(p.o.Digests, d) {
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 {
		return p.o.Digests
	}
	return ds
}

// maxSignature bounds the signature part, in bytes of base64.
const maxSignature = 2 << 20

func (p *peeler) signaturePart(ps *parts) (*cms.Signature, error) {
	if err := ps.next(); err != nil {
		return nil, errors.Join(errMultipart, fmt.Errorf("as2: no signature part: %w", err))
	}
	br := bufio.NewReader(io.LimitReader(ps, maxSignature))
	_, h, err := readMIMEHeader(br)
	if err != nil {
		return nil, err
	}
	s, err := cms.ParseSignature(decodeTransfer(br, h), p.o.Limits)
	if err != nil {
		return nil, err
	}
	if err := ps.next(); err != io.EOF {
		return nil, errors.Join(errMultipart, errors.New("as2: more than two parts in multipart/signed"), err)
	}
	// Behind the last boundary an attacker could hang blocks of other ciphertexts.
	if more, err := ps.epilogue(); err != nil {
		return nil, err
	} else if more && p.opened.Encrypted {
		return nil, fmt.Errorf("%w: bytes behind the last boundary", errStructure)
	}
	return s, nil
}

// verify decides about a signature. The outermost one makes the MIC.
func (p *peeler) verify(s *cms.Signature, sums map[cms.Digest][]byte, outermost bool, layer int) error {
	v, err := s.Verify(sums, p.o.Trust, p.o.At)
	if err != nil {
		return err
	}
	if !slices.Contains(p.o.Digests, v.Digest) {
		return fmt.Errorf("%w: digest %v", cms.ErrAlgorithm, v.Digest)
	}
	p.opened.Layers[layer] = "signed " + v.Digest.String()
	if v.Expired {
		p.opened.Notes = append(p.opened.Notes, fmt.Sprintf("the certificate %q of the signer is valid from %s to %s only",
			v.Certificate.Subject, v.Certificate.NotBefore.Format(time.DateOnly), v.Certificate.NotAfter.Format(time.DateOnly)))
	}
	if !outermost {
		return nil
	}
	p.opened.Signer = v.Certificate
	p.opened.MICs = []MIC{{v.Digest, sums[v.Digest]}}
	for d, sum := range sums {
		if d != v.Digest {
			p.opened.MICs = append(p.opened.MICs, MIC{d, sum})
		}
	}
	return nil
}

// payload is the innermost entity.
func (p *peeler) payload(body *bufio.Reader, raw []byte, h textproto.MIMEHeader) error {
	part := Part{Filename: fileName(h), Document: true}
	if part.Filename == "" {
		part.Filename = p.e.Filename
	}
	part.ContentType, _ = mediaType(h.Get("Content-Type"))
	file, err := p.sink(part)
	if err != nil {
		p.out.err = err
		return err
	}
	p.out.w = file
	defer func() { p.out.err = errors.Join(p.out.err, file.Close()) }()
	var src io.Reader = body
	if !p.opened.Signed {
		// RFC 4130, 7.3.1: the MIC of what is unsigned, with the inner header if there is
		// a layer around it.
		p.mic = newHashes([]cms.Digest{p.unsignedDigest()})
		p.mic.Write(raw)
		src = io.TeeReader(body, p.mic)
	}
	buf := make([]byte, 64<<10)
	if _, err := io.CopyBuffer(struct{ io.Writer }{p.out}, struct{ io.Reader }{decodeTransfer(src, h)}, buf); err != nil {
		return err
	}
	part.Size = p.out.n
	p.opened.Parts = append(p.opened.Parts, part)
	if p.mic == nil {
		return nil
	}
	// A transfer encoding may end before the entity does.
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{src}, buf); err != nil {
		return err
	}
	p.opened.MICs = p.mic.mics()
	return nil
}

// unsignedDigest is the first supported one that the sender asks for (RFC 4130, 7.3).
func (p *peeler) unsignedDigest() cms.Digest {
	if len(p.e.Receipt.Digests) > 0 {
		return p.e.Receipt.Digests[0]
	}
	return cms.SHA1 // RFC 4130, 7.3: what partners without a preference expect
}

// requirements holds the layers that were really peeled against what was agreed.
func (p *peeler) requirements() error {
	const text = "The message is less protected than was agreed."
	switch {
	case p.o.RequireEncrypted && !p.opened.Encrypted:
		return fault(InsufficientSecurity, text, "it is not encrypted")
	case p.o.RequireSigned && !p.opened.Signed:
		return fault(InsufficientSecurity, text, "it is not signed")
	}
	return nil
}

// decodeTransfer undoes a Content-Transfer-Encoding. None means binary in AS2.
func decodeTransfer(r io.Reader, h textproto.MIMEHeader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return &base64Body{base64.NewDecoder(base64.StdEncoding, r)}
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// base64Body says of bad base64 that the structure is bad.
type base64Body struct{ r io.Reader }

func (b *base64Body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		err = fmt.Errorf("%w: %v", errStructure, err)
	}
	return n, err
}

// tracked remembers the error of the connection below.
type tracked struct {
	r   io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

var errTooLong = errors.New("the payload is over the limit")

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
