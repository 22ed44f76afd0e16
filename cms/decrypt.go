package cms

import (
	"cmp"
	"crypto"
	"crypto/cipher"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrDecrypt is the one answer to everything that can go wrong once a message has
// been recognised as encrypted. Its text never tells what it was: which step failed
// would be an oracle (Bleichenbacher, Vaudenay; RFC 3218).
var ErrDecrypt = errors.New("cms: the message cannot be decrypted")

// ErrCipherNotAccepted is what every NotAcceptedError is.
var ErrCipherNotAccepted = errors.New("cms: content cipher not accepted")

// NotAcceptedError is about a message whose content cipher is not among
// DecryptOptions.Ciphers. The message itself says so to everybody, and no private key has
// been used.
type NotAcceptedError struct{ Cipher Cipher }

func (e *NotAcceptedError) Error() string {
	return fmt.Sprintf("%v: %v", ErrCipherNotAccepted, e.Cipher)
}

func (e *NotAcceptedError) Is(target error) bool { return target == ErrCipherNotAccepted }

// Identity is one of our own certificates with its private key.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.PrivateKey // must be a crypto.Decrypter to decrypt, and *rsa.PrivateKey to be one of several with the same name
}

// DecryptOptions say how to decrypt.
type DecryptOptions struct {
	Identities []Identity
	Ciphers    []Cipher // that are accepted; nil = all but the legacy ones
	Spool      NewSpool // for CCM whose length is not stated beforehand; nil = such content is refused
	Limits     Limits
}

// accepts reports whether the content may be encrypted with a cipher.
func (o DecryptOptions) accepts(c Cipher) bool {
	if o.Ciphers == nil {
		return !c.Legacy()
	}
	return slices.Contains(o.Ciphers, c)
}

// Decrypted reads the content of an EnvelopedData or AuthEnvelopedData. Every error of
// Read other than io.EOF is, or wraps, ErrDecrypt or an error of the underlying reader
// or the spool.
//
// What Read gives before io.EOF is not authentic, and with CBC not even then: padding
// and tag come last, and the content is handed out before. A caller that must not act on
// such bytes keeps them to itself until Read has said io.EOF, and until a signature over
// them has been verified.
type Decrypted struct {
	Cipher     Cipher
	Transport  KeyTransport // of the first recipient that is one of the identities
	Recipients []string     // who it is encrypted to, for our own log: issuer and serial, or key identifier

	detail  string
	usable  bool // a recipient is one of the identities, and we have the algorithms
	auth    bool // AuthEnvelopedData
	b       *ber
	content *octets
	body    contentReader // nil until the spool is full
	spooled *spooled
	err     error
}

// Detail says for our own log, never for an answer, what an operator can act on: that
// the message is encrypted to somebody else, or uses an algorithm we do not have.
// It does not tell a wrong key from damaged content.
func (d *Decrypted) Detail() string { return d.detail }

// Decrypt reads an EnvelopedData (RFC 5652, 6) or AuthEnvelopedData (RFC 5083) up to its
// content and unwraps the content key. GCM and CCM may be in either; in EnvelopedData
// the tag is the end of the content, as Java products write it.
//
// All recipients that are among the identities are tried, at most eight pairs of both.
// An error here is a malformed structure, or a NotAcceptedError; everything else shows as
// ErrDecrypt when the content has been read, after the same work.
func Decrypt(r io.Reader, o DecryptOptions) (*Decrypted, error) {
	return decrypt(r, o, contentAlgorithm.block)
}

// blockMaker makes the block cipher for an algorithm.
type blockMaker func(contentAlgorithm, []byte) (cipher.Block, error)

func decrypt(r io.Reader, o DecryptOptions, makeBlock blockMaker) (*Decrypted, error) {
	d := &Decrypted{}
	recipients, alg, err := d.readHead(r, o.Limits)
	if err != nil {
		return nil, err
	}
	algorithm, problem := readAlgorithm(alg)
	if problem == nil && !o.accepts(algorithm.cipher) {
		return nil, &NotAcceptedError{algorithm.cipher}
	}
	d.Cipher = algorithm.cipher
	spool := false
	if problem == nil {
		spool, problem = d.fits(algorithm, o.Spool)
	}
	if problem != nil {
		// As much work as with another cipher, and the same answer at the end.
		algorithm = contentAlgorithm{cipher: AES256CBC, keyLen: 32, iv: make([]byte, 16)}
	}
	all, detail := unwrappings(recipients, o.Identities, algorithm.keyLen)
	if problem != nil {
		detail = problem.Error()
	}
	d.detail, d.usable = detail, detail == ""
	if len(all) > 0 {
		d.Transport = all[0].transport
	}
	key, err := unwrap(all, algorithm.keyLen)
	if err != nil {
		return nil, err
	}
	block, err := makeBlock(algorithm, key)
	if err != nil {
		return nil, err
	}
	return d, d.start(block, algorithm, spool, o.Spool)
}

// readHead reads everything in front of the content.
func (d *Decrypted) readHead(r io.Reader, lim Limits) (recipients []recipientInfo, alg pkix.AlgorithmIdentifier, err error) {
	b, oid, err := openAny(r, lim)
	if err != nil {
		return nil, alg, err
	}
	switch d.b = b; {
	case oid.Equal(oidEnvelopedData):
	case oid.Equal(oidAuthEnvelopedData):
		d.auth = true
	default:
		return nil, alg, syntaxError("EnvelopedData expected, found content type %v", oid)
	}
	if err := b.version("EnvelopedData"); err != nil {
		return nil, alg, err
	}
	if h, err := b.peek(); err == nil && h.is(classContext, 0) { // originatorInfo
		if _, err := b.der("originator info"); err != nil {
			return nil, alg, err
		}
	}
	if recipients, d.Recipients, err = readRecipients(b); err != nil {
		return nil, alg, err
	}
	if err := b.enter(classUniversal, tagSequence, "encrypted content info"); err != nil {
		return nil, alg, err
	}
	if _, err := b.oid("type of the encrypted content"); err != nil {
		return nil, alg, err
	}
	if err := b.unmarshal(&alg, "content encryption algorithm"); err != nil {
		return nil, alg, err
	}
	d.content, err = b.octetString(classContext, 0, "encrypted content")
	return recipients, alg, err
}

// fits says whether the content must go through the spool, and what about the cipher
// cannot be.
func (d *Decrypted) fits(a contentAlgorithm, newSpool NewSpool) (spool bool, problem error) {
	mode := a.cipher.spec().mode
	if mode == modeCBC {
		if d.auth {
			return false, fmt.Errorf("content cipher %v is not authenticated, but stands in AuthEnvelopedData", a.cipher)
		}
		return false, nil
	}
	if mode == modeGCM {
		return false, nil
	}
	length, known := d.content.known()
	if known && uint64(length) > ccmLimit(a.iv)+uint64(a.tagLen) {
		return false, fmt.Errorf("content of %d bytes is too long for the nonce of %v", length, a.cipher)
	}
	// In AuthEnvelopedData there may be attributes behind the content that CCM needs
	// before it.
	spool = !known || d.auth && newSpool != nil
	if spool && newSpool == nil {
		return false, fmt.Errorf("%v does not state its length, and there is no spool for it", a.cipher)
	}
	return spool, nil
}

// start prepares to decrypt the content.
func (d *Decrypted) start(block cipher.Block, a contentAlgorithm, spool bool, newSpool NewSpool) (err error) {
	switch a.cipher.spec().mode {
	case modeCBC:
		d.body = newCBCReader(d.content, cipher.NewCBCDecrypter(block, a.iv))
		return nil
	case modeGCM:
		gcm, err := newGCM(block, a.iv)
		if err != nil {
			return err
		}
		d.body = newAEADReader(d.content, gcm, a.tagLen, !d.auth, gcmLimit)
		return nil
	}
	if spool {
		d.spooled = &spooled{make: newSpool, block: block, algorithm: a}
		return nil
	}
	length, _ := d.content.known()
	d.body = newCCMReader(d.content, block, a, uint64(length), !d.auth, nil)
	return nil
}

func (d *Decrypted) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if d.body == nil {
		if d.err = d.fill(); d.err != nil {
			return 0, d.err
		}
	}
	n, err := d.body.Read(p)
	if err == io.EOF {
		err = d.end()
	}
	if err != nil {
		if closed := d.free(); closed != nil && err == io.EOF {
			err = closed
		}
	}
	d.err = err
	return n, err
}

// Close gives buffers free, and the spool where there is one. Only a caller that stops
// before Read has given an error, or io.EOF, has to call it.
func (d *Decrypted) Close() error {
	if d.body != nil {
		d.err = cmp.Or(d.err, errClosed)
	}
	return d.free()
}

// free may be called more than once; after it nothing is read.
func (d *Decrypted) free() error {
	if d.body != nil {
		d.body.release()
	}
	if d.spooled == nil {
		return nil
	}
	return d.spooled.close()
}

// end decides when all content has been read.
func (d *Decrypted) end() error {
	var t trailer
	var err error
	if d.spooled != nil {
		t, err = d.spooled.trailer, d.spooled.problem
	} else {
		t, err = d.readTrailer()
	}
	good := d.body.good(t.mac, t.additional)
	switch {
	case err != nil && !malformed(err):
		return err
	case err != nil || !good || !d.usable:
		return ErrDecrypt
	}
	return io.EOF
}

// trailer is what AuthEnvelopedData has behind the content.
type trailer struct{ mac, additional []byte }

// readTrailer reads everything behind the content. Attributes that nothing protects are
// skipped.
func (d *Decrypted) readTrailer() (t trailer, err error) {
	if !d.auth {
		return t, d.b.finish()
	}
	if err := d.b.leave(); err != nil {
		return t, err
	}
	h, err := d.b.peek()
	if err != nil {
		return t, missing(err, "MAC")
	}
	if h.is(classContext, 1) {
		der, err := d.b.der("authenticated attributes")
		if err != nil {
			return t, err
		}
		if t.additional, err = additionalData(der); err != nil {
			return t, err
		}
	}
	if err := d.b.unmarshal(&t.mac, "MAC"); err != nil {
		return t, err
	}
	return t, d.b.finish()
}
