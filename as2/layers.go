package as2

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/pipeline"
)

// entity is a MIME entity that can be written once.
type entity struct {
	header []Field
	write  func(io.Writer) error
}

func (e entity) writeAll(w io.Writer) error {
	if _, err := w.Write(appendFields(nil, e.header)); err != nil {
		return err
	}
	return e.write(w)
}

// wrapped reports whether the payload is inside of any layer.
func (o *SealOptions) wrapped() bool {
	return o.Sign != nil || o.Compress != NoCompression || len(o.Recipients) > 0
}

// layers wraps the content from the inside out.
func (o *SealOptions) layers(e entity, mic *hashes) (entity, error) {
	if o.Sign == nil {
		e = o.hashed(e, mic)
	}
	if o.Compress == CompressBeforeSign || o.Compress == CompressAfterSign && o.Sign == nil {
		e = compressed(e)
	}
	if o.Sign != nil {
		var err error
		if e, err = o.signed(e, mic); err != nil {
			return entity{}, err
		}
		if o.Compress == CompressAfterSign {
			e = compressed(e)
		}
	}
	if len(o.Recipients) > 0 {
		e = o.encrypted(e)
	}
	return e, nil
}

func inBase64(payload func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		l := &lines{w: w}
		if err := payload(l); err != nil {
			return err
		}
		return l.Close()
	}
}

// hashed takes the MIC of an unsigned message. Wrapped: over the inner entity with its
// header (RFC 4130, 7.3.1; RFC 5402, 4.2 and 4.3). Plain: over the body without header.
func (o *SealOptions) hashed(e entity, mic *hashes) entity {
	return entity{e.header, func(w io.Writer) error {
		if o.wrapped() {
			mic.Write(appendFields(nil, e.header))
		}
		return e.write(io.MultiWriter(w, mic))
	}}
}

func compressed(inner entity) entity {
	return entity{pkcs7Header("compressed-data", "smime.p7z"), func(w io.Writer) error {
		z, err := cms.Compress(w)
		if err != nil {
			return err
		}
		return closed(z, inner.writeAll(z))
	}}
}

// closed finishes a layer. After an error it is closed for what it holds, and the
// error stays the one that came first.
func closed(layer io.Closer, err error) error {
	if cerr := layer.Close(); err == nil {
		err = cerr
	}
	return err
}

func (o *SealOptions) encrypted(inner entity) entity {
	smimeType := "enveloped-data"
	if o.Cipher.Authenticated() {
		smimeType = "authEnveloped-data" // RFC 8551, 3.2.2
	}
	return entity{pkcs7Header(smimeType, "smime.p7m"), func(w io.Writer) error {
		c, err := cms.Encrypt(w, cms.EncryptOptions{Cipher: o.Cipher, Recipients: o.Recipients, Rand: o.Rand, Spool: o.Spool})
		if err != nil {
			return err
		}
		plain := pipeline.NewWriter(c) // a large message is made on one core and encrypted on another
		defer plain.Close()            // again, or after a panic
		return closed(c, closed(plain, inner.writeAll(plain)))
	}}
}

func pkcs7Header(smimeType, name string) []Field {
	return []Field{
		{"Content-Type", `application/pkcs7-mime; smime-type=` + smimeType + `; name="` + name + `"`},
		{"Content-Transfer-Encoding", "binary"},
		{"Content-Disposition", `attachment; filename="` + name + `"`},
	}
}

// signed wraps an entity in a signature, with the digests of what is signed going to
// mic.
func (o *SealOptions) signed(inner entity, mic *hashes) (entity, error) {
	s := *o.Sign
	s.NoAttributes = s.NoAttributes || o.Quirks.NoSignedAttributes
	s.NoProtection = s.NoProtection || o.Quirks.NoAlgorithmProtection
	if o.Quirks.OpaqueSignature {
		return o.opaque(inner, &s, mic), nil
	}
	boundary, err := newBoundary(o.Rand)
	if err != nil {
		return entity{}, err
	}
	return o.detached(inner, &s, mic, boundary), nil
}

// detached makes a multipart/signed (RFC 1847, 2.1). What is hashed is the first part
// with its header, without the CRLF before the boundary.
func (o *SealOptions) detached(inner entity, signer *cms.Signer, mic *hashes, boundary string) entity {
	return entity{multipartSigned(micName(signer.Digest, o.Quirks.MICNames), boundary), func(w io.Writer) error {
		if _, err := io.WriteString(w, "--"+boundary+"\r\n"); err != nil {
			return err
		}
		if err := inner.writeAll(io.MultiWriter(w, mic)); err != nil {
			return err
		}
		m, _ := FindMIC(mic.mics(), signer.Digest) // Seal has put it first
		signature, err := signer.Sign(m.Sum, o.Date)
		if err != nil {
			return err
		}
		_, err = w.Write(signaturePart(signature, boundary))
		return err
	}}
}

// opaque makes an application/pkcs7-mime that holds what it signs (RFC 5751, 3.4.2).
func (o *SealOptions) opaque(inner entity, signer *cms.Signer, mic *hashes) entity {
	return entity{pkcs7Header("signed-data", "smime.p7m"), func(w io.Writer) error {
		c, err := signer.Opaque(w, o.Date)
		if err != nil {
			return err
		}
		return closed(c, inner.writeAll(io.MultiWriter(c, mic)))
	}}
}

// multipartSigned is the Content-Type of a multipart/signed: all three parameters are
// required (RFC 1847, 2.1).
func multipartSigned(micalg, boundary string) []Field {
	return []Field{{"Content-Type", `multipart/signed; protocol="application/pkcs7-signature"; micalg=` + micalg + `; boundary="` + boundary + `"`}}
}

// signaturePart is everything behind the signed part.
func signaturePart(der []byte, boundary string) []byte {
	b := []byte("\r\n--" + boundary + "\r\n")
	b = appendFields(b, []Field{
		{"Content-Type", `application/pkcs7-signature; name="smime.p7s"`},
		{"Content-Transfer-Encoding", "base64"},
		{"Content-Disposition", `attachment; filename="smime.p7s"`},
	})
	text := base64.StdEncoding.EncodeToString(der)
	for len(text) > 76 {
		b = append(append(b, text[:76]...), "\r\n"...)
		text = text[76:]
	}
	return append(append(b, text...), "\r\n--"+boundary+"--\r\n"...)
}

// newBoundary makes a boundary of letters, digits and hyphens that no content has: see
// related.
func newBoundary(rand io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("as2: random bytes: %w", err)
	}
	return "as2drop-" + hex.EncodeToString(b[:]), nil
}
