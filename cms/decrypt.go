package cms

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
)

// ErrDecrypt is the one answer to everything that can go wrong once a message has
// been recognised as encrypted. Its text never tells what it was: which step failed
// would be an oracle (Bleichenbacher, Vaudenay; RFC 3218).
var ErrDecrypt = errors.New("cms: the message cannot be decrypted")

// Identity is one of our own certificates with its private key.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.PrivateKey // must be a crypto.Decrypter to decrypt
}

// Decrypted reads the content of an EnvelopedData. Every error of Read other than
// io.EOF is, or wraps, ErrDecrypt or an error of the underlying reader. What was read
// before the error, and even before io.EOF, is not authentic.
type Decrypted struct {
	Cipher     Cipher
	Transport  KeyTransport // of the recipient that is one of the identities
	Recipients []string     // who it is encrypted to, for our own log: issuer and serial, or key identifier

	detail string
	ours   bool // a recipient is one of the identities
	cbc    *cbcReader
	b      *ber
	err    error
}

// Detail says for our own log, never for an answer, what an operator can act on: that
// the message is encrypted to somebody else, or uses an algorithm we do not have.
// It does not tell a wrong key from damaged content.
func (d *Decrypted) Detail() string { return d.detail }

// recipientInfo is RFC 5652, 6.2.1, as read: the recipient in either form.
type recipientInfo struct {
	Version int
	ID      asn1.RawValue
	KeyAlg  pkix.AlgorithmIdentifier
	Key     []byte
}

// DecryptOptions say how to decrypt.
type DecryptOptions struct {
	Identities []Identity
	Ciphers    []Cipher // that are accepted; nil = all but the legacy ones
	Spool      NewSpool // for CCM whose length is not stated beforehand; nil = such content is refused
	Limits     Limits
}

// Decrypt reads an EnvelopedData up to its content and finds the content key for
// the first recipient among ids. An error here is a malformed structure; everything
// else shows as ErrDecrypt when the content is read, after the same work.
func Decrypt(r io.Reader, o DecryptOptions) (*Decrypted, error) {
	b, err := open(r, o.Limits, oidEnvelopedData, "EnvelopedData")
	if err != nil {
		return nil, err
	}
	if h, err := b.peek(); err == nil && h.is(classContext, 0) { // originatorInfo
		if _, err := b.der("originator info"); err != nil {
			return nil, err
		}
	}
	d := &Decrypted{b: b}
	recipients, err := readRecipients(b)
	if err != nil {
		return nil, err
	}
	if err := b.enter(classUniversal, tagSequence, "encrypted content info"); err != nil {
		return nil, err
	}
	if _, err := b.oid("type of the encrypted content"); err != nil {
		return nil, err
	}
	var alg pkix.AlgorithmIdentifier
	if err := b.unmarshal(&alg, "content encryption algorithm"); err != nil {
		return nil, err
	}
	content, err := b.octetString(classContext, 0, "encrypted content")
	if err != nil {
		return nil, err
	}
	mode, err := d.unwrap(recipients, o.Identities, alg)
	if err != nil {
		return nil, err
	}
	d.cbc = newCBCReader(content, mode)
	return d, nil
}

func readRecipients(b *ber) ([]recipientInfo, error) {
	if err := b.enter(classUniversal, tagSet, "recipients"); err != nil {
		return nil, err
	}
	var all []recipientInfo
	for {
		h, err := b.peek()
		if errors.Is(err, errEnd) {
			return all, b.leave()
		}
		if err != nil {
			return nil, err
		}
		der, err := b.der("recipient")
		if err != nil {
			return nil, err
		}
		if !h.is(classUniversal, tagSequence) {
			continue // another way to manage keys: not for us
		}
		var r recipientInfo
		if err := unmarshal(der, &r, "recipient"); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}

// unwrap finds the content key. Whatever fails, decryption goes on with a random key
// of the right length, so that the time and the answer are the same.
func (d *Decrypted) unwrap(recipients []recipientInfo, ids []Identity, alg pkix.AlgorithmIdentifier) (cipher.BlockMode, error) {
	spec, c, known := cipherByOID(alg.Algorithm)
	var iv []byte
	if known {
		_, err := asn1.Unmarshal(alg.Parameters.FullBytes, &iv)
		known = err == nil && len(iv) == spec.blockSize
	}
	if !known {
		d.detail = "content cipher " + alg.Algorithm.String() + " is not supported, or has bad parameters"
		spec, iv = ciphers[AES256CBC], make([]byte, ciphers[AES256CBC].blockSize)
	}
	d.Cipher = c
	key := make([]byte, spec.keyLen)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	for _, r := range recipients {
		d.Recipients = append(d.Recipients, describe(r.ID))
	}
	found, detail := tryKeys(recipients, ids, key)
	if d.detail == "" {
		d.detail = detail
	}
	d.ours = found && known
	block, err := spec.block(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewCBCDecrypter(block, iv), nil
}

// tryKeys replaces the random key with the one that the first recipient of ours
// unwraps to. It reports whether there was one, not whether it worked.
func tryKeys(recipients []recipientInfo, ids []Identity, key []byte) (found bool, detail string) {
	detail = "it is not encrypted to any of our certificates"
	for _, r := range recipients {
		for _, id := range ids {
			if !names(r.ID, id.Certificate) {
				continue
			}
			decrypter, ok := id.Key.(crypto.Decrypter)
			if !ok || !r.KeyAlg.Algorithm.Equal(oidRSA) {
				detail = "key transport " + r.KeyAlg.Algorithm.String() + " is not supported"
				continue
			}
			// RFC 3218, 2.3.2: on bad padding the random session key comes back.
			//lint:ignore SA1019 what every AS2 product speaks; used in the form without oracle
			got, err := decrypter.Decrypt(rand.Reader, r.Key, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: len(key)})
			if err == nil && len(got) == len(key) {
				copy(key, got)
			}
			return true, ""
		}
	}
	return false, detail
}

// names reports whether a recipient or signer identifier means the certificate: by
// key identifier ([0]), or by issuer and serial number.
func names(id asn1.RawValue, cert *x509.Certificate) bool {
	if id.Class == classContext && id.Tag == 0 {
		return len(cert.SubjectKeyId) > 0 && bytes.Equal(id.Bytes, cert.SubjectKeyId)
	}
	var is issuerAndSerial
	if _, err := asn1.Unmarshal(id.FullBytes, &is); err != nil || is.Serial.Cmp(cert.SerialNumber) != 0 {
		return false
	}
	if bytes.Equal(is.Issuer.FullBytes, cert.RawIssuer) {
		return true
	}
	// Some products re-encode the issuer with other string types.
	return issuerText(is.Issuer) == cert.Issuer.String()
}

func issuerText(raw asn1.RawValue) string {
	var rdn pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw.FullBytes, &rdn); err != nil {
		return ""
	}
	var n pkix.Name
	n.FillFromRDNSequence(&rdn)
	return n.String()
}

// describe prints a recipient or signer identifier for a log.
func describe(id asn1.RawValue) string {
	if id.Class == classContext && id.Tag == 0 {
		return "key identifier " + hexString(id.Bytes)
	}
	var is issuerAndSerial
	if _, err := asn1.Unmarshal(id.FullBytes, &is); err != nil {
		return "unreadable identifier"
	}
	return "serial " + is.Serial.Text(16) + " of " + issuerText(is.Issuer)
}

func (d *Decrypted) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.cbc.Read(p)
	if err == io.EOF {
		err = d.end()
	} else if errors.Is(err, ErrSyntax) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrDecrypt
	}
	d.err = err
	return n, err
}

// end decides when all content has been read. Unprotected attributes are skipped.
func (d *Decrypted) end() error {
	if err := d.b.finish(); err != nil || !d.ours || !d.cbc.padded {
		return ErrDecrypt
	}
	return io.EOF
}

// cbcReader decrypts in chunks and keeps the last block back until it knows that it
// is the last. padded tells after io.EOF whether the padding was right.
type cbcReader struct {
	src    io.Reader
	mode   cipher.BlockMode
	buf    []byte
	have   int    // bytes of buf that are ciphertext not yet decrypted
	kept   []byte // the end of buf, kept back; moves to the front when out is read
	out    []byte // decrypted and not yet read
	ended  bool
	padded bool
}

func newCBCReader(src io.Reader, mode cipher.BlockMode) *cbcReader {
	return &cbcReader{src: src, mode: mode, buf: make([]byte, streamBuffer+mode.BlockSize())}
}

func (c *cbcReader) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// fill decrypts the next chunk, except for its last block. It is called when all of
// out has been read, so buf is free again.
func (c *cbcReader) fill() error {
	c.have, c.kept = copy(c.buf, c.kept), nil
	n, err := io.ReadFull(c.src, c.buf[c.have:])
	c.have += n
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		// ReadFull says ErrUnexpectedEOF both at a clean end and where the source
		// was cut; asking again tells them apart.
		if _, again := c.src.Read(c.buf[:0]); again != nil && again != io.EOF {
			return again
		}
		c.finish()
		return nil
	default:
		return err
	}
	bs := c.mode.BlockSize()
	ready := c.have - bs
	ready -= ready % bs
	c.mode.CryptBlocks(c.buf[:ready], c.buf[:ready])
	c.out = c.buf[:ready]
	c.kept = c.buf[ready:c.have]
	return nil
}

// finish decrypts what is left and takes the padding off (RFC 5652, 6.3).
func (c *cbcReader) finish() {
	c.ended = true
	bs := c.mode.BlockSize()
	whole := c.have - c.have%bs
	c.mode.CryptBlocks(c.buf[:whole], c.buf[:whole])
	if whole == 0 || whole != c.have {
		return
	}
	pad := int(c.buf[whole-1])
	if pad == 0 || pad > bs {
		return
	}
	for _, b := range c.buf[whole-pad : whole] {
		if int(b) != pad {
			return
		}
	}
	c.padded = true
	c.out = c.buf[:whole-pad]
}
