package as2

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// Each cause has its disposition. The cases of the conformance tests are among them:
// corrupt signature, wrong key, broken compression.
func TestFaults(t *testing.T) {
	signedOnly, both := options(), options()
	signedOnly.Sign = signer(ours(), cms.SHA256)
	both.Sign, both.Cipher, both.Recipients = signedOnly.Sign, cms.AES256CBC, to(partners())
	compressedOnly := options()
	compressedOnly.Compress = CompressAfterSign
	encryptedOnly := both
	encryptedOnly.Sign = nil
	byStranger := both
	byStranger.Sign = signer(stranger(), cms.SHA256)
	toStranger := both
	toStranger.Recipients = to(stranger())
	strangersInside := signedOnly
	strangersInside.Sign = signer(stranger(), cms.SHA256)
	opaque := signedOnly
	opaque.Quirks.OpaqueSignature = true
	strict := theirs()
	strict.RequireSigned, strict.RequireEncrypted = true, true
	limited := theirs()
	limited.MaxPayload = 10
	onlyAES128 := theirs()
	onlyAES128.Ciphers = []cms.Cipher{cms.AES128CBC}
	payload := []byte(strings.Repeat("<Invoice/>", 50))
	changed := func(b []byte) []byte { return bytes.Replace(b, []byte("<Invoice/>"), []byte("<invoice/>"), 1) }
	for name, c := range map[string]struct {
		seal     SealOptions
		open     OpenOptions
		damage   func([]byte) []byte
		modifier string
	}{
		"not encrypted":                          {signedOnly, strict, nil, InsufficientSecurity},
		"not signed":                             {encryptedOnly, strict, nil, InsufficientSecurity},
		"compressed is not encrypted":            {compressedOnly, strict, nil, InsufficientSecurity},
		"cipher that is not agreed":              {both, onlyAES128, nil, InsufficientSecurity},
		"digest that is not accepted":            {sha1(signedOnly), theirs(), nil, InsufficientSecurity},
		"signed by a stranger":                   {byStranger, strict, nil, AuthenticationFailed},
		"signed by a stranger, unencrypted":      {strangersInside, theirs(), nil, AuthenticationFailed},
		"signature of noise":                     {signedOnly, theirs(), inSignature(func(der []byte) []byte { return bytes.Repeat([]byte{7}, len(der)) }), AuthenticationFailed},
		"signature cut":                          {signedOnly, theirs(), inSignature(func(der []byte) []byte { return der[:len(der)/2] }), AuthenticationFailed},
		"signature with a flipped last bit":      {signedOnly, theirs(), inSignature(func(der []byte) []byte { der[len(der)-1] ^= 1; return der }), AuthenticationFailed},
		"signature without anything":             {signedOnly, theirs(), inSignature(func([]byte) []byte { return nil }), AuthenticationFailed},
		"signature that is no base64":            {signedOnly, theirs(), func(b []byte) []byte { return bytes.Replace(b, []byte("\r\n\r\nMI"), []byte("\r\n\r\nM!"), 1) }, AuthenticationFailed},
		"digest in the signature changed":        {signedOnly, theirs(), inSignature(flipDigest), AuthenticationFailed},
		"opaque signature with a flipped bit":    {opaque, theirs(), func(b []byte) []byte { b[len(b)-20] ^= 1; return b }, AuthenticationFailed},
		"opaque signature cut":                   {opaque, theirs(), func(b []byte) []byte { return b[:len(b)-40] }, AuthenticationFailed},
		"content changed":                        {signedOnly, theirs(), changed, IntegrityCheckFailed},
		"opaque content changed":                 {opaque, theirs(), changed, IntegrityCheckFailed},
		"encrypted to somebody else":             {toStranger, strict, nil, DecryptionFailed},
		"ciphertext cut at a block":              {both, strict, cutBlock, DecryptionFailed},
		"ciphertext cut":                         {both, strict, func(b []byte) []byte { return b[:len(b)-100] }, DecryptionFailed},
		"compressed: damaged":                    {compressedOnly, theirs(), func(b []byte) []byte { b[len(b)-20] ^= 0xff; return b }, DecompressionFailed},
		"compressed: cut":                        {compressedOnly, theirs(), func(b []byte) []byte { return b[:len(b)-3] }, DecompressionFailed},
		"signed: no closing boundary":            {signedOnly, theirs(), func(b []byte) []byte { return b[:len(b)-6] }, UnexpectedProcessing},
		"signed: no signature part":              {signedOnly, theirs(), withoutSignature, UnexpectedProcessing},
		"signed: three parts":                    {signedOnly, theirs(), func(b []byte) []byte { return third(b) }, UnexpectedProcessing},
		"too long":                               {signedOnly, limited, nil, UnexpectedProcessing},
		"too long, and changed":                  {signedOnly, limited, changed, IntegrityCheckFailed},
		"GCM: one bit of the ciphertext flipped": {gcm(both), strict, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, DecryptionFailed},
		"GCM: one bit of the tag flipped":        {gcm(both), strict, func(b []byte) []byte { b[len(b)-8] ^= 1; return b }, DecryptionFailed},
		"GCM: unsigned and flipped":              {gcm(encryptedOnly), strict, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, DecryptionFailed},
		"GCM: unsigned":                          {gcm(encryptedOnly), strict, nil, InsufficientSecurity},
	} {
		t.Run(name, func(t *testing.T) {
			s, body := sealBytes(t, payload, c.seal)
			if c.damage != nil {
				body = c.damage(body)
			}
			opened, _, err := openBytes(httpHeader(s.Header), bytes.NewReader(body), c.open)
			var f *Fault
			if !errors.As(err, &f) || opened != nil || f.Disposition.Modifier != c.modifier {
				t.Fatalf("%v, %v, want %s", opened, err, c.modifier)
			}
			if f.Text == "" || f.Detail == "" || strings.Contains(f.Text, "as2:") {
				t.Errorf("no words for it: %+v", f)
			}
			if got := f.Disposition.String(); got != "automatic-action/MDN-sent-automatically; processed/error: "+c.modifier {
				t.Error(got)
			}
		})
	}
}

func sha1(o SealOptions) SealOptions { o.Sign = signer(ours(), cms.SHA1); return o }
func gcm(o SealOptions) SealOptions  { o.Cipher = cms.AES256GCM; return o }

var base64Part = regexp.MustCompile(`(?s)(filename="smime.p7s"\r\n\r\n)(.*?)(\r\n--)`)

// inSignature changes the DER of the signature part.
func inSignature(change func([]byte) []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		m := base64Part.FindSubmatchIndex(b)
		der, err := base64.StdEncoding.DecodeString(string(b[m[4]:m[5]]))
		if err != nil {
			panic(err)
		}
		out := append(bytes.Clone(b[:m[4]]), base64.StdEncoding.EncodeToString(change(der))...)
		return append(out, b[m[5]:]...)
	}
}

// flipDigest changes the message digest among the signed attributes (RFC 5652, 11.2).
func flipDigest(der []byte) []byte {
	oid := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04}
	i := bytes.Index(der, oid)
	der[i+len(oid)+6] ^= 1
	return der
}

func withoutSignature(b []byte) []byte {
	i := bytes.LastIndex(b, []byte("\r\n--as2drop"))
	j := bytes.LastIndex(b[:i], []byte("\r\n--as2drop"))
	return append(b[:j:j], b[i:]...)
}

// third repeats the signature part.
func third(b []byte) []byte {
	i := bytes.LastIndex(b, []byte("\r\n--as2drop"))
	j := bytes.LastIndex(b[:i], []byte("\r\n--as2drop"))
	return append(append(bytes.Clone(b[:i]), b[j:i]...), b[i:]...)
}

// cutBlock takes the last 16 bytes of ciphertext away and leaves the structure whole.
func cutBlock(b []byte) []byte {
	i := bytes.LastIndex(b[:len(b)-10], []byte{0xa0, 0x80, 4})
	content := b[i+2 : len(b)-10]
	head := 4 // tag, 0x82, two octets of length
	n := int(content[2])<<8 | int(content[3])
	content[2], content[3] = byte((n-16)>>8), byte(n-16)
	out := append(bytes.Clone(b[:i+2]), content[:head+n-16]...)
	return append(out, make([]byte, 10)...)
}

// What is broken inside of a good signature is the sender's doing and may be told, also
// through encryption; what is broken inside of a bad one is not even looked at.
func TestBrokenInsideOfASignature(t *testing.T) {
	for _, encrypted := range []cms.Cipher{cms.NoCipher, cms.AES128CBC, cms.AES128GCM} {
		for name, c := range map[string]struct{ entity, modifier string }{
			"compression": {"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n" + brokenCompression(t), DecompressionFailed},
			"format":      {"Content-Type: multipart/report; boundary=r\r\n\r\n--r--", UnexpectedProcessing},
		} {
			for _, by := range []cms.Identity{ours(), stranger()} {
				want := c.modifier
				if by.Key == stranger().Key {
					want = AuthenticationFailed
				}
				h, body := signedEntity(t, by, c.entity)
				if encrypted != cms.NoCipher {
					h, body = encryptedEntity(t, encrypted, "Content-Type: "+h.Get("Content-Type")+"\r\n\r\n"+string(body))
				}
				if _, _, err := openBytes(h, bytes.NewReader(body), theirs()); modifierOf(err) != want {
					t.Errorf("%s in %v by %v: %v, want %s", name, encrypted, by.Certificate.SerialNumber, err, want)
				}
			}
		}
	}
	// Without a signature nobody vouches for it inside of CBC, and somebody does in GCM.
	broken := "Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n" + brokenCompression(t)
	for c, want := range map[cms.Cipher]string{cms.AES128CBC: DecryptionFailed, cms.AES128GCM: DecompressionFailed} {
		h, body := encryptedEntity(t, c, broken)
		if _, _, err := openBytes(h, bytes.NewReader(body), theirs()); modifierOf(err) != want {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func brokenCompression(t *testing.T) string {
	v := loadVector(t, "message-compressed")
	v.body[len(v.body)-30] ^= 0xff
	return string(v.body)
}

// signedEntity signs an entity that Seal would not write.
func signedEntity(t testing.TB, by cms.Identity, entity string) (http.Header, []byte) {
	t.Helper()
	d := cms.SHA256.New()
	io.WriteString(d, entity)
	der, err := signer(by, cms.SHA256).Sign(d.Sum(nil), moment)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"As2-From": {"Theirs"}, "As2-To": {"Ours"}, "Message-Id": {"<x@y>"}, "Content-Type": {`multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary=outer`}}
	return h, append([]byte("--outer\r\n"+entity), signaturePart(der, "outer")...)
}

// counted counts what is read of a message.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A ciphertext that decrypts to something without sense gets the same answer as one
// with bad padding, word for word, wherever the sense is lost, and after all of it was
// read and decrypted.
func TestNoPaddingOracle(t *testing.T) {
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES128CBC, to(partners())
	inner := o
	inner.Recipients = nil
	s, plain := sealBytes(t, bytes.Repeat([]byte("invoice"), 20_000), inner)
	opaque := inner
	opaque.Quirks.OpaqueSignature = true
	so, plainOpaque := sealBytes(t, bytes.Repeat([]byte("invoice"), 20_000), opaque)
	header := appendFields(nil, []Field{{"Content-Type", Get(s.Header, "Content-Type")}})
	headerOpaque := appendFields(nil, []Field{{"Content-Type", Get(so.Header, "Content-Type")}})
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	noise := bytes.Repeat([]byte{0x9f, 3}, 70_000)
	block := []byte("0123456789abcdef")
	answers := map[string]bool{}
	for name, content := range map[string][]byte{
		"noise":                      noise,
		"a header of noise":          join([]byte("Content-Type: multipart/signed; boundary=b\r\n\r\n"), noise),
		"a header without an end":    join([]byte("Content-Type: a/b\r\nX: "), noise),
		"compression of noise":       join([]byte("Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n"), noise),
		"signed-data of noise":       join([]byte("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n"), noise),
		"encryption of noise":        join([]byte("Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n"), noise),
		"nothing known":              join([]byte("Content-Type: application/pkcs7-mime\r\n\r\n"), noise),
		"cut in the first part":      join(header, plain[:len(plain)/2]),
		"cut in the signature":       join(header, plain[:len(plain)-300]),
		"no closing boundary":        join(header, plain[:len(plain)-4]),
		"a block behind the end":     join(header, plain, block),
		"a block behind signed-data": join(headerOpaque, plainOpaque, block),
		"signed-data cut":            join(headerOpaque, plainOpaque[:len(plainOpaque)-30]),
	} {
		for _, damage := range []func([]byte) []byte{nil, spoilPadding} {
			h, body := encryptedEntity(t, cms.AES128CBC, string(content))
			if damage != nil {
				body = damage(body)
			}
			opts := theirs()
			opts.RequireSigned = true
			r := &counted{r: bytes.NewReader(body)}
			opened, _, err := openBytes(h, r, opts)
			var f *Fault
			if !errors.As(err, &f) || opened != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			answers[f.Disposition.String()+f.Text] = true
			if r.n != len(body) {
				t.Errorf("%s: %d bytes of %d were read", name, r.n, len(body))
			}
		}
	}
	if len(answers) != 1 || !answers[Failed(DecryptionFailed).String()+"The message could not be decrypted."] {
		t.Errorf("%v", answers)
	}
}

// spoilPadding changes the last block of ciphertext, before the 10 octets of the ends.
func spoilPadding(b []byte) []byte {
	b[len(b)-12] ^= 0x55
	return b
}

// That a message lacks a signature shows before its end. Good padding or bad, the
// answer is the same, or it would be the oracle after all.
func TestInsufficientSecurityTellsNothingOfThePadding(t *testing.T) {
	const entity = "Content-Type: application/xml\r\n\r\n<a/> and some more to fill blocks"
	for _, damage := range []func([]byte) []byte{func(b []byte) []byte { return b }, spoilPadding} {
		h, body := encryptedEntity(t, cms.AES128CBC, entity)
		opts := theirs()
		opts.RequireSigned = true
		r := &counted{r: bytes.NewReader(damage(body))}
		if _, got, err := openBytes(h, r, opts); modifierOf(err) != InsufficientSecurity || len(got) > 0 || r.n != len(body) {
			t.Errorf("%v, %q written, %d of %d read", err, got, r.n, len(body))
		}
	}
}
