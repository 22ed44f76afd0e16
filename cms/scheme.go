package cms

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// isRSASignature reports whether the algorithm is RSA PKCS#1 v1.5, under any of its
// names.
func isRSASignature(alg pkix.AlgorithmIdentifier) bool {
	if alg.Algorithm.Equal(oidRSA) {
		return true
	}
	for _, s := range digests {
		if s.rsa.Equal(alg.Algorithm) {
			return true
		}
	}
	return false
}
