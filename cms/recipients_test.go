package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// sealTo writes a message with the options of a test.
func sealTo(t *testing.T, data []byte, to ...Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := Encrypt(&out, EncryptOptions{Cipher: AES256GCM, Recipients: to, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEveryKeyTransport(t *testing.T) {
	us, _, _ := identities(t)
	for k := range transports {
		k := KeyTransport(k)
		for _, byKeyID := range []bool{false, true} {
			message := sealTo(t, []byte("invoice"), Recipient{us.Certificate, k, byKeyID})
			got, d, err := openWith(bytes.NewReader(message), allCiphers(us))
			if err != nil || string(got) != "invoice" || d.Transport != k || d.Cipher != AES256GCM || len(d.Recipients) != 1 {
				t.Fatalf("%v: %q, %v", k, got, err)
			}
			if want := map[bool]string{true: "key identifier 01020300", false: "serial 3e8 of CN=test,C=AT"}[byKeyID]; d.Recipients[0] != want {
				t.Errorf("%v: recipients %q", k, d.Recipients)
			}
		}
	}
}

// Versions say how recipients are named, and nothing else (RFC 5652, 6.1 and 6.2.1; RFC
// 5083, 2.1).
func TestVersionsAsWritten(t *testing.T) {
	us, _, _ := identities(t)
	for _, c := range []Cipher{AES128CBC, AES128GCM} {
		for _, byKeyID := range []bool{false, true} {
			var out bytes.Buffer
			if _, err := Encrypt(&out, EncryptOptions{Cipher: c, Recipients: []Recipient{{us.Certificate, RSAPKCS1, byKeyID}}, Rand: rand.Reader}); err != nil {
				t.Fatal(err)
			}
			version, recipient := byte(0), byte(0)
			if byKeyID {
				recipient = 2
				if c == AES128CBC {
					version = 2
				}
			}
			_, head, _ := bytes.Cut(out.Bytes(), []byte{0xa0, 0x80, 0x30, 0x80})
			_, set, _ := bytes.Cut(head[4:], []byte{0x30, 0x82})
			if head[2] != version || !bytes.Equal(set[2:5], []byte{tagInteger, 1, recipient}) {
				t.Errorf("%v, by key identifier %v: version %d, recipient %x", c, byKeyID, head[2], set[2:5])
			}
		}
	}
}

// As written, byte for byte: what is the default in OAEP must not be there in DER.
func TestKeyTransportsAsWritten(t *testing.T) {
	for k, want := range map[KeyTransport]string{
		RSAPKCS1:   "300d 0609 2a864886f70d010101 0500",
		OAEPSHA1:   "300d 0609 2a864886f70d010107 3000",
		OAEPSHA384: "303c 0609 2a864886f70d010107 302f a00f300d 0609 608648016503040202 0500 a11c301a 0609 2a864886f70d010108 300d 0609 608648016503040202 0500",
	} {
		if got, err := k.algorithm(); err != nil || !bytes.Equal(got, unhex(strings.ReplaceAll(want, " ", ""))) {
			t.Errorf("%v: %x, %v", k, got, err)
		}
	}
}

// oaep is an RSAES-OAEP AlgorithmIdentifier in any form.
func oaep(parts ...[]byte) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: oidOAEP, Parameters: asn1.RawValue{FullBytes: sequence(inSequence, parts...)}}
}

// OAEP with every mix of digests, with and without NULL, and an empty label stated or
// not: sealed with the standard library, whose two digests are set apart here.
func TestOAEPInEveryForm(t *testing.T) {
	us, _, _ := identities(t)
	field := func(tag uint32, alg pkix.AlgorithmIdentifier) []byte {
		return sequence(header{class: classContext, tag: tag}, mustMarshal(alg))
	}
	label := func(b []byte) []byte {
		return field(2, pkix.AlgorithmIdentifier{Algorithm: oidPSpecified, Parameters: asn1.RawValue{FullBytes: mustMarshal(b)}})
	}
	for _, d := range []Digest{SHA1, SHA256, SHA384, SHA512} {
		for _, mgf := range []Digest{SHA1, SHA256, SHA384, SHA512} {
			for _, null := range []asn1.RawValue{{}, asn1.NullRawValue} {
				digest := pkix.AlgorithmIdentifier{Algorithm: digests[d].oid, Parameters: null}
				mask := mustMarshal(pkix.AlgorithmIdentifier{Algorithm: digests[mgf].oid, Parameters: null})
				alg := oaep(field(0, digest), field(1, pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: mask}}), label([]byte{}))
				k, opts, ok := transportOf(alg, 16)
				if !ok || transports[k].digest != d {
					t.Fatalf("%v, mask %v: %v, %v", d, mgf, k, ok)
				}
				sealed := encryptOAEP(t, us.Certificate.PublicKey.(*rsa.PublicKey), d.New(), mgf.New(), []byte("sixteen bytes ok"))
				got, err := us.Key.(crypto.Decrypter).Decrypt(nil, sealed, opts)
				if err != nil || string(got) != "sixteen bytes ok" {
					t.Errorf("%v, mask %v: %q, %v", d, mgf, got, err)
				}
			}
		}
	}
	for name, alg := range map[string]pkix.AlgorithmIdentifier{
		"no parameters": {Algorithm: oidOAEP},
		"empty":         oaep(),
	} {
		if k, _, ok := transportOf(alg, 16); !ok || k != OAEPSHA1 {
			t.Errorf("%s: %v, %v", name, k, ok)
		}
	}
	sha256 := pkix.AlgorithmIdentifier{Algorithm: digests[SHA256].oid}
	for name, alg := range map[string]pkix.AlgorithmIdentifier{
		"a label":           oaep(label([]byte("x"))),
		"another source":    oaep(field(2, sha256)),
		"another mask":      oaep(field(1, sha256)),
		"a mask of nothing": oaep(field(1, pkix.AlgorithmIdentifier{Algorithm: oidMGF1})),
		"an unknown digest": oaep(field(0, pkix.AlgorithmIdentifier{Algorithm: oidData})),
		"SHA-224":           oaep(field(0, pkix.AlgorithmIdentifier{Algorithm: digests[SHA224].oid})),
		"no sequence":       {Algorithm: oidOAEP, Parameters: asn1.RawValue{FullBytes: asn1.NullBytes}},
	} {
		if k, _, ok := transportOf(alg, 16); ok {
			t.Errorf("%s: %v", name, k)
		}
	}
}

// encryptOAEP is RFC 8017, 7.1.1, with two digests and an empty label.
func encryptOAEP(t *testing.T, pub *rsa.PublicKey, d, mgf hash.Hash, key []byte) []byte {
	em := make([]byte, pub.Size())
	seed, db := em[1:1+d.Size()], em[1+d.Size():]
	rand.Read(seed)
	copy(db, d.Sum(nil))
	copy(db[len(db)-len(key):], key)
	db[len(db)-len(key)-1] = 1
	mask := func(out, from []byte) {
		for i := 0; i*mgf.Size() < len(out); i++ {
			mgf.Reset()
			mgf.Write(from)
			mgf.Write([]byte{0, 0, byte(i >> 8), byte(i)})
			for j, b := range mgf.Sum(nil) {
				if at := i*mgf.Size() + j; at < len(out) {
					out[at] ^= b
				}
			}
		}
	}
	mask(db, seed)
	mask(seed, db)
	c := new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(pub.E)), pub.N)
	return c.FillBytes(em)
}

// We may be anywhere among the recipients, twice, and beside kinds that are not for us.
func TestWhereAmongTheRecipients(t *testing.T) {
	us, partner, stranger := identities(t)
	good := byHand(t, AES128CBC, false, us, RSAPKCS1)
	ours, theirs := good.recipients[0], wrapped(t, good.key, partner, OAEPSHA256)
	agreement := sequence(header{class: classContext, tag: 1}, []byte{2, 1, 3})
	password := sequence(header{class: classContext, tag: 3}, []byte{2, 1, 0})
	broken, another := wrapped(t, good.key[1:], us, RSAPKCS1), wrapped(t, make([]byte, 16), us, RSAPKCS1)
	for name, c := range map[string]struct {
		recipients [][]byte
		opens      bool
		described  int
		private    int
	}{
		"first":                   {[][]byte{ours, theirs}, true, 2, 1},
		"last":                    {[][]byte{theirs, agreement, password, theirs, ours}, true, 5, 1},
		"twice":                   {[][]byte{ours, theirs, ours}, true, 3, 2},
		"twice, the first wrong":  {[][]byte{broken, ours}, true, 2, 2},
		"twice, the last wrong":   {[][]byte{ours, broken}, true, 2, 2},
		"twice, the last another": {[][]byte{ours, another}, true, 2, 2},
		"not at all":              {[][]byte{theirs, agreement}, false, 2, 1},
		"other kinds alone":       {[][]byte{agreement, password}, false, 2, 1},
		"eight times":             {slices.Repeat([][]byte{ours}, 8), true, 8, 8},
		"a hundred times":         {slices.Repeat([][]byte{ours}, 100), true, 100, 8},
		"behind eight wrong":      {append(slices.Repeat([][]byte{broken}, 8), ours), false, 9, 8},
	} {
		data, d, w, err := decryptCounted(good.rewrapped(c.recipients...).bytes(), stranger, us)
		if c.opens && (err != nil || !bytes.Equal(data, good.plain)) || !c.opens && err == nil && bytes.Equal(data, good.plain) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		if len(d.Recipients) != c.described || w.private != c.private {
			t.Errorf("%s: %q, %+v", name, d.Recipients, w)
		}
	}
	_, d, _, _ := decryptCounted(good.rewrapped(agreement, password, ours).bytes(), us)
	if fmt.Sprint(d.Recipients) != "[key agreement password serial 3e8 of CN=test,C=AT]" {
		t.Errorf("%q", d.Recipients)
	}
}

// A rollover where both keys go by one name, because a small authority counts anew: both
// are tried, in either order, always both.
func TestTwoIdentitiesOfTheSameName(t *testing.T) {
	us, _, _ := identities(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	successor := *us.Certificate
	successor.PublicKey = key.Public()
	next := Identity{&successor, key}
	for _, k := range []KeyTransport{RSAPKCS1, OAEPSHA1} {
		for _, c := range []struct {
			to  Identity
			ids []Identity
		}{{us, []Identity{us, next}}, {us, []Identity{next, us}}, {next, []Identity{us, next}}, {next, []Identity{next, us}}} {
			good := byHand(t, AES128CBC, false, c.to, k)
			data, _, w, err := decryptCounted(good.bytes(), c.ids...)
			if err != nil || !bytes.Equal(data, good.plain) || w.private != 2 {
				t.Errorf("%v: %v, %+v", k, err, w)
			}
		}
	}
}

func TestNamesOfRecipients(t *testing.T) {
	us, _, stranger := identities(t)
	id := us.Certificate.SubjectKeyId
	implicit := func(b []byte) asn1.RawValue {
		der := encode(header{class: classContext}, b)
		return asn1.RawValue{Class: classContext, Bytes: b, FullBytes: der}
	}
	constructed := implicit(encode(header{tag: tagOctetString}, id))
	constructed.IsCompound = true
	var noID x509.Certificate = *us.Certificate
	noID.SubjectKeyId = nil
	fromKey := implicit(keyIdentifierOf(&noID))
	for name, c := range map[string]struct {
		id   asn1.RawValue
		cert *x509.Certificate
		want bool
	}{
		"key identifier":                       {implicit(id), us.Certificate, true},
		"key identifier of another":            {implicit(id), stranger.Certificate, false},
		"key identifier as a string inside":    {constructed, us.Certificate, true},
		"key identifier made from the key":     {fromKey, &noID, true},
		"made from the key, stated otherwise":  {fromKey, us.Certificate, false},
		"an empty one":                         {implicit(nil), &x509.Certificate{}, false},
		"an empty one, a certificate with one": {implicit(nil), us.Certificate, false},
		"issuer and serial":                    {asn1.RawValue{FullBytes: mustMarshal(nameOf(us.Certificate))}, us.Certificate, true},
		"issuer and serial of another":         {asn1.RawValue{FullBytes: mustMarshal(nameOf(us.Certificate))}, stranger.Certificate, false},
		"no identifier":                        {asn1.RawValue{FullBytes: []byte{5, 0}}, us.Certificate, false},
	} {
		if got := names(c.id, c.cert); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if text := describe(constructed); text != "key identifier 01020300" {
		t.Error(text)
	}
	if text := describe(asn1.RawValue{FullBytes: []byte{5, 0}}); text != "unreadable identifier" {
		t.Error(text)
	}
}

// Only RSA keys can be encrypted to, or decrypt.
func TestOtherKeys(t *testing.T) {
	us, _, _ := identities(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := *us.Certificate
	curve.PublicKey = key.Public()
	if _, err := Encrypt(&bytes.Buffer{}, EncryptOptions{Cipher: AES128CBC, Recipients: []Recipient{{Certificate: &curve}}, Rand: rand.Reader}); err == nil || !strings.Contains(err.Error(), "no RSA key") {
		t.Errorf("encrypted to a curve: %v", err)
	}
	message := sealTo(t, []byte("invoice"), Recipient{Certificate: us.Certificate})
	for _, id := range []Identity{{&curve, key}, {us.Certificate, nil}} {
		_, d, err := openWith(bytes.NewReader(message), allCiphers(id))
		if err != ErrDecrypt || d.Detail() != "the key of the certificate that it is encrypted to cannot decrypt" {
			t.Errorf("%T: %v, %q", id.Key, err, d.Detail())
		}
	}
	if _, d, err := openWith(bytes.NewReader(message), allCiphers()); err != ErrDecrypt || d.Detail() != "it is not encrypted to any of our certificates" {
		t.Errorf("no identities: %v", err)
	}
	// SHA-512 leaves no room in a key of 1024 bits.
	small := *us.Certificate
	small.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(3), 1022), E: 65537}
	if _, err := (Recipient{Certificate: &small, Transport: OAEPSHA512}).wrap(make([]byte, 32), rand.Reader); err == nil || !strings.Contains(err.Error(), "oaep-sha-512") {
		t.Errorf("1024 bits: %v", err)
	}
}

// Leading zeros of a wrapped key that somebody left out.
func TestWrappedKeyWithoutLeadingZeros(t *testing.T) {
	us, _, _ := identities(t)
	for range 20_000 {
		s := byHand(t, AES128CBC, false, us, RSAPKCS1)
		var info recipientInfo
		if !whole(s.recipients[0], &info) {
			t.Fatal("recipient")
		}
		if info.Key[0] != 0 {
			continue
		}
		info.Key = bytes.TrimLeft(info.Key, "\x00")
		if got, _, w, err := decryptCounted(s.rewrapped(mustMarshal(info)).bytes(), us); err != nil || !bytes.Equal(got, s.plain) || w.private != 1 {
			t.Errorf("%d bytes, %v, %+v", len(got), err, w)
		}
		return
	}
	t.Error("no wrapped key begins with zero")
}
