package cms

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"strings"
)

// KeyTransport is how the content key is wrapped for a recipient with an RSA key.
type KeyTransport int

const (
	RSAPKCS1 KeyTransport = iota // RSAES-PKCS1-v1_5: what every AS2 product understands
	OAEPSHA1                     // RSAES-OAEP (RFC 3560), MGF1 with the same digest
	OAEPSHA256
	OAEPSHA384
	OAEPSHA512
)

// transports are the names, and the digest of OAEP.
var transports = [...]struct {
	name   string
	digest Digest
}{
	RSAPKCS1:   {"rsa", NoDigest},
	OAEPSHA1:   {"oaep-sha1", SHA1},
	OAEPSHA256: {"oaep-sha-256", SHA256},
	OAEPSHA384: {"oaep-sha-384", SHA384},
	OAEPSHA512: {"oaep-sha-512", SHA512},
}

func (k KeyTransport) String() string {
	if k < 0 || int(k) >= len(transports) {
		return "none"
	}
	return transports[k].name
}

// KeyTransports lists the names that ParseKeyTransport takes.
func KeyTransports() (names []string) {
	for _, t := range transports {
		names = append(names, t.name)
	}
	return names
}

// ParseKeyTransport reads a name such as "rsa" or "oaep-sha-256", in any case, with or
// without hyphens.
func ParseKeyTransport(name string) (KeyTransport, error) {
	bare := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	for k, t := range transports {
		if bare(t.name) == bare(name) {
			return KeyTransport(k), nil
		}
	}
	return 0, fmt.Errorf("cms: %q is no key transport that is supported (%s)", name, strings.Join(KeyTransports(), ", "))
}

// Recipient is somebody a message is encrypted to.
type Recipient struct {
	Certificate *x509.Certificate // with an RSA key
	Transport   KeyTransport
	ByKeyID     bool // named by subject key identifier instead of issuer and serial number
}

var (
	oidOAEP       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidPSpecified = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 9}
)

// oaepParameters are RSAES-OAEP-params (RFC 8017, A.2.1).
type oaepParameters struct {
	Hash  pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
	MGF   pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
	Label pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:2"`
}

// keyTransRecipientInfo is RFC 5652, 6.2.1, as written.
type keyTransRecipientInfo struct {
	Version int
	ID      asn1.RawValue
	KeyAlg  asn1.RawValue
	Key     []byte
}

// wrap encrypts the content key and makes the RecipientInfo.
func (to Recipient) wrap(key []byte, rand io.Reader) ([]byte, error) {
	cert := to.Certificate
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("cms: certificate %q has no RSA key: only RSA can be encrypted to", cert.Subject)
	}
	info := keyTransRecipientInfo{ID: asn1.RawValue{FullBytes: mustMarshal(nameOf(cert))}}
	if to.ByKeyID {
		if len(cert.SubjectKeyId) == 0 {
			return nil, fmt.Errorf("cms: certificate %q has no subject key identifier to name it by", cert.Subject)
		}
		info.Version = 2 // RFC 5652, 6.2.1
		info.ID = asn1.RawValue{Class: classContext, Tag: 0, Bytes: cert.SubjectKeyId}
	}
	algorithm, err := to.Transport.algorithm()
	if err != nil {
		return nil, err
	}
	info.KeyAlg.FullBytes = algorithm
	if to.Transport == RSAPKCS1 {
		//lint:ignore SA1019 what every AS2 product understands
		info.Key, err = rsa.EncryptPKCS1v15(rand, pub, key)
	} else {
		info.Key, err = rsa.EncryptOAEP(transports[to.Transport].digest.New(), rand, pub, key, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("cms: certificate %q: %v: %w", cert.Subject, to.Transport, err)
	}
	return asn1.Marshal(info)
}

// algorithm is the AlgorithmIdentifier. What is the default in OAEP is left out, as DER
// wants it.
func (k KeyTransport) algorithm() ([]byte, error) {
	if k < 0 || int(k) >= len(transports) {
		return nil, fmt.Errorf("cms: key transport %d is not known", int(k))
	}
	if k == RSAPKCS1 {
		return asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue})
	}
	var p oaepParameters
	if d := transports[k].digest; d != SHA1 {
		p.Hash = pkix.AlgorithmIdentifier{Algorithm: digests[d].oid, Parameters: asn1.NullRawValue}
		p.MGF = pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: mustMarshal(p.Hash)}}
	}
	return asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: oidOAEP, Parameters: asn1.RawValue{FullBytes: mustMarshal(p)}})
}

// transportOf reads the AlgorithmIdentifier of a wrapped key, and how to unwrap it into
// a key of a length in bytes.
func transportOf(alg pkix.AlgorithmIdentifier, keyLen int) (KeyTransport, crypto.DecrypterOpts, bool) {
	if alg.Algorithm.Equal(oidRSA) {
		//lint:ignore SA1019 in the form without an oracle (RFC 3218, 2.3.2)
		return RSAPKCS1, &rsa.PKCS1v15DecryptOptions{SessionKeyLen: keyLen}, true
	}
	if !alg.Algorithm.Equal(oidOAEP) {
		return 0, nil, false
	}
	var p oaepParameters
	if der := alg.Parameters.FullBytes; len(der) > 0 && !whole(der, &p) {
		return 0, nil, false
	}
	var mgfHash pkix.AlgorithmIdentifier
	if len(p.MGF.Algorithm) > 0 && (!p.MGF.Algorithm.Equal(oidMGF1) || !whole(p.MGF.Parameters.FullBytes, &mgfHash)) {
		return 0, nil, false
	}
	var label []byte // RFC 3560, 3: empty
	if len(p.Label.Algorithm) > 0 && (!p.Label.Algorithm.Equal(oidPSpecified) || !whole(p.Label.Parameters.FullBytes, &label) || len(label) > 0) {
		return 0, nil, false
	}
	k, ok := oaepOf(p.Hash)
	mgf, okMGF := oaepOf(mgfHash)
	if !ok || !okMGF {
		return 0, nil, false
	}
	return k, &rsa.OAEPOptions{Hash: transports[k].digest.Hash(), MGFHash: transports[mgf].digest.Hash()}, true
}

// oaepOf finds the transport by its digest, which is SHA-1 if left out.
func oaepOf(alg pkix.AlgorithmIdentifier) (KeyTransport, bool) {
	if len(alg.Algorithm) == 0 {
		return OAEPSHA1, true
	}
	for k, t := range transports {
		if t.digest != NoDigest && digests[t.digest].oid.Equal(alg.Algorithm) {
			return KeyTransport(k), true
		}
	}
	return 0, false
}
