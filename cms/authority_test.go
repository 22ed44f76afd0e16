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
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// issue makes a certificate signed by another, or by itself.
func issue(t *testing.T, by *Identity, change func(*x509.Certificate)) Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "partner", Organization: []string{"Partner"}, Country: []string{"AT"}},
		NotBefore: moment.AddDate(0, -1, 0), NotAfter: moment.AddDate(0, 1, 0), SubjectKeyId: serial.Bytes(),
	}
	change(template)
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.Certificate, by.Key.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Identity{cert, key}
}

func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = name, true, true, x509.KeyUsageCertSign
	}
}

func TestAuthorities(t *testing.T) {
	root := issue(t, nil, authority("root"))
	sub := issue(t, &root, authority("sub"))
	foreign := issue(t, nil, authority("root")) // the same name, another key
	plain := func(*x509.Certificate) {}
	good := issue(t, &sub, plain)
	sums := digestOf(SHA256, []byte("invoice"))
	chain := []*x509.Certificate{sub.Certificate}
	trust := Trust{Authorities: []*x509.Certificate{root.Certificate}, Subject: "partner"}
	for name, c := range map[string]struct {
		id    Identity
		chain []*x509.Certificate
		trust Trust
		at    time.Time
		says  string // empty = it verifies
	}{
		"chain to a root":    {good, chain, trust, moment, ""},
		"by whole subject":   {good, chain, Trust{Authorities: trust.Authorities, Subject: "CN=partner,O=Partner,C=AT"}, moment, ""},
		"intermediate known": {good, nil, Trust{Authorities: []*x509.Certificate{sub.Certificate}, Subject: "partner"}, moment, ""},
		"signed by the root": {issue(t, &root, plain), nil, trust, moment, ""},
		"usage signature":    {issue(t, &root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), nil, trust, moment, ""},
		"usage commitment":   {issue(t, &root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment }), nil, trust, moment, ""},
		"for TLS clients":    {issue(t, &root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil, trust, moment, ""},
		"usage encipherment": {issue(t, &root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), nil, trust, moment, "not for signatures"},
		"no intermediate":    {good, nil, trust, moment, "unknown authority"},
		"foreign root":       {good, chain, Trust{Authorities: []*x509.Certificate{foreign.Certificate}, Subject: "partner"}, moment, "signed by unknown authority"},
		"self-signed":        {issue(t, nil, plain), nil, trust, moment, "unknown authority"},
		"issued by a leaf":   {issue(t, &good, plain), []*x509.Certificate{sub.Certificate, good.Certificate}, trust, moment, "partner"},
		"expired":            {good, chain, trust, moment.AddDate(0, 2, 0), "expired"},
		"not yet valid":      {good, chain, trust, moment.AddDate(0, -2, 0), "not yet valid"},
		"no moment":          {good, chain, trust, time.Time{}, "no moment"},
		"chain expired": {issue(t, &sub, func(c *x509.Certificate) { c.NotAfter = moment.AddDate(1, 0, 0) }), chain, trust,
			moment.AddDate(0, 6, 0), "expired"},
		"another name":  {good, chain, Trust{Authorities: trust.Authorities, Subject: "someone else"}, moment, `no certificate for "someone else"`},
		"part of names": {good, chain, Trust{Authorities: trust.Authorities, Subject: "part"}, moment, `no certificate for "part"`},
		"no subject":    {good, chain, Trust{Authorities: trust.Authorities}, moment, "no subject is configured"},
		"no authority":  {good, chain, Trust{Subject: "partner"}, moment, "none of the configured"},
	} {
		signer := Signer{Certificate: c.id.Certificate, Chain: c.chain, Key: c.id.Key.(crypto.Signer), Digest: SHA256}
		der, err := signer.Sign(sums[SHA256], moment)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSignature(bytes.NewReader(der), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := s.Verify(sums, c.trust, c.at)
		switch {
		case c.says == "" && (err != nil || !v.ByAuthority || v.Expired || !v.Certificate.Equal(c.id.Certificate)):
			t.Errorf("%s: %+v, %v", name, v, err)
		case c.says != "" && (!errors.Is(err, ErrUnknownSigner) || v != nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// A certificate of the right name and chain, and a signature by somebody else's key.
func TestAuthorityVouchesForTheKeyToo(t *testing.T) {
	root := issue(t, nil, authority("root"))
	good, bad := issue(t, &root, func(*x509.Certificate) {}), issue(t, nil, func(*x509.Certificate) {})
	sums := digestOf(SHA256, []byte("invoice"))
	signer := Signer{Certificate: good.Certificate, Key: bad.Key.(crypto.Signer), Digest: SHA256}
	der, err := signer.Sign(sums[SHA256], moment)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSignature(bytes.NewReader(der), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(sums, Trust{Authorities: []*x509.Certificate{root.Certificate}, Subject: "partner"}, moment); !errors.Is(err, ErrBadSignature) {
		t.Errorf("%+v, %v", v, err)
	}
}

// Nobody makes us compute with a key as long as he likes.
func TestHugeKeysAreNotComputedWith(t *testing.T) {
	root := issue(t, nil, authority("root"))
	huge := &rsa.PublicKey{N: new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), maxChainKey), big.NewInt(1)), E: 65537}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "partner"}, NotBefore: moment, NotAfter: moment}
	der, err := x509.CreateCertificate(rand.Reader, template, root.Certificate, huge, root.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := Signature{certs: [][]byte{der}}
	if all, doubt := s.candidates(Trust{Authorities: []*x509.Certificate{root.Certificate}, Subject: "partner"}, moment); len(all) > 0 || doubt == nil {
		t.Errorf("%d candidates, %v", len(all), doubt)
	}
}

// One good signature is enough, wherever it stands; of failures the one that came
// furthest is told.
func TestSeveralSigners(t *testing.T) {
	us, stranger := committed("us-rsa"), committed("stranger-rsa")
	content := []byte("invoice")
	sums := digestOf(SHA256, content)
	by := func(id Identity, d Digest, change func(*readSigner)) readSigner {
		s, err := ParseSignature(bytes.NewReader(sign(t, id, d, content)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		change(&s.signers[0])
		return s.signers[0]
	}
	as := func(*readSigner) {}
	good, foreign, other := by(us, SHA256, as), by(stranger, SHA256, as), by(us, SHA512, as)
	damaged := by(us, SHA256, func(r *readSigner) { r.signature[9] ^= 1 })
	odd := by(us, SHA256, func(r *readSigner) { r.attrs = r.attrs[:len(r.attrs)-1] })
	for name, c := range map[string]struct {
		signers []readSigner
		want    error
	}{
		"good first": {[]readSigner{good, damaged, foreign, other, odd}, nil},
		"good last":  {[]readSigner{damaged, foreign, other, odd, good}, nil},
		"damaged":    {[]readSigner{foreign, damaged, other, odd}, ErrBadSignature},
		"foreign":    {[]readSigner{foreign, foreign}, ErrUnknownSigner},
		"other":      {[]readSigner{odd, other, foreign}, ErrAlgorithm},
		"odd":        {[]readSigner{foreign, odd}, ErrSyntax},
	} {
		s := Signature{contentType: oidData, signers: c.signers}
		if v, err := s.Verify(sums, Pinned(us.Certificate), moment); !errors.Is(err, c.want) || (v == nil) != (c.want != nil) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// many builds a SignedData with signers and certificates in any number.
func many(signer *Signer, sums map[Digest][]byte, signers, certs int) ([]byte, error) {
	info, err := signer.signerInfo(sums[signer.Digest], moment)
	if err != nil {
		return nil, err
	}
	h, err := newBER(bytes.NewReader(info), Limits{}).peek()
	if err != nil {
		return nil, err
	}
	one := info[h.raw:]
	sequence := func(parts ...[]byte) []byte {
		return encode(header{constructed: true, tag: tagSequence}, bytes.Join(parts, nil))
	}
	data := sequence(signer.version(), signer.digestAlgorithms(), sequence(mustMarshal(oidData)),
		encode(header{class: classContext, constructed: true}, bytes.Repeat(signer.Certificate.Raw, certs)),
		encode(header{constructed: true, tag: tagSet}, bytes.Repeat(one, signers)))
	return sequence(mustMarshal(oidSignedData), encode(header{class: classContext, constructed: true}, data)), nil
}

func TestSignersAndCertificatesAreBounded(t *testing.T) {
	id := committed("us-ecdsa")
	signer := &Signer{Certificate: id.Certificate, Key: id.Key.(crypto.Signer), Digest: SHA256}
	sums := digestOf(SHA256, []byte("invoice"))
	for _, c := range []struct {
		signers, certs, kept int
		good                 bool
	}{{1, 0, 0, true}, {maxSigners, maxCertificates, maxCertificates, true}, {1, maxCertificates + 5, maxCertificates, true}, {maxSigners + 1, 1, 0, false}, {1, 4000, maxCertificates, true}} {
		der, err := many(signer, sums, c.signers, c.certs)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSignature(bytes.NewReader(der), Limits{})
		if (err == nil) != c.good || err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil {
			continue
		}
		if v, err := s.Verify(sums, Pinned(id.Certificate), moment); err != nil || len(s.Certificates()) != c.kept {
			t.Errorf("%+v: %+v, %v, %d certificates", c, v, err, len(s.Certificates()))
		}
	}
	der, err := many(signer, sums, 1, maxCertificates)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSignature(bytes.NewReader(der), Limits{HeaderBytes: int64(len(der)) / 2}); !errors.Is(err, ErrSyntax) {
		t.Errorf("over the limit of bytes: %v, %v", s, err)
	}
}
