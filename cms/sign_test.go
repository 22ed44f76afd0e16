package cms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"testing"

	"go.mozilla.org/pkcs7"
)

func digestOf(d Digest, content []byte) map[Digest][]byte {
	h := d.New()
	h.Write(content)
	return map[Digest][]byte{d: h.Sum(nil)}
}

func sign(t testing.TB, id Identity, d Digest, content []byte) []byte {
	t.Helper()
	der, err := signerOf(id, d).Sign(digestOf(d, content)[d], moment)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignatureVerifies(t *testing.T) {
	us, partner, stranger := identities(t)
	content := []byte("Content-Type: text/plain\r\n\r\ninvoice")
	trusted := Pinned(us.Certificate, partner.Certificate)
	for _, d := range []Digest{SHA1, SHA224, SHA256, SHA384, SHA512} {
		der := sign(t, partner, d, content)
		s, err := ParseSignature(bytes.NewReader(der), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if ds := s.Digests(); len(ds) != 1 || ds[0] != d {
			t.Errorf("%v: digests %v", d, ds)
		}
		v, err := s.Verify(digestOf(d, content), trusted, moment)
		if err != nil || v.Certificate != partner.Certificate || v.Digest != d || !v.SigningTime.Equal(moment) || v.Expired {
			t.Errorf("%v: %+v, %v", d, v, err)
		}
		if v, err := s.Verify(digestOf(d, content), trusted, moment.AddDate(2, 0, 0)); err != nil || !v.Expired {
			t.Errorf("%v after the certificate expired: %+v, %v", d, v, err)
		}
		strict := trusted
		strict.Strict = true
		if v, err := s.Verify(digestOf(d, content), strict, moment.AddDate(2, 0, 0)); !errors.Is(err, ErrUnknownSigner) || v != nil {
			t.Errorf("%v after the certificate expired, strictly: %+v, %v", d, v, err)
		}
		if _, err := s.Verify(digestOf(d, content), strict, moment); err != nil {
			t.Errorf("%v strictly: %v", d, err)
		}
		for name, c := range map[string]struct {
			digests map[Digest][]byte
			trusted Trust
			want    error
		}{
			"other content":       {digestOf(d, content[1:]), trusted, ErrDigestMismatch},
			"a stranger's":        {digestOf(d, content), Pinned(us.Certificate, stranger.Certificate), ErrUnknownSigner},
			"nobody trusted":      {digestOf(d, content), Trust{}, ErrUnknownSigner},
			"digest not accepted": {nil, trusted, ErrAlgorithm},
		} {
			if v, err := s.Verify(c.digests, c.trusted, moment); !errors.Is(err, c.want) || v != nil {
				t.Errorf("%v, %s: %v, %v", d, name, v, err)
			}
		}
	}
}

// The certificate in the message names the signer but its key is never used.
func TestEmbeddedCertificateIsNotBelieved(t *testing.T) {
	_, partner, stranger := identities(t)
	forged := *partner.Certificate // same issuer and serial, other key
	forged.Raw, forged.PublicKey = stranger.Certificate.Raw, stranger.Certificate.PublicKey
	der, err := (&Signer{Certificate: &forged, Key: stranger.Key.(*rsa.PrivateKey), Digest: SHA256}).Sign(digestOf(SHA256, nil)[SHA256], moment)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSignature(bytes.NewReader(der), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(digestOf(SHA256, nil), Pinned(partner.Certificate), moment); !errors.Is(err, ErrBadSignature) {
		t.Errorf("%v, %v", v, err)
	}
}

func TestSecondOpinionOnSignatures(t *testing.T) {
	us, _, _ := identities(t)
	content := []byte("invoice")
	p, err := pkcs7.Parse(sign(t, us, SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	p.Content = content
	if err := p.Verify(); err != nil {
		t.Errorf("theirs on ours: %v", err)
	}
	for _, attributes := range []bool{true, false} {
		sd, err := pkcs7.NewSignedData(content)
		if err != nil {
			t.Fatal(err)
		}
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
		if attributes {
			err = sd.AddSigner(us.Certificate, us.Key, pkcs7.SignerInfoConfig{})
		} else {
			err = sd.SignWithoutAttr(us.Certificate, us.Key, pkcs7.SignerInfoConfig{})
		}
		if err != nil {
			t.Fatal(err)
		}
		opaque, err := sd.Finish()
		if err != nil {
			t.Fatal(err)
		}
		s, err := OpenSigned(bytes.NewReader(opaque), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, content) || !s.Opaque() {
			t.Errorf("content of theirs: %q, %v", got, err)
		}
		if v, err := s.Verify(s.Sums(), Pinned(us.Certificate), moment); err != nil || v.Digest != SHA256 {
			t.Errorf("ours on theirs, attributes %v: %v, %v", attributes, v, err)
		}
		if _, err := ParseSignature(bytes.NewReader(opaque), Limits{}); !errors.Is(err, ErrSyntax) {
			t.Errorf("opaque where detached belongs: %v", err)
		}
	}
}

func TestAttributesInAnotherOrder(t *testing.T) {
	us, _, _ := identities(t)
	content := []byte("invoice")
	attrs, err := signedAttributes(digestOf(SHA256, content)[SHA256], moment, nil)
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	for rest := attrs; len(rest) > 0; {
		var v asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			t.Fatal(err)
		}
		parts = append([][]byte{v.FullBytes}, parts...)
	}
	reversed := bytes.Join(parts, nil)
	for name, signed := range map[string][]byte{"signed as sent": reversed, "signed sorted": attrs} {
		h := SHA256.New()
		h.Write(encode(header{constructed: true, tag: tagSet}, signed))
		sig, err := us.Key.(*rsa.PrivateKey).Sign(rand.Reader, h.Sum(nil), SHA256.Hash())
		if err != nil {
			t.Fatal(err)
		}
		signer := readSigner{digest: SHA256, attrs: reversed, signature: sig, sigAlg: pkix.AlgorithmIdentifier{Algorithm: oidRSA}}
		s := Signature{contentType: oidData}
		if _, err := s.verify(signer, digestOf(SHA256, content), us.Certificate); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoSigner(t *testing.T) {
	us, _, _ := identities(t)
	der := sign(t, us, SHA256, nil)
	var ci struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version    int
			DigestAlgs asn1.RawValue
			Content    asn1.RawValue
			Certs      asn1.RawValue
			Signers    []asn1.RawValue `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
	if _, err := asn1.Unmarshal(der, &ci); err != nil {
		t.Fatal(err)
	}
	ci.Content.Signers = nil
	empty, err := asn1.Marshal(ci)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSignature(bytes.NewReader(empty), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(digestOf(SHA256, nil), Pinned(us.Certificate), moment); !errors.Is(err, ErrNoSigner) {
		t.Error(err)
	}
}

func TestCutSignature(t *testing.T) {
	us, _, _ := identities(t)
	der := sign(t, us, SHA256, nil)
	for n := range len(der) {
		if _, err := ParseSignature(bytes.NewReader(der[:n]), Limits{}); err == nil {
			t.Fatalf("%d of %d bytes parsed", n, len(der))
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	us, _, _ := identities(f)
	f.Add(sign(f, us, SHA256, nil))
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := OpenSigned(bytes.NewReader(der), Limits{})
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, s); err != nil {
			return
		}
		if _, err := s.Verify(s.Sums(), Pinned(us.Certificate), moment); err == nil && s.Opaque() {
			t.Error("a signature that nobody made verifies")
		}
	})
}

func TestParseDigestAndCipher(t *testing.T) {
	for name, want := range map[string]Digest{
		"sha1": SHA1, "sha-1": SHA1, "SHA1": SHA1, "SHA-256": SHA256, "sha256": SHA256, "sha2_256": SHA256, "rsa-sha1": SHA1,
		"rsa-sha256": SHA256, ` "sha-512" `: SHA512, "sha224": SHA224, "SHA2-384": SHA384, "md5": NoDigest, "": NoDigest, "sha-3": NoDigest,
	} {
		if got, err := ParseDigest(name); got != want || (err == nil) != (want != NoDigest) {
			t.Errorf("ParseDigest(%q) = %v, %v", name, got, err)
		}
	}
	for _, name := range Ciphers() {
		if c, err := ParseCipher(name); err != nil || c.String() != name {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	if _, err := ParseCipher("des"); err == nil {
		t.Error("des")
	}
}
