package as2

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/as2drop/as2drop/cms"
)

// hashOf is a digest by the standard library alone.
func hashOf(h crypto.Hash, b []byte) []byte {
	state := h.New()
	state.Write(b)
	return state.Sum(nil)
}

func examineBytes(t testing.TB, h http.Header, body []byte, o OpenOptions) *Examination {
	t.Helper()
	e, err := ParseEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Examine(e, bytes.NewReader(body), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// Each known way to get a MIC wrong is recognised in each digest, on messages that
// OpenSSL and Bouncy Castle made, and named for what it is.
func TestExplainNamesTheVariation(t *testing.T) {
	crlf := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }
	first := func(b []byte) []byte { // the signed part of what openssl made
		_, rest, _ := bytes.Cut(b, []byte("\n------"))
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
		part, _, _ := bytes.Cut(rest, []byte("\n------"))
		return bytes.TrimSuffix(part, []byte("\r"))
	}
	bare := func(b []byte) []byte {
		if _, rest, ok := bytes.Cut(b, []byte("\r\n\r\n")); ok {
			return rest
		}
		_, rest, _ := bytes.Cut(b, []byte("\n\n"))
		return rest
	}
	order := []byte("UNA:+.? 'UNB+UNOC:3+PARTNER:14+US:14+261123:1200+77120'UNZ+0+77120'\r\n")
	entity := append([]byte("Content-Type: application/edifact\r\nContent-Disposition: attachment; filename=\"ORD-77120.edi\"\r\n\r\n"), order...)
	for _, c := range []struct {
		vector string
		over   func(body []byte) []byte
		want   Variation
	}{
		{"message-plain", func(b []byte) []byte { return b }, Variation{Name: "HTTP body", Rule: true}},
		{"message-signed", first, Variation{Name: "signed part with its header", Rule: true}},
		{"message-signed", func(b []byte) []byte { return bare(first(b)) }, Variation{Name: "signed part without its header", Headerless: true}},
		{"message-signed", func(b []byte) []byte { return append(bytes.Clone(first(b)), "\r\n"...) }, Variation{Name: "signed part with its header and the line break of the boundary", Break: true}},
		{"message-signed", func(b []byte) []byte { return b }, Variation{Name: "HTTP body"}},
		{"message-signed-encrypted", func([]byte) []byte { return entity }, Variation{Name: "signed part with its header", Rule: true}},
		{"message-encrypted", func([]byte) []byte { return entity }, Variation{Name: "decrypted entity with its header", Rule: true}},
		{"message-encrypted", func([]byte) []byte { return order }, Variation{Name: "decrypted entity without its header", Headerless: true}},
		{"message-encrypted-headless", func([]byte) []byte { return order }, Variation{Name: "decrypted entity", Rule: true}},
		{"message-compressed", func([]byte) []byte { return entity }, Variation{Name: "decompressed entity with its header", Rule: true}},
		{"message-compressed", func([]byte) []byte { return order }, Variation{Name: "decompressed entity without its header", Headerless: true}},
		{"message-compressed-signed", func([]byte) []byte { return entity }, Variation{Name: "decompressed entity with its header"}},
		{"message-compressed-signed", first, Variation{Name: "signed part with its header", Rule: true}},
		{"message-signed-compressed", func([]byte) []byte { return entity }, Variation{Name: "signed part with its header", Rule: true}},
		{"message-signed-opaque", func([]byte) []byte { return entity }, Variation{Name: "signed part with its header", Rule: true}},
		{"message-signed-opaque", func(b []byte) []byte { return b }, Variation{Name: "HTTP body"}},
		{"message-signed-text-bare-lf", func(b []byte) []byte { return crlf(first(b)) }, Variation{Name: "signed part with its header, CRLF line ends", Rule: true}},
		{"message-signed-text-bare-lf", func(b []byte) []byte { return bare(first(b)) }, Variation{Name: "signed part without its header", Headerless: true}},
		{"message-signed-text-bare-lf", func(b []byte) []byte { return crlf(b) }, Variation{Name: "HTTP body, CRLF line ends"}},
		{"message-related-signed-encrypted", func([]byte) []byte { return order }, Variation{Name: `file 2 ("ORD-77120.edi") as delivered`}},
	} {
		v := loadVector(t, c.vector)
		x := examineBytes(t, v.header, v.body, asUs(false))
		for d, h := range map[cms.Digest]crypto.Hash{cms.SHA1: crypto.SHA1, cms.SHA224: crypto.SHA224, cms.SHA256: crypto.SHA256, cms.SHA384: crypto.SHA384, cms.SHA512: crypto.SHA512} {
			// The name beside the digest may be wrong.
			got, ok := x.Explain(MIC{cms.NoDigest, hashOf(h, c.over(v.body))})
			c.want.MIC = MIC{d, got.MIC.Sum}
			if !ok || got.Name != c.want.Name || got.MIC.Digest != d || got.Rule != c.want.Rule || got.CRLF != c.want.CRLF || got.Headerless != c.want.Headerless || got.Break != c.want.Break {
				t.Errorf("%s in %v: %+v, want %+v", c.vector, d, got, c.want)
			}
		}
		if _, ok := x.Explain(MIC{cms.SHA256, make([]byte, 32)}); ok {
			t.Error("zeros are explained")
		}
	}
}

// An examination goes on where Open refuses, and says what Open would have said.
func TestExamineGoesOn(t *testing.T) {
	signed := loadVector(t, "message-signed-encrypted")
	nobody := asUs(false)
	nobody.Trust = cms.Pinned(stranger().Certificate)
	strict := asUs(false)
	strict.RequireEncrypted = true
	noKey := asUs(false)
	noKey.Identities = []cms.Identity{stranger()}
	plain := loadVector(t, "message-signed")
	for name, c := range map[string]struct {
		v        captured
		o        OpenOptions
		modifier string
		layers   []string
		files    int
	}{
		"unknown signer":  {signed, nobody, AuthenticationFailed, []string{"encrypted aes-256-cbc", "signed sha-256"}, 1},
		"not encrypted":   {plain, strict, InsufficientSecurity, []string{"signed sha-256"}, 1},
		"not for our key": {signed, noKey, DecryptionFailed, []string{"encrypted aes-256-cbc"}, 1}, // of noise
		"nothing wrong":   {signed, asUs(false), "", []string{"encrypted aes-256-cbc", "signed sha-256"}, 1},
	} {
		x := examineBytes(t, c.v.header, c.v.body, c.o)
		if modifierOf(x.Err) != c.modifier || !slices.Equal(LayerNames(x.Opened.Layers), c.layers) || len(x.Opened.Parts) != c.files {
			t.Errorf("%s: %v, %+v", name, x.Err, x.Opened)
		}
		if name == "not for our key" {
			continue
		}
		want, err := ParseMIC(c.v.expect.MIC)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := x.Explain(want); !ok || !v.Rule {
			t.Errorf("%s: %+v", name, v)
		}
	}
	e, err := ParseEnvelope(plain.header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(e, iotest.ErrReader(errNetwork), nil, asUs(false)); !errors.Is(err, errNetwork) {
		t.Error(err)
	}
}

// Any digest can be had later of a message that was sealed, in every permutation; what
// it is over the second opinion knows.
func TestRecompute(t *testing.T) {
	for _, compress := range []Compression{NoCompression, CompressBeforeSign, CompressAfterSign} {
		for _, sign := range []string{"", "detached", "opaque"} {
			for _, encrypt := range []bool{false, true} {
				o := options()
				o.Compress, o.Quirks.OpaqueSignature, o.Quirks.PayloadBase64 = compress, sign == "opaque", true
				if sign != "" {
					o.Sign = signer(ours(), cms.SHA256)
				}
				if encrypt {
					o.Cipher, o.Recipients = cms.AES256CBC, to(partners(), ours())
				}
				s, body := sealBytes(t, []byte("UNB+UNOC:3\nUNZ"), o)
				over := secondOpinion(t, httpHeader(s.Header), body).mic
				for d, h := range map[cms.Digest]crypto.Hash{cms.SHA1: crypto.SHA1, cms.SHA512: crypto.SHA512} {
					m, err := Recompute(s, bytes.NewReader(body), d, OpenOptions{Identities: []cms.Identity{ours()}})
					if err != nil || m.Digest != d || !bytes.Equal(m.Sum, hashOf(h, over)) {
						t.Errorf("%v %q %v in %v: %v, %v", compress, sign, encrypt, d, m, err)
					}
				}
			}
		}
	}
}

func TestRecomputeRefuses(t *testing.T) {
	o := options()
	o.Sign, o.Cipher, o.Recipients = signer(ours(), cms.SHA256), cms.AES128CBC, to(partners())
	s, body := sealBytes(t, []byte("x"), o)
	opts := OpenOptions{Identities: []cms.Identity{ours()}}
	if m, err := Recompute(s, bytes.NewReader(body), cms.SHA1, opts); err == nil {
		t.Errorf("not encrypted to us: %v", m)
	}
	opts.Identities = []cms.Identity{partners()}
	if _, err := Recompute(s, bytes.NewReader(body), cms.SHA1, opts); err != nil {
		t.Error(err)
	}
	if m, err := Recompute(s, bytes.NewReader(append(body, ' ')), cms.SHA1, opts); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("changed: %v, %v", m, err)
	}
	if _, err := Recompute(s, iotest.ErrReader(errNetwork), cms.SHA1, opts); !errors.Is(err, errNetwork) {
		t.Error(err)
	}
}

// OpenAS2 leaves the header out where a message is compressed and not signed; line ends
// are forgiven where that was agreed; nothing else is.
func TestForgiven(t *testing.T) {
	compressed, signed := &Sealed{Compressed: true}, &Sealed{Signed: true, Compressed: true}
	canonical := Quirks{CanonicalMIC: true}
	for name, c := range map[string]struct {
		v    Variation
		s    *Sealed
		q    Quirks
		want bool
	}{
		"the rule":                     {Variation{Rule: true}, signed, Quirks{}, true},
		"headerless, compressed":       {Variation{Headerless: true}, compressed, Quirks{}, true},
		"headerless, compressed, CRLF": {Variation{Headerless: true, CRLF: true}, compressed, canonical, false},
		"headerless, signed":           {Variation{Headerless: true}, signed, canonical, false},
		"headerless, plain":            {Variation{Headerless: true}, &Sealed{}, canonical, false},
		"CRLF, not agreed":             {Variation{CRLF: true}, signed, Quirks{}, false},
		"CRLF, agreed":                 {Variation{CRLF: true}, signed, canonical, true},
		"line break of the boundary":   {Variation{Break: true}, signed, canonical, false},
		"something else":               {Variation{}, compressed, canonical, false},
	} {
		if got := c.v.Forgiven(c.s, c.q); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What passes while a message is examined is what Open hands out, to the byte.
func TestExaminePassesTheSameBytes(t *testing.T) {
	v := loadVector(t, "message-related-signed-encrypted")
	e, err := ParseEnvelope(v.header)
	if err != nil {
		t.Fatal(err)
	}
	var c collector
	x, err := Examine(e, bytes.NewReader(v.body), c.sink, asUs(false))
	if err != nil || x.Err != nil {
		t.Fatal(err, x.Err)
	}
	v.check(t, &x.Opened, c.files)
	sum := sha256.Sum256(v.body)
	if i := slices.IndexFunc(x.Variations, func(v Variation) bool { return v.Name == "HTTP body" && v.MIC.Digest == cms.SHA256 }); i < 0 || hex.EncodeToString(x.Variations[i].MIC.Sum) != hex.EncodeToString(sum[:]) {
		t.Error("no digest of the HTTP body")
	}
	if _, err := Examine(e, bytes.NewReader(v.body), func(Part) (io.WriteCloser, error) { return nil, errDisk }, asUs(false)); !errors.Is(err, errDisk) {
		t.Error(err)
	}
}
