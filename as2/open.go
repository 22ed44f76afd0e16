package as2

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/textproto"
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
	Digests          []cms.Digest // accepted in signatures; empty = SHA-224 and better
	MaxPayload       int64        // bytes after all layers; 0 = no limit
	MaxParts         int          // files in one message; 0 = 1,000
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

// Sink makes the place that a part is written to. Size is not known yet, and Document
// may turn out otherwise where a message names a root that it does not have. Open
// closes each before it asks for the next one.
type Sink func(Part) (io.WriteCloser, error)

// Opened is what was found in a message.
type Opened struct {
	Layers     []Layer // outermost first
	Signed     bool
	Encrypted  bool
	Compressed bool
	Signer     *x509.Certificate // the configured one
	MICs       []MIC             // the one for the receipt first
	Parts      []Part            // the files; more than one where it was multipart/related
	Size       int64             // of all parts, bytes
	Notes      []string          // worth an event: an expired certificate, a legacy algorithm, a liberty taken
}

// Open peels the layers off a message and writes the payload, part by part, to what
// sink makes. Everything passes in one go and in constant memory.
//
// A *Fault is the sender's fault. Any other error is ours, or the connection's: the
// body could not be read or the payload not written. After any error what was written
// to the parts must be thrown away.
//
// What products commonly write otherwise than the RFCs have it is taken without a
// word: x-pkcs7 types, a missing smime-type or transfer encoding, any spelling. Notes
// tell of what does not fit together: a transfer encoding that is not the one stated, a
// signature over other line ends than were sent, a micalg that is not the signature's.
func Open(e *Envelope, body io.Reader, sink Sink, o OpenOptions) (*Opened, error) {
	p := newPeeler(e, body, sink, o)
	if err := p.run(); err != nil {
		return nil, err
	}
	return p.opened, nil
}

func newPeeler(e *Envelope, body io.Reader, sink Sink, o OpenOptions) *peeler {
	o.Digests = acceptedDigests(o.Digests)
	if o.MaxParts == 0 {
		o.MaxParts = 1000
	}
	return &peeler{o: o, e: e, sink: sink, src: &tracked{r: body}, opened: &Opened{}, spools: spools{make: o.Spool},
		out: &trackedWriter{left: o.MaxPayload, limited: o.MaxPayload > 0}}
}

// run opens the whole message.
func (p *peeler) run() error {
	h := textproto.MIMEHeader{}
	h.Set("Content-Type", p.e.ContentType)
	h.Set("Content-Transfer-Encoding", p.e.Encoding)
	var body io.Reader = p.src
	if p.exam != nil {
		body = io.TeeReader(body, p.exam.body())
	}
	br := buffered(body)
	defer release(br)
	err := p.peel(br, nil, h)
	if !p.failed() {
		behind, end := drain(br)
		if err == nil {
			err = end
		}
		if behind > 0 {
			p.note("bytes behind the end of the message were passed over")
		}
	}
	switch {
	case p.out.err != nil:
		return fmt.Errorf("as2: writing the payload: %w", p.out.err)
	case p.spools.err != nil:
		return fmt.Errorf("as2: keeping the message until it can be opened: %w", p.spools.err)
	case p.src.err != nil:
		return fmt.Errorf("as2: reading the message: %w", p.src.err)
	case err != nil:
		return p.blame(err)
	}
	p.opened.Size = p.out.n
	return nil
}
