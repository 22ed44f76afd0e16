package as2

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/cms"
)

// The MIC of a message that is signed twice is over what the outer signature is over.
func TestTwoSignatures(t *testing.T) {
	h, inner := signedEntity(t, ours(), "Content-Type: a/b\r\n\r\nx")
	entity := "Content-Type: " + h.Get("Content-Type") + "\r\n\r\n" + string(inner)
	d := cms.SHA384.New()
	io.WriteString(d, entity)
	der, err := signer(ours(), cms.SHA384).Sign(d.Sum(nil), moment)
	if err != nil {
		t.Fatal(err)
	}
	h.Set("Content-Type", "multipart/signed; boundary=twice")
	body := "--twice\r\n" + entity + string(signaturePart(der, "twice"))
	opened, got, err := openBytes(h, strings.NewReader(body), theirs())
	if err != nil || string(got) != "x" || opened.MICs[0].Digest != cms.SHA384 || !bytes.Equal(opened.MICs[0].Sum, hashOf(crypto.SHA384, []byte(entity))) || len(opened.Layers) != 2 {
		t.Errorf("%+v, %q, %v", opened, got, err)
	}
	for _, v := range examineBytes(t, h, []byte(body), theirs()).Variations[:5] {
		if !v.Rule || !bytes.Equal(v.MIC.Sum, hashOf(v.MIC.Digest.Hash(), []byte(entity))) {
			t.Errorf("%+v", v)
		}
	}
	// A stranger's signature outside does not hide behind a good one inside.
	if der, err = signer(stranger(), cms.SHA384).Sign(d.Sum(nil), moment); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openBytes(h, strings.NewReader("--twice\r\n"+entity+string(signaturePart(der, "twice"))), theirs()); modifierOf(err) != AuthenticationFailed {
		t.Error(err)
	}
}

// replayed is a key that knows one signature, of somebody else.
type replayed struct {
	crypto.Signer
	signature []byte
}

func (r *replayed) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if r.signature == nil {
		r.signature, err = r.Signer.Sign(rand, digest, opts)
	}
	return r.signature, err
}

// Who takes the signed attributes of somebody's message and sends them as content has a
// signature that verifies without attributes (RFC 5652, 5.4). It is not believed.
func TestAttributesAreNoContent(t *testing.T) {
	s := signer(ours(), cms.SHA256)
	key := &replayed{Signer: s.Key}
	s.Key = key
	der, err := s.Sign(make([]byte, 32), moment)
	if err != nil {
		t.Fatal(err)
	}
	stolen := attributesOf(t, der, ours(), key.signature)
	s.NoAttributes = true
	if der, err = s.Sign(hashOf(crypto.SHA256, stolen), moment); err != nil {
		t.Fatal(err)
	}
	h := plainly("multipart/signed; micalg=sha-256; boundary=b")
	body := append(append([]byte("--b\r\n"), stolen...), signaturePart(der, "b")...)
	opened, _, err := openBytes(h, bytes.NewReader(body), theirs())
	if modifierOf(err) != AuthenticationFailed || !strings.Contains(err.Error(), "attributes") {
		t.Errorf("%+v, %v", opened, err)
	}
}

// attributesOf finds the SET OF that the signature is over.
func attributesOf(t *testing.T, der []byte, by cms.Identity, signature []byte) []byte {
	t.Helper()
	for i := range der {
		if der[i] != 0xa0 || i+4 > len(der) {
			continue
		}
		size := 2 + int(der[i+1])
		if der[i+1] == 0x81 {
			size = 3 + int(der[i+2])
		}
		if i+size > len(der) {
			continue
		}
		set := append([]byte{0x31}, der[i+1:i+size]...)
		if by.Certificate.CheckSignature(by.Certificate.SignatureAlgorithm, set, signature) == nil {
			return set
		}
	}
	t.Fatal("no signed attributes found")
	return nil
}

// A wrong micalg is forgiven where the signature's digest is SHA-256, or the message is
// not too long to have computed it anyway.
func TestWrongMicalg(t *testing.T) {
	for _, c := range []struct {
		size          int
		named, signed cms.Digest
		modifier      string
	}{
		{10, cms.SHA512, cms.SHA256, ""},
		{10, cms.SHA256, cms.SHA384, ""},
		{maxGuessed + 1000, cms.SHA512, cms.SHA256, ""},
		{maxGuessed + 1000, cms.SHA384, cms.SHA384, ""},
		{maxGuessed + 1000, cms.SHA256, cms.SHA384, AuthenticationFailed},
	} {
		o := options()
		o.Sign = signer(ours(), c.signed)
		s, body := sealBytes(t, make([]byte, c.size), o)
		h := httpHeader(s.Header)
		h.Set("Content-Type", strings.Replace(h.Get("Content-Type"), "micalg="+c.signed.String(), "micalg="+c.named.String(), 1))
		opened, _, err := openBytes(h, bytes.NewReader(body), theirs())
		if modifierOf(err) != c.modifier || err == nil && (!opened.MICs[0].Equal(s.MICs[0]) || (len(opened.Notes) > 0) != (c.named != c.signed)) {
			t.Errorf("%+v: %+v, %v", c, opened, err)
		}
	}
}

// A signature of nobody, and one whose signer is somewhere else, authenticate nobody.
func TestSignatureWithoutASigner(t *testing.T) {
	// SignedData without signers: what a .p7b is.
	const certsOnly = "MIIBAAYJKoZIhvcNAQcC"
	der, err := base64.StdEncoding.DecodeString("MCMGCSqGSIb3DQEHAqAWMBQCAQExADALBgkqhkiG9w0BBwExAA==")
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string][]byte{"there is no signer": signaturePart(der, "b"), "cannot be read": []byte("\r\n--b\r\n\r\n" + certsOnly + "\r\n--b--")} {
		h := http.Header{"As2-From": {"A"}, "As2-To": {"B"}, "Message-Id": {"x"}, "Content-Type": {"multipart/signed; boundary=b"}}
		if _, _, err := openBytes(h, bytes.NewReader(append([]byte("--b\r\nContent-Type: a/b\r\n\r\nx"), part...)), theirs()); modifierOf(err) != AuthenticationFailed || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of two signers only the one whose signature we believe is asked for his digest.
func TestDigestOfTheSignerThatCounts(t *testing.T) {
	sd, err := pkcs7.NewSignedData([]byte("Content-Type: a/b\r\n\r\nx"))
	if err != nil {
		t.Fatal(err)
	}
	for oid, id := range map[*asn1.ObjectIdentifier]cms.Identity{&pkcs7.OIDDigestAlgorithmSHA1: ours(), &pkcs7.OIDDigestAlgorithmSHA256: stranger()} {
		sd.SetDigestAlgorithm(*oid)
		if err := sd.AddSigner(id.Certificate, id.Key, pkcs7.SignerInfoConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	der, err := sd.Finish()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signer   cms.Identity
		modifier string
	}{"sha1": {ours(), InsufficientSecurity}, "sha-256": {stranger(), ""}, "neither": {partners(), AuthenticationFailed}} {
		o := theirs()
		o.Trust = trust(c.signer)
		opened, _, err := openBytes(plainly("application/pkcs7-mime; smime-type=signed-data"), bytes.NewReader(der), o)
		if modifierOf(err) != c.modifier || err == nil && opened.MICs[0].Digest != cms.SHA256 {
			t.Errorf("%s: %+v, %v", name, opened, err)
		}
	}
}
