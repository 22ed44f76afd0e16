package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// Scheme is how a signature is computed from a digest.
type Scheme int

const (
	NoScheme    Scheme = iota
	SchemePKCS1        // RSASSA-PKCS1-v1_5: what every AS2 product understands
	SchemePSS          // RSASSA-PSS (RFC 4056)
	SchemeECDSA        // RFC 5753
)

func (s Scheme) String() string {
	return [...]string{"none", "rsa-pkcs1", "rsa-pss", "ecdsa"}[s]
}

var (
	oidRSA         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSAPSS      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidMGF1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

// schemeOf recognises a signature algorithm under any of its names. The digest that
// some of the names imply is not looked at: the digest algorithm of the signer decides.
func schemeOf(oid asn1.ObjectIdentifier) Scheme {
	switch {
	case oid.Equal(oidRSA):
		return SchemePKCS1
	case oid.Equal(oidRSAPSS):
		return SchemePSS
	case oid.Equal(oidECPublicKey): // where RFC 5753, 2.1.1 wants ecdsa-with-SHA
		return SchemeECDSA
	}
	for _, s := range digests {
		switch {
		case s.rsa.Equal(oid):
			return SchemePKCS1
		case s.ecdsa.Equal(oid):
			return SchemeECDSA
		}
	}
	return NoScheme
}

// algorithm is how the signer signs: the identifier and what package crypto needs.
func (s *Signer) algorithm() (pkix.AlgorithmIdentifier, crypto.SignerOpts, error) {
	spec, ok := digests[s.Digest]
	if !ok {
		return pkix.AlgorithmIdentifier{}, nil, fmt.Errorf("cms: no digest chosen to sign with")
	}
	switch pub := s.Key.Public().(type) {
	case *rsa.PublicKey:
		if !s.PSS {
			// RFC 5754, 3.2: rsaEncryption must be understood by all, with NULL.
			return pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}, spec.hash, nil
		}
		alg, err := pssAlgorithm(pssParameters{hash: s.Digest, mgf: s.Digest, salt: spec.hash.Size()})
		return alg, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: spec.hash}, err
	case *ecdsa.PublicKey:
		if s.PSS {
			return pkix.AlgorithmIdentifier{}, nil, fmt.Errorf("cms: certificate %q has an ECDSA key: PSS is for RSA keys", s.Certificate.Subject)
		}
		if pub.Curve.Params().BitSize < 256 {
			return pkix.AlgorithmIdentifier{}, nil, fmt.Errorf("cms: certificate %q has a key on %s: P-256, P-384 and P-521 are supported", s.Certificate.Subject, pub.Curve.Params().Name)
		}
		return pkix.AlgorithmIdentifier{Algorithm: spec.ecdsa}, spec.hash, nil // RFC 5754, 3.3: no parameters
	}
	return pkix.AlgorithmIdentifier{}, nil, fmt.Errorf("cms: certificate %q has a key of type %T: RSA and ECDSA can sign", s.Certificate.Subject, s.Key.Public())
}

// checkSignature verifies a signature over what has the given digest.
func checkSignature(key any, alg pkix.AlgorithmIdentifier, d Digest, digest, signature []byte) error {
	scheme := schemeOf(alg.Algorithm)
	switch pub := key.(type) {
	case *rsa.PublicKey:
		switch scheme {
		case SchemePKCS1:
			return checkPKCS1(pub, d, digest, signature)
		case SchemePSS:
			return checkPSS(pub, alg, d, digest, signature)
		}
	case *ecdsa.PublicKey:
		if scheme != SchemeECDSA {
			break
		}
		if !ecdsa.VerifyASN1(pub, digest, signature) {
			return fmt.Errorf("%w: ecdsa: verification error", ErrBadSignature)
		}
		return nil
	}
	return fmt.Errorf("%w: signature %v with a key of type %T", ErrAlgorithm, alg.Algorithm, key)
}

// checkPKCS1 takes a DigestInfo with NULL parameters or with none (RFC 8017, B.1).
// Both times the whole block is made anew and compared, so nothing can hide in it or
// behind it (Bleichenbacher's forgery of 2006).
func checkPKCS1(pub *rsa.PublicKey, d Digest, digest, signature []byte) error {
	err := rsa.VerifyPKCS1v15(pub, d.Hash(), digest, signature)
	if err == nil {
		return nil
	}
	if rsa.VerifyPKCS1v15(pub, 0, bareDigestInfo(d, digest), signature) == nil {
		return nil
	}
	return fmt.Errorf("%w: %v", ErrBadSignature, err)
}

// bareDigestInfo is a DigestInfo whose algorithm has no parameters.
func bareDigestInfo(d Digest, digest []byte) []byte {
	algorithm := encode(header{constructed: true, tag: tagSequence}, mustMarshal(digests[d].oid))
	return encode(header{constructed: true, tag: tagSequence}, append(algorithm, encode(header{tag: tagOctetString}, digest)...))
}
