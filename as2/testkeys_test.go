package as2

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

var moment = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var keys = sync.OnceValue(func() (ids [3]cms.Identity) {
	for i := range ids {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		t := &x509.Certificate{
			SerialNumber: big.NewInt(int64(7 + i)), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: moment.AddDate(-10, 0, 0), NotAfter: moment.AddDate(10, 0, 0),
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

func ours() cms.Identity     { return keys()[0] }
func partners() cms.Identity { return keys()[1] }
func stranger() cms.Identity { return keys()[2] }

func signer(id cms.Identity, d cms.Digest) *cms.Signer {
	return &cms.Signer{Certificate: id.Certificate, Key: id.Key.(*rsa.PrivateKey), Digest: d}
}

func certs(ids ...cms.Identity) (cs []*x509.Certificate) {
	for _, id := range ids {
		cs = append(cs, id.Certificate)
	}
	return cs
}
