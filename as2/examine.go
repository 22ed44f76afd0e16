package as2

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/as2drop/as2drop/cms"
)

// allDigests are what an examination computes.
var allDigests = []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512}

// Examination is what can be learnt of a message, whether Open would take it or not.
type Examination struct {
	Opened     Opened // as far as it could be opened; its MICs are those of the rule, in all digests, if it was opened to the end
	Err        error  // what Open says: nil, or a *Fault for the first thing it refuses
	Variations []Variation

	broken bool // it ended before the payload did
}

// Variation is one way to compute the MIC of a message.
type Variation struct {
	Name string // in words, such as "signed part, with its header"
	MIC  MIC
	Rule bool // it is computed as the RFCs have it
	// What it does otherwise than the rule. All of them are false also where it is over
	// something else altogether, such as the payload inside of the signed part.
	CRLF       bool // bare line feeds became CRLF
	Headerless bool // the MIME header is left out
	Break      bool // the line break that belongs to the boundary is included
}

// Examine takes a message apart like Open, and goes on where Open refuses: with a
// signature that does not verify, an algorithm that is not accepted, a layer that is
// missing. It ends where bytes cannot be read or decrypted. Along the way it computes
// the MIC in all digests and in every way that products are known to compute it.
//
// sink may be nil. What it gets is not authentic unless Err is nil. The error says that
// body could not be read or the payload not written.
//
// It passes over body once, in constant memory, at perhaps a twentieth of Open's speed.
func Examine(e *Envelope, body io.Reader, sink Sink, o OpenOptions) (*Examination, error) {
	return examine(e, body, sink, o, allDigests)
}

func examine(e *Envelope, body io.Reader, sink Sink, o OpenOptions, ds []cms.Digest) (*Examination, error) {
	if sink == nil {
		sink = func(Part) (io.WriteCloser, error) { return nowhere{}, nil }
	}
	p := newPeeler(e, body, sink, o)
	p.exam = &examiner{digests: ds}
	err := p.run()
	var f *Fault
	if err != nil && !errors.As(err, &f) {
		return nil, err
	}
	broken := err != nil
	if p.exam.refused != nil {
		err = p.exam.refused
	}
	x := &Examination{Opened: *p.opened, Err: err, broken: broken, Variations: p.exam.variations(p.opened, broken)}
	x.Opened.Size = p.out.n
	x.Opened.MICs = nil
	for _, v := range x.Variations {
		if v.Rule {
			x.Opened.MICs = append(x.Opened.MICs, v.MIC)
		}
	}
	if mics := p.opened.MICs; len(mics) > 0 {
		x.Opened.MICs = firstOf(x.Opened.MICs, mics[0].Digest)
	}
	return x, nil
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

// Explain finds out what a MIC was computed over: the rule if that fits, else the first
// known variation that does. The digests are compared by their bytes, so that a MIC
// under a wrong name is found too.
func (x *Examination) Explain(m MIC) (Variation, bool) {
	i := slices.IndexFunc(x.Variations, func(v Variation) bool { return string(v.MIC.Sum) == string(m.Sum) })
	if i < 0 {
		return Variation{}, false
	}
	return x.Variations[i], true
}

// Forgiven reports whether a receipt for a message of ours may count although its MIC
// is a variation: over CRLF line ends where that was agreed (Quirks.CanonicalMIC), or
// without the header where the message is compressed and not signed, which OpenAS2
// makes so. Each is worth an event.
func (v Variation) Forgiven(s *Sealed, q Quirks) bool {
	switch {
	case v.Rule:
		return true
	case v.Break:
		return false
	case v.Headerless:
		return !v.CRLF && s.Compressed && !s.Signed
	}
	return v.CRLF && q.CanonicalMIC
}

// Envelope is that of the message, as its receiver reads it.
func (s *Sealed) Envelope() (*Envelope, error) {
	h := http.Header{}
	for _, f := range s.Header {
		h.Add(f.Name, f.Value)
	}
	return ParseEnvelope(h)
}

// Recompute opens a message of ours again and computes its MIC in another digest than
// were taken when it was sealed. For an encrypted message one of the identities must
// be among its recipients; of the options Identities, Spool and Limits count.
//
// An error says that the body is not the one that was sealed, or cannot be opened.
func Recompute(s *Sealed, body io.Reader, d cms.Digest, o OpenOptions) (MIC, error) {
	e, err := s.Envelope()
	if err != nil {
		return MIC{}, err
	}
	whole := sha256.New()
	opts := OpenOptions{Identities: o.Identities, Spool: o.Spool, Limits: o.Limits}
	ds := []cms.Digest{d}
	for _, m := range s.MICs {
		ds = append(ds, m.Digest)
	}
	x, err := examine(e, io.TeeReader(body, whole), nil, opts, ds)
	if err != nil {
		return MIC{}, err
	}
	if sum := hex.EncodeToString(whole.Sum(nil)); sum != s.SHA256 {
		return MIC{}, fmt.Errorf("as2: the sealed message was changed: its SHA-256 is %s and was %s", sum, s.SHA256)
	}
	if x.broken || !x.Opens(s) {
		return MIC{}, errors.New("as2: the sealed message cannot be opened again: was it encrypted to one of these identities?")
	}
	m, _ := FindMIC(x.Opened.MICs, d) // a message that could be opened has its rule
	return m, nil
}

// Opens reports whether the examination saw what was sealed. With a wrong key there is
// something to hash, too: what a random key decrypts.
func (x *Examination) Opens(s *Sealed) bool {
	for _, m := range s.MICs {
		if again, ok := FindMIC(x.Opened.MICs, m.Digest); !ok || !again.Equal(m) {
			return false
		}
	}
	return true
}

// examiner collects digests of all that passes.
type examiner struct {
	digests  []cms.Digest
	entities []*examined
	files    int
	refused  error // the first objection
}

// examined is an entity in all the ways that it may be hashed.
type examined struct {
	what   string
	whole  entityHashes
	bare   entityHashes // without the header
	inner  bool         // it is inside of a layer
	headed bool         // it has a header to leave out
}

func (x *examiner) add(what string) *examined {
	e := &examined{what: what}
	e.whole = entityHashes{exact: newHashes(x.digests), text: true}
	e.bare = entityHashes{exact: newHashes(x.digests), text: true}
	x.entities = append(x.entities, e)
	return e
}

// body is the HTTP body.
func (x *examiner) body() io.Writer { return &x.add("HTTP body").bare }

// entity is one inside of a layer.
func (x *examiner) entity(what string) *examined {
	e := x.add(what)
	e.inner = true
	return e
}

// maxFiles is how many files are hashed one by one.
const maxFiles = 20

// file is what goes to the sink, its transfer encoding undone.
func (x *examiner) file(p Part) io.Writer {
	if x.files++; x.files > maxFiles {
		return io.Discard
	}
	return &x.add(fmt.Sprintf("file %d (%q) as delivered", p.Index+1, p.Filename)).bare
}

func (x *examiner) objection(err error) {
	if x.refused == nil {
		x.refused = err
	}
}

// header begins an entity. It is a text for the sake of argument: whoever converted
// line ends may have done so without reason.
func (e *examined) header(raw []byte, _ textproto.MIMEHeader) {
	e.headed = len(raw) > 0
	e.whole.Write(raw)
}

func (e *examined) Write(p []byte) (int, error) {
	e.whole.Write(p)
	e.bare.Write(p)
	return len(p), nil
}

// variations lists the rule first, then what comes near it, then everything else.
func (x *examiner) variations(o *Opened, broken bool) []Variation {
	rule := -1
	if !broken {
		rule = x.rule(o)
	}
	var first, rest []Variation
	for i, e := range x.entities {
		vs := e.variations(i == rule, o)
		if i == rule {
			first = vs
		} else {
			rest = append(rest, vs...)
		}
	}
	return append(first, rest...)
}

// rule is the entity that the MIC is over: the outermost one that is signed, or the
// innermost (RFC 4130, 7.3.1; RFC 5402, 4).
func (x *examiner) rule(o *Opened) (at int) {
	if o.Signed {
		return slices.IndexFunc(x.entities, func(e *examined) bool { return e.what == signedPart })
	}
	for i, e := range x.entities {
		if e.inner {
			at = i
		}
	}
	return at // the HTTP body comes first
}

// signedPart names the entity that a signature is over.
const signedPart = "signed part"

// form is one way to hash an entity.
type form struct {
	name   string
	hashes *hashes // nil = the same as without the change
	is     Variation
}

// forms are the ways to hash an entity, the plain one first.
func (e *examined) forms() []form {
	if !e.headed {
		return []form{{"", e.bare.exact, Variation{}}, {", CRLF line ends", e.bare.canonical, Variation{CRLF: true}}}
	}
	fs := []form{
		{" with its header", e.whole.exact, Variation{}},
		{" with its header, CRLF line ends", e.whole.canonical, Variation{CRLF: true}},
		{" without its header", e.bare.exact, Variation{Headerless: true}},
		{" without its header, CRLF line ends", e.bare.canonical, Variation{Headerless: true, CRLF: true}},
	}
	if e.what == signedPart {
		longer := e.whole.exact.clone()
		longer.Write([]byte("\r\n"))
		fs = append(fs, form{" with its header and the line break of the boundary", longer, Variation{Break: true}})
	}
	return fs
}

// variations are those of one entity. If it is the one that the MIC is over, the rule
// comes first: the plain form, or CRLF line ends if the signature verified over them.
func (e *examined) variations(rule bool, o *Opened) (vs []Variation) {
	for i, f := range e.forms() {
		if f.hashes == nil {
			continue
		}
		mics := f.hashes.mics()
		is := rule && i == 0
		if rule && o.Signed && len(o.MICs) > 0 {
			m, _ := FindMIC(mics, o.MICs[0].Digest)
			is = m.Equal(o.MICs[0])
		}
		for _, m := range mics {
			v := Variation{Name: e.what + f.name, MIC: m, Rule: is}
			if rule && !is {
				v.CRLF, v.Headerless, v.Break = f.is.CRLF, f.is.Headerless, f.is.Break
			}
			vs = append(vs, v)
		}
	}
	slices.SortStableFunc(vs, func(a, b Variation) int {
		switch {
		case a.Rule == b.Rule:
			return 0
		case a.Rule:
			return -1
		}
		return 1
	})
	return vs
}
