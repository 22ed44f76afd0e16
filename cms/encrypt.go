package cms

import (
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
)

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

// keyTransRecipientInfo is RFC 5652, 6.2.1, with the recipient named by issuer and
// serial number.
type keyTransRecipientInfo struct {
	Version int
	ID      issuerAndSerial
	KeyAlg  pkix.AlgorithmIdentifier
	Key     []byte
}

// EncryptOptions say how to encrypt.
type EncryptOptions struct {
	Cipher     Cipher
	Recipients []Recipient
	Rand       io.Reader // of all keys and random bytes
	Spool      NewSpool  // CCM only: for the content, until its length is known
}

// Encrypt starts an EnvelopedData (RFC 5652, 6) whose content key is wrapped for
// every recipient. What is written to the result is encrypted to w in segments of
// 64 KiB; Close finishes the structure and does not close w.
func Encrypt(w io.Writer, o EncryptOptions) (io.WriteCloser, error) {
	to, rand := o.Recipients, o.Rand
	spec, ok := ciphers[o.Cipher]
	if !ok {
		return nil, fmt.Errorf("cms: no content cipher chosen")
	}
	if len(to) == 0 {
		return nil, fmt.Errorf("cms: no certificate to encrypt to")
	}
	secret := make([]byte, spec.keyLen+spec.blockSize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return nil, fmt.Errorf("cms: random bytes: %w", err)
	}
	key, iv := secret[:spec.keyLen], secret[spec.keyLen:]
	var recipients []byte
	for _, recipient := range to {
		r, err := wrapKey(key, recipient.Certificate, rand)
		if err != nil {
			return nil, err
		}
		recipients = append(recipients, r...)
	}
	algorithm, err := asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: spec.oid, Parameters: asn1.RawValue{Tag: tagOctetString, Bytes: iv}})
	if err != nil {
		return nil, err
	}
	block, err := spec.block(key)
	if err != nil {
		return nil, err
	}

	// Everything is indefinite down to the content, whose length is not known yet.
	head := []byte{0x30, 0x80}
	head = append(head, mustMarshal(oidEnvelopedData)...)
	head = append(head, 0xa0, 0x80, 0x30, 0x80, 2, 1, 0) // version 0: RFC 5652, 6.1
	head = append(head, encode(header{constructed: true, tag: tagSet}, recipients)...)
	head = append(head, 0x30, 0x80)
	head = append(head, mustMarshal(oidData)...)
	head = append(head, algorithm...)
	head = append(head, 0xa0, 0x80)
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	return &cbcWriter{
		out:  segmentWriter{w: w, ends: 5},
		mode: cipher.NewCBCEncrypter(block, iv),
		buf:  make([]byte, 0, streamBuffer),
	}, nil
}

func wrapKey(key []byte, cert *x509.Certificate, rand io.Reader) ([]byte, error) {
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cms: certificate %q has no RSA key: only RSA can be encrypted to", cert.Subject)
	}
	//lint:ignore SA1019 what every AS2 product understands
	wrapped, err := rsa.EncryptPKCS1v15(rand, pub, key)
	if err != nil {
		return nil, fmt.Errorf("cms: certificate %q: %w", cert.Subject, err)
	}
	return asn1.Marshal(keyTransRecipientInfo{
		ID:     nameOf(cert),
		KeyAlg: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
		Key:    wrapped,
	})
}

func nameOf(cert *x509.Certificate) issuerAndSerial {
	return issuerAndSerial{asn1.RawValue{FullBytes: cert.RawIssuer}, cert.SerialNumber}
}

// mustMarshal encodes a constant.
func mustMarshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return der
}

// segmentWriter writes the segments of a constructed octet string of indefinite
// length, and at the end the end-of-contents of it and of what is around it.
type segmentWriter struct {
	w    io.Writer
	ends int // end-of-contents owed
	head [12]byte
}

func (s *segmentWriter) segment(p []byte) error {
	head := appendLength(append(s.head[:0], tagOctetString), len(p))
	if _, err := s.w.Write(head); err != nil {
		return err
	}
	_, err := s.w.Write(p)
	return err
}

func (s *segmentWriter) end() error {
	_, err := s.w.Write(make([]byte, 2*s.ends))
	return err
}

// cbcWriter encrypts in place, one segment per full buffer.
type cbcWriter struct {
	out  segmentWriter
	mode cipher.BlockMode
	buf  []byte // plaintext not yet encrypted
	err  error
}

func (c *cbcWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if c.err != nil {
			return written, c.err
		}
		n := copy(c.buf[len(c.buf):cap(c.buf)], p)
		c.buf = c.buf[:len(c.buf)+n]
		p = p[n:]
		written += n
		if len(c.buf) == cap(c.buf) {
			c.mode.CryptBlocks(c.buf, c.buf)
			c.err = c.out.segment(c.buf)
			c.buf = c.buf[:0]
		}
	}
	return written, c.err
}

// Close pads (RFC 5652, 6.3), writes the last segment and finishes the structure.
func (c *cbcWriter) Close() error {
	if c.err != nil {
		return c.err
	}
	pad := c.mode.BlockSize() - len(c.buf)%c.mode.BlockSize()
	for range pad {
		c.buf = append(c.buf, byte(pad))
	}
	c.mode.CryptBlocks(c.buf, c.buf)
	if c.err = c.out.segment(c.buf); c.err == nil {
		c.err = c.out.end()
	}
	return c.err
}
