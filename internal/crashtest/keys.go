package crashtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// Moment is when tests happen.
var Moment = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Identities are three key pairs, made once per process: ours, the partner's, a
// stranger's. They are valid around Moment and by the clock of the machine, and for
// 127.0.0.1.
var Identities = sync.OnceValue(func() (ids [3]cms.Identity) {
	for i := range ids {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		t := &x509.Certificate{
			SerialNumber: big.NewInt(int64(7 + i)), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: Moment.AddDate(-10, 0, 0), NotAfter: Moment.AddDate(10, 0, 0),
		}
		der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		ids[i] = cms.Identity{Certificate: cert, Key: key}
	}
	return ids
})

// Signer signs with an identity.
func Signer(id cms.Identity, d cms.Digest) *cms.Signer {
	return &cms.Signer{Certificate: id.Certificate, Key: id.Key.(*rsa.PrivateKey), Digest: d}
}

// Must is for what cannot fail in a test's own scenery.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}
