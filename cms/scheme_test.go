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
	"errors"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"testing"

	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

// committed is one of the key pairs in testdata/keys.
func committed(name string) Identity {
	cert, key := testkeys.Load(name)
	return Identity{cert, key}
}

// onCurve makes a self-signed certificate with a key on the curve.
func onCurve(t testing.TB, curve elliptic.Curve) Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: curve.Params().Name}, NotBefore: moment, NotAfter: moment.AddDate(1, 0, 0), SubjectKeyId: []byte{7}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Identity{cert, key}
}

// signers are all ways to sign that we have, by a name that says how.
func signers(t testing.TB) map[string]*Signer {
	rsaID, ecID := committed("us-rsa"), committed("us-ecdsa")
	all := map[string]*Signer{}
	for _, d := range []Digest{SHA1, SHA224, SHA256, SHA384, SHA512} {
		for scheme, s := range map[string]Signer{
			"rsa": {Certificate: rsaID.Certificate, Key: rsaID.Key.(crypto.Signer), Digest: d}, "pss": {Certificate: rsaID.Certificate, Key: rsaID.Key.(crypto.Signer), Digest: d, PSS: true},
			"ecdsa": {Certificate: ecID.Certificate, Key: ecID.Key.(crypto.Signer), Digest: d},
		} {
			for form, change := range map[string]func(*Signer){
				"": func(*Signer) {}, " without attributes": func(s *Signer) { s.NoAttributes = true },
				" without protection": func(s *Signer) { s.NoProtection = true }, " by key identifier": func(s *Signer) { s.ByKeyID = true },
			} {
				changed := s
				change(&changed)
				all[fmt.Sprintf("%s %v%s", scheme, d, form)] = &changed
			}
		}
	}
	for _, curve := range []elliptic.Curve{elliptic.P384(), elliptic.P521()} {
		id := onCurve(t, curve)
		all["ecdsa "+curve.Params().Name] = &Signer{Certificate: id.Certificate, Key: id.Key.(crypto.Signer), Digest: SHA384}
	}
	return all
}

// opaque wraps content into a signature.
func opaque(t testing.TB, s *Signer, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := s.Opaque(&buf, moment)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEveryWayToSign(t *testing.T) {
	content := bytes.Repeat([]byte("invoice "), 20_000) // more than two segments
	for name, signer := range signers(t) {
		sums := digestOf(signer.Digest, content)
		der, err := signer.Sign(sums[signer.Digest], moment)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		detached, err := ParseSignature(bytes.NewReader(der), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		around, err := OpenSigned(bytes.NewReader(opaque(t, signer, content)), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(around); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes of opaque content, %v", name, len(got), err)
		}
		for form, s := range map[string]*Signature{"detached": detached, "opaque": around} {
			v, err := s.Verify(sums, Pinned(signer.Certificate), moment)
			if err != nil || v.Digest != signer.Digest || v.Attributes == signer.NoAttributes || v.ByAuthority {
				t.Errorf("%s, %s: %+v, %v", name, form, v, err)
				continue
			}
			i := s.Signers()[0]
			if i.Scheme != v.Scheme || i.ByKeyID != signer.ByKeyID || i.Attributes == signer.NoAttributes ||
				i.Protected != (!signer.NoAttributes && !signer.NoProtection) || i.Attributes && !i.SigningTime.Equal(moment) {
				t.Errorf("%s, %s: %+v", name, form, i)
			}
			if certs := s.Certificates(); len(certs) != 1 || !certs[0].Equal(signer.Certificate) {
				t.Errorf("%s, %s: %d certificates", name, form, len(certs))
			}
			s.signers[0].signature[len(s.signers[0].signature)-1] ^= 1
			if v, err := s.Verify(sums, Pinned(signer.Certificate), moment); !errors.Is(err, ErrBadSignature) {
				t.Errorf("%s, %s, damaged: %+v, %v", name, form, v, err)
			}
		}
	}
}

func TestWhatCannotSign(t *testing.T) {
	rsaID, ecID, small := committed("us-rsa"), committed("us-ecdsa"), onCurve(t, elliptic.P224())
	nameless := *rsaID.Certificate
	nameless.SubjectKeyId = nil
	for name, s := range map[string]Signer{
		"no digest":         {Certificate: rsaID.Certificate, Key: rsaID.Key.(crypto.Signer)},
		"PSS with ECDSA":    {Certificate: ecID.Certificate, Key: ecID.Key.(crypto.Signer), Digest: SHA256, PSS: true},
		"P-224":             {Certificate: small.Certificate, Key: small.Key.(crypto.Signer), Digest: SHA256},
		"no key identifier": {Certificate: &nameless, Key: rsaID.Key.(crypto.Signer), Digest: SHA256, ByKeyID: true},
	} {
		if der, err := s.Sign(make([]byte, 32), moment); err == nil || der != nil {
			t.Errorf("%s: %d bytes, %v", name, len(der), err)
		}
	}
	s := Signer{Certificate: rsaID.Certificate, Key: rsaID.Key.(crypto.Signer), Digest: SHA256}
	if der, err := s.Sign(make([]byte, 20), moment); err == nil || der != nil {
		t.Errorf("a digest of another length: %d bytes, %v", len(der), err)
	}
}

// raw signs a block that nobody made by the rules.
func raw(key *rsa.PrivateKey, block []byte) []byte {
	m := new(big.Int).SetBytes(block)
	return m.Exp(m, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// padded puts a DigestInfo behind the padding of EMSA-PKCS1-v1_5, with garbage behind.
func padded(size int, info, garbage []byte) []byte {
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info)-len(garbage))...)
	return append(append(append(block, 0), info...), garbage...)
}

// TestDigestInfo: two encodings are right and everything else is a forgery.
func TestDigestInfo(t *testing.T) {
	id := committed("us-rsa")
	key := id.Key.(*rsa.PrivateKey)
	digest := digestOf(SHA1, []byte("invoice"))[SHA1]
	info := func(params []byte, octets ...byte) []byte {
		alg := encode(header{constructed: true, tag: tagSequence}, append(mustMarshal(digests[SHA1].oid), params...))
		return encode(header{constructed: true, tag: tagSequence}, append(append(alg, encode(header{tag: tagOctetString}, digest)...), octets...))
	}
	size := key.Size()
	for name, c := range map[string]struct {
		block []byte
		good  bool
	}{
		"NULL":                          {padded(size, info(asn1.NullBytes), nil), true},
		"no parameters":                 {padded(size, info(nil), nil), true},
		"garbage behind":                {padded(size, info(asn1.NullBytes), make([]byte, 100)), false},
		"garbage behind, no parameters": {padded(size, info(nil), make([]byte, 100)), false},
		"garbage as parameters":         {padded(size, info(append([]byte{4, 40}, make([]byte, 40)...)), nil), false},
		"garbage inside":                {padded(size, info(nil, 4, 1, 0), nil), false},
		"bare digest":                   {padded(size, digest, nil), false},
	} {
		err := checkSignature(key.Public(), pkix.AlgorithmIdentifier{Algorithm: oidRSA}, SHA1, digest, raw(key, c.block))
		if (err == nil) != c.good || err != nil && !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Signature algorithms go by several names; the digest algorithm decides about the
// digest.
func TestNamesOfSchemes(t *testing.T) {
	for vector, names := range map[string]map[string]asn1.ObjectIdentifier{
		"sign-openssl-ecdsa-noattr": {"ecdsa-with-SHA256": digests[SHA256].ecdsa, "id-ecPublicKey": oidECPublicKey},
		"sign-openssl-rsa-noattr":   {"rsaEncryption": oidRSA, "sha256WithRSAEncryption": digests[SHA256].rsa, "sha1WithRSAEncryption": digests[SHA1].rsa},
	} {
		content := readVector(t, "..", "testdata", "vectors", vector, "content")
		s, err := ParseSignature(bytes.NewReader(readVector(t, "..", "testdata", "vectors", vector, "signature.der")), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		trust := Pinned(committed("us-ecdsa").Certificate, committed("us-rsa").Certificate)
		for name, oid := range names {
			s.signers[0].sigAlg.Algorithm = oid
			if v, err := s.Verify(digestOf(SHA256, content), trust, moment); err != nil || v.Scheme == NoScheme {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		}
		for name, oid := range map[string]asn1.ObjectIdentifier{"of the other kind of key": oidRSAPSS, "none": oidData} {
			s.signers[0].sigAlg.Algorithm = oid
			if v, err := s.Verify(digestOf(SHA256, content), trust, moment); !errors.Is(err, ErrAlgorithm) && !errors.Is(err, ErrSyntax) {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
		}
	}
}

// Opaque content of any size passes in constant memory, both ways.
func TestOpaqueIsStreamed(t *testing.T) {
	const size = 64 << 20
	id := committed("us-ecdsa")
	signer := &Signer{Certificate: id.Certificate, Key: id.Key.(crypto.Signer), Digest: SHA256}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pr, pw := io.Pipe()
	go func() {
		w, err := signer.Opaque(pw, moment)
		if err == nil {
			if _, err = io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(zeros{}, size), make([]byte, streamBuffer)); err == nil {
				err = w.Close()
			}
		}
		pw.CloseWithError(err)
	}()
	s, err := OpenSigned(pr, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, make([]byte, streamBuffer)); err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if _, err := s.Verify(s.Sums(), Pinned(id.Certificate), moment); err != nil {
		t.Error(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated for %d of content", used, size)
	}
}

// TestPSSByOurOwnHand: where crypto/rsa can verify too, both agree.
func TestPSSByOurOwnHand(t *testing.T) {
	key := committed("us-rsa").Key.(*rsa.PrivateKey)
	for _, d := range []Digest{SHA1, SHA224, SHA256, SHA384, SHA512} {
		digest := digestOf(d, []byte("invoice"))[d]
		for _, salt := range []int{1, 8, 20, 32, 64} {
			sig, err := rsa.SignPSS(rand.Reader, key, d.Hash(), digest, &rsa.PSSOptions{SaltLength: salt})
			if err != nil {
				t.Fatal(err)
			}
			p := pssParameters{d, d, salt}
			if err := verifyPSS(&key.PublicKey, p, digest, sig); err != nil {
				t.Errorf("%v, salt %d: %v", d, salt, err)
			}
			other := bytes.Clone(digest)
			other[0] ^= 1
			for name, err := range map[string]error{
				"other digest":   verifyPSS(&key.PublicKey, p, other, sig),
				"other salt":     verifyPSS(&key.PublicKey, pssParameters{d, d, salt + 1}, digest, sig),
				"no salt":        verifyPSS(&key.PublicKey, pssParameters{d, d, 0}, digest, sig),
				"too much salt":  verifyPSS(&key.PublicKey, pssParameters{d, d, maxSalt}, digest, sig),
				"other mask":     verifyPSS(&key.PublicKey, pssParameters{d, d%SHA512 + 1, salt}, digest, sig),
				"short":          verifyPSS(&key.PublicKey, p, digest, sig[1:]),
				"over the modul": verifyPSS(&key.PublicKey, p, digest, bytes.Repeat([]byte{0xff}, len(sig))),
			} {
				if err == nil {
					t.Errorf("%v, salt %d, %s verifies", d, salt, name)
				}
			}
		}
	}
}

// A block that is wrong in one place, under a signature that fits it.
func TestPSSBlocks(t *testing.T) {
	key := committed("us-rsa").Key.(*rsa.PrivateKey)
	digest := digestOf(SHA256, []byte("invoice"))[SHA256]
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig)
	block := s.Exp(s, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	for name, i := range map[string]int{"as made": -1, "trailer": 255, "padding": 10, "separator": 190, "salt": 200, "hash": 230} {
		changed := bytes.Clone(block)
		if i >= 0 {
			changed[i] ^= 1
		}
		if err := verifyPSS(&key.PublicKey, pssParameters{SHA256, SHA256, 32}, digest, raw(key, changed)); (err == nil) != (i < 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// RFC 5652, 5.1 and 5.3: version 3 where a key identifier names the signer.
func TestVersions(t *testing.T) {
	id := committed("us-rsa")
	for byKeyID, want := range map[bool]int{false: 1, true: 3} {
		signer := signerOf(id, SHA256)
		signer.ByKeyID = byKeyID
		der, err := signer.Sign(make([]byte, 32), moment)
		if err != nil {
			t.Fatal(err)
		}
		var ci struct {
			Type    asn1.ObjectIdentifier
			Content struct {
				Version    int
				DigestAlgs asn1.RawValue
				Content    asn1.RawValue
				Certs      asn1.RawValue
				Signers    []struct {
					Version int
					ID      asn1.RawValue
					Digest  asn1.RawValue
					Attrs   asn1.RawValue
					SigAlg  asn1.RawValue
					Sig     []byte
				} `asn1:"set"`
			} `asn1:"explicit,tag:0"`
		}
		if err := unmarshal(der, &ci, "message"); err != nil || ci.Content.Version != want || ci.Content.Signers[0].Version != want {
			t.Errorf("by key identifier %v: %d, %+v, %v", byKeyID, ci.Content.Version, ci.Content.Signers, err)
		}
	}
}

func TestPSSParameters(t *testing.T) {
	for _, p := range []pssParameters{{SHA1, SHA1, 20}, {SHA1, SHA256, 20}, {SHA256, SHA256, 32}, {SHA512, SHA1, 0}, {SHA384, SHA384, 222}} {
		alg, err := pssAlgorithm(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readPSS(alg); err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
	bad := func(e encodedPSS) []byte { return mustMarshal(e) }
	for name, params := range map[string][]byte{
		"none": nil, "NULL": asn1.NullBytes,
		"negative salt":     bad(encodedPSS{Salt: -1, Trailer: 1}),
		"endless salt":      bad(encodedPSS{Salt: 1 << 40, Trailer: 1}),
		"another trailer":   bad(encodedPSS{Salt: 20, Trailer: 2}),
		"unknown digest":    bad(encodedPSS{Hash: pkix.AlgorithmIdentifier{Algorithm: oidData}, Salt: 20, Trailer: 1}),
		"unknown mask":      bad(encodedPSS{MGF: pkix.AlgorithmIdentifier{Algorithm: oidData, Parameters: asn1.RawValue{FullBytes: mustMarshal(pkix.AlgorithmIdentifier{Algorithm: digests[SHA1].oid})}}, Salt: 20, Trailer: 1}),
		"mask of no digest": bad(encodedPSS{MGF: pkix.AlgorithmIdentifier{Algorithm: oidMGF1}, Salt: 20, Trailer: 1}),
	} {
		if p, err := readPSS(pkix.AlgorithmIdentifier{Algorithm: oidRSAPSS, Parameters: asn1.RawValue{FullBytes: params}}); err == nil || !errors.Is(err, ErrAlgorithm) && !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	id := committed("us-rsa")
	alg, err := pssAlgorithm(pssParameters{SHA256, SHA256, 32})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSignature(id.Certificate.PublicKey, alg, SHA512, make([]byte, 64), make([]byte, 256)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("another digest than the content's: %v", err)
	}
}

// TestPSSWithoutParameters: pyas2-lib names RSASSA-PSS and nothing else. The digest of
// the signer holds then, for content and mask.
func TestPSSWithoutParameters(t *testing.T) {
	id := committed("us-rsa")
	key := id.Key.(*rsa.PrivateKey)
	digest := SHA384.New().Sum(nil)
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA384, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	if err != nil {
		t.Fatal(err)
	}
	bare := pkix.AlgorithmIdentifier{Algorithm: oidRSAPSS}
	if err := checkSignature(&key.PublicKey, bare, SHA384, digest, signature); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another digest":  checkSignature(&key.PublicKey, bare, SHA256, digest[:32], signature),
		"other content":   checkSignature(&key.PublicKey, bare, SHA384, bytes.Repeat([]byte{2}, 48), signature),
		"other signature": checkSignature(&key.PublicKey, bare, SHA384, digest, bytes.Repeat([]byte{1}, len(signature))),
		"PKCS#1 v1.5":     checkSignature(&key.PublicKey, pkix.AlgorithmIdentifier{Algorithm: oidRSA}, SHA384, digest, signature),
	} {
		if !errors.Is(err, ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
