package as2

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// sign adds a layer that is signed.
func (p *peeler) sign(l Layer) (at int) {
	p.opened.Signed = true
	l.Kind = Signed
	return p.layer(l)
}

// signed reads a multipart/signed (RFC 1847, 2.1): the first part passes through the
// digests as it is, then its signature is verified. What is wrong inside of the part
// counts only if the signature is good.
func (p *peeler) signed(body io.Reader, params map[string]string) error {
	at := p.sign(Layer{})
	ps, err := newParts(body, params["boundary"])
	if err == nil {
		defer ps.release()
		err = firstPart(ps)
	}
	if err != nil {
		return err
	}
	named := p.named(params["micalg"])
	sums := &entityHashes{exact: newHashes(p.likely(named), p.o.Digests...)}
	err, end := p.inside(ps, signedPart, sums)
	if end != nil || p.failed() {
		return cmp.Or(err, end)
	}
	s, serr := readSignature(ps, p.o.Limits, p.secret)
	if serr != nil {
		return cmp.Or(err, serr)
	}
	if p.accepts(cms.SHA256) {
		sums.guess(s.Digests())
	} else {
		sums.guess(p.o.Digests) // whatever a repeat is signed with, one digest is in both
	}
	content := digested{exact: sums.exact.mics(), head: sums.head}
	if sums.canonical != nil {
		content.canonical = sums.canonical.mics()
	}
	v, verr := p.verify(s, content, at)
	if verr != nil {
		return verr
	}
	if v != nil && params["micalg"] != "" && !slices.Contains(named, v.Digest) {
		p.note("micalg is %q, the signature is over %s", params["micalg"], v.Digest)
	}
	if err != nil {
		return authentic{err}
	}
	return nil
}

// opaque reads a SignedData that holds what it signs (RFC 5751, 3.4.2).
func (p *peeler) opaque(body io.Reader) error {
	at := p.sign(Layer{Opaque: true})
	s, err := cms.OpenSigned(body, p.o.Limits)
	switch {
	case err != nil:
		return p.brokenSignature(err)
	case !s.Opaque():
		return fmt.Errorf("%w: %w: signed-data without content", errStructure, errFormat)
	}
	err, end := p.inside(s, signedPart, nil)
	if end != nil || p.failed() {
		return p.brokenSignature(cmp.Or(end, err))
	}
	if _, verr := p.verify(s, digested{exact: sorted(s.Sums())}, at); verr != nil {
		return verr
	}
	if err != nil {
		return authentic{err}
	}
	return nil
}

// brokenSignature says of a malformed SignedData that it authenticates nobody. Inside
// of encryption it stays what it is, a structure without sense: its end may be missing.
func (p *peeler) brokenSignature(err error) error {
	if err == nil || p.secret || !errors.Is(err, cms.ErrSyntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fmt.Errorf("%w: %w", errSignature, err)
}

func sorted(sums map[cms.Digest][]byte) (mics []MIC) {
	for d, sum := range sums {
		mics = append(mics, MIC{d, sum})
	}
	slices.SortFunc(mics, func(a, b MIC) int { return cmp.Compare(a.Digest, b.Digest) })
	return mics
}

// firstPart skips the preamble.
func firstPart(ps *parts) error {
	if err := ps.next(); err != nil {
		return errors.Join(errMultipart, err)
	}
	return nil
}

// named are the accepted digests that a micalg parameter announces, all where it says
// nothing that we understand. The digest in the signature decides.
func (p *peeler) named(micalg string) []cms.Digest {
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

// likely adds what products sign with whatever they announce.
func (p *peeler) likely(named []cms.Digest) []cms.Digest {
	if p.accepts(cms.SHA256) {
		return append(slices.Clone(named), cms.SHA256)
	}
	return named
}

// maxSignature bounds the signature part, in bytes of base64.
const maxSignature = 2 << 20

// readSignature reads the second part of a multipart/signed and makes sure that it is
// the last. It may be DER or base64, with or without a header that says so. strict
// refuses bytes behind the last boundary, where an attacker could hang blocks of other
// ciphertexts.
//
// A signature that cannot be read is errSignature: the multipart around it is whole.
func readSignature(ps *parts, lim cms.Limits, strict bool) (*cms.Signature, error) {
	if err := ps.next(); err != nil {
		return nil, errors.Join(errMultipart, fmt.Errorf("as2: no signature part: %w", err))
	}
	br := buffered(io.LimitReader(ps, maxSignature))
	defer release(br)
	_, h, err := readMIMEHeader(br)
	if errors.Is(err, errNoHeader) {
		h, err = textproto.MIMEHeader{}, nil
	}
	var s *cms.Signature
	if err == nil {
		r, _ := decodeCMS(br, h)
		s, err = cms.ParseSignature(r, lim)
	}
	if end := ps.next(); end != io.EOF {
		return nil, errors.Join(errMultipart, errors.New("as2: more than two parts in multipart/signed"), end)
	}
	if more, eerr := ps.epilogue(); eerr != nil {
		return nil, eerr
	} else if more && strict {
		return nil, fmt.Errorf("%w: bytes behind the last boundary", errStructure)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSignature, err)
	}
	return s, nil
}

// digested is what is known of signed content.
type digested struct {
	exact     []MIC
	canonical []MIC  // over CRLF line ends; nil = the same
	head      []byte // its first bytes; nil = package cms has looked at them
}

// verify decides about a signature. The outermost one makes the MIC: it is verified
// last. In an examination nil is the answer to what Open would refuse.
func (p *peeler) verify(s *cms.Signature, c digested, at int) (*cms.Verified, error) {
	l := &p.opened.Layers[at]
	if signers := s.Signers(); len(signers) > 0 {
		l.Digest, l.Scheme = signers[0].Digest, signers[0].Scheme // as claimed, until it is verified
	}
	if ds := s.Digests(); len(ds) > 0 && !slices.ContainsFunc(ds, p.accepts) {
		if err := p.object(weakDigest(ds[0].String())); err != nil {
			return nil, err
		}
	}
	mics := c.exact
	v, err := s.Verify(sums(c.exact), p.o.Trust, p.o.At)
	if err != nil && c.canonical != nil {
		if again, cerr := s.Verify(sums(c.canonical), p.o.Trust, p.o.At); cerr == nil {
			v, err, mics = again, nil, c.canonical
			p.note("the signature is over CRLF line ends, the message was sent with bare line feeds")
		}
	}
	switch {
	case errors.Is(err, cms.ErrSyntax):
		err = fmt.Errorf("%w: %w", errSignature, err)
	case err != nil:
	case !v.Attributes && cms.AttributesAsContent(c.head):
		err = fmt.Errorf("%w: signed attributes in the place of the content", errSignature)
	case !p.accepts(v.Digest):
		err = weakDigest(v.Digest.String())
	}
	if err != nil {
		return nil, p.object(err)
	}
	l.Digest, l.Scheme, l.Attributes, l.ByAuthority = v.Digest, v.Scheme, v.Attributes, v.ByAuthority
	l.Signer, l.Legacy = v.Certificate.Subject.String(), v.Digest == cms.SHA1
	p.noteSigner(v)
	p.opened.Signer, p.opened.MICs = v.Certificate, firstOf(mics, v.Digest)
	return v, nil
}

func (p *peeler) accepts(d cms.Digest) bool { return slices.Contains(p.o.Digests, d) }

func (p *peeler) noteSigner(v *cms.Verified) {
	if v.Digest == cms.SHA1 {
		p.note("it is signed with sha1, a legacy digest")
	}
	if v.Expired {
		p.note("the certificate %q of the signer is valid from %s to %s only",
			v.Certificate.Subject, v.Certificate.NotBefore.Format(time.DateOnly), v.Certificate.NotAfter.Format(time.DateOnly))
	}
}

func sums(mics []MIC) map[cms.Digest][]byte {
	m := make(map[cms.Digest][]byte, len(mics))
	for _, mic := range mics {
		m[mic.Digest] = mic.Sum
	}
	return m
}

// firstOf puts the MIC of a digest first and keeps the order of the others.
func firstOf(mics []MIC, d cms.Digest) []MIC {
	ordered := make([]MIC, 0, len(mics))
	if m, ok := FindMIC(mics, d); ok {
		ordered = append(ordered, m)
	}
	for _, m := range mics {
		if m.Digest != d {
			ordered = append(ordered, m)
		}
	}
	return ordered
}
