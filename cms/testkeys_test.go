package cms

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

// moment is when tests happen.
var moment = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var makeIdentities = sync.OnceValue(func() [3]Identity {
	var ids [3]Identity
	for i := range ids {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		t := &x509.Certificate{
			SerialNumber: big.NewInt(int64(1000 + i)), Subject: pkix.Name{CommonName: "test", Country: []string{"AT"}},
			NotBefore: moment.AddDate(-1, 0, 0), NotAfter: moment.AddDate(1, 0, 0), SubjectKeyId: []byte{1, 2, 3, byte(i)},
		}
		der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
		if err != nil {
			panic(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		ids[i] = Identity{cert, key}
	}
	return ids
})

// identities are three of them, made once per run: ours, the partner's, a stranger's.
func identities(testing.TB) (ours, partners, strangers Identity) {
	ids := makeIdentities()
	return ids[0], ids[1], ids[2]
}

func signerOf(id Identity, d Digest) *Signer {
	return &Signer{Certificate: id.Certificate, Key: id.Key.(*rsa.PrivateKey), Digest: d}
}
