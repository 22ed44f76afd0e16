package cms

import (
	"crypto/cipher"
	"encoding/asn1"
	"fmt"
	"io"
	"math/bits"
)

// EncryptOptions say how to encrypt. Which ciphers a partner may be sent is for the
// caller to decide.
type EncryptOptions struct {
	Cipher     Cipher
	Recipients []Recipient
	Rand       io.Reader // of all keys and random bytes
	Spool      NewSpool  // CCM only: for the content, in plain text, until its length is known
}

// Encrypt starts an EnvelopedData (RFC 5652, 6), or an AuthEnvelopedData (RFC 5083) if
// the cipher is authenticated, whose content key is wrapped for every recipient. What
// is written to the result is encrypted to w in segments of 64 KiB, or for CCM goes
// into the spool and from there to w at Close. Close finishes the structure and does
// not close w. GCM takes at most 2^36-32 bytes.
func Encrypt(w io.Writer, o EncryptOptions) (io.WriteCloser, error) {
	spec := o.Cipher.spec()
	if o.Cipher == NoCipher || spec.keyLen == 0 {
		return nil, fmt.Errorf("cms: no content cipher chosen")
	}
	if len(o.Recipients) == 0 {
		return nil, fmt.Errorf("cms: no certificate to encrypt to")
	}
	if spec.mode == modeCCM && o.Spool == nil {
		return nil, fmt.Errorf("cms: %v needs a spool: it states the length of the content before the content", o.Cipher)
	}
	secret := make([]byte, spec.keyLen+spec.ivLen)
	if _, err := io.ReadFull(o.Rand, secret); err != nil {
		return nil, fmt.Errorf("cms: random bytes: %w", err)
	}
	key, iv := secret[:spec.keyLen], secret[spec.keyLen:]
	if o.Cipher == DESEDE3CBC {
		oddParity(key)
	}
	head, err := envelopeHead(o, key, iv)
	if err != nil {
		return nil, err
	}
	block, err := spec.block(key, 8*len(key))
	if err != nil {
		return nil, err
	}
	return contentWriter(w, o, head, block, iv)
}

// contentWriter writes the head, which ends with the algorithm, and what follows.
func contentWriter(w io.Writer, o EncryptOptions, head []byte, block cipher.Block, iv []byte) (io.WriteCloser, error) {
	mode := o.Cipher.spec().mode
	if mode == modeCCM {
		spool, err := o.Spool()
		if err != nil {
			return nil, ofSpool(err)
		}
		return &ccmWriter{out: segmentWriter{w: w, ends: 1}, head: head, block: block, nonce: iv, spool: spool}, nil
	}
	var gcm *gcmStream
	if mode == modeGCM {
		var err error
		if gcm, err = newGCM(block, iv); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(append(head, 0xa0, 0x80)); err != nil {
		return nil, err
	}
	loan := lend()
	buf := loan.space[:0:streamBuffer]
	if mode == modeGCM {
		return &gcmWriter{out: segmentWriter{w: w, ends: 2}, gcm: gcm, loan: loan, buf: buf, left: gcmLimit}, nil
	}
	return &cbcWriter{out: segmentWriter{w: w, ends: 5}, mode: cipher.NewCBCEncrypter(block, iv), loan: loan, buf: buf}, nil
}

// envelopeHead is everything in front of the content. Everything is indefinite down to
// it, because its length is not known yet.
func envelopeHead(o EncryptOptions, key, iv []byte) ([]byte, error) {
	contentType, version := oidEnvelopedData, byte(0)
	var recipients []byte
	for _, to := range o.Recipients {
		r, err := to.wrap(key, o.Rand)
		if err != nil {
			return nil, err
		}
		recipients = append(recipients, r...)
		if to.ByKeyID {
			version = 2 // RFC 5652, 6.1: a recipient of another version than 0
		}
	}
	if o.Cipher.Authenticated() {
		contentType, version = oidAuthEnvelopedData, 0 // RFC 5083, 2.1
	}
	algorithm, err := marshalAlgorithm(o.Cipher, iv)
	if err != nil {
		return nil, err
	}
	head := []byte{0x30, 0x80}
	head = append(head, mustMarshal(contentType)...)
	head = append(head, 0xa0, 0x80, 0x30, 0x80, tagInteger, 1, version)
	head = append(head, encode(header{constructed: true, tag: tagSet}, recipients)...)
	head = append(head, 0x30, 0x80)
	head = append(head, mustMarshal(oidData)...)
	return append(head, algorithm...), nil
}

// oddParity sets the lowest bit of every byte of a DES key: some products refuse keys
// without.
func oddParity(key []byte) {
	for i, b := range key {
		key[i] = b&^1 | byte(bits.OnesCount8(b&^1)+1)&1
	}
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
	head := appendLength(append(s.head[:0], tagOctetString), uint64(len(p)))
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

// endWithMAC is end for an AuthEnvelopedData: the tag stands between the content and the
// last three (RFC 5083, 2.1).
func (s *segmentWriter) endWithMAC(mac []byte) error {
	if err := s.end(); err != nil {
		return err
	}
	if err := s.segment(mac); err != nil {
		return err
	}
	s.ends = 3
	return s.end()
}
