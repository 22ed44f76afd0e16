package testpartner

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// Authority issues certificates for web servers.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Server says what is special about a certificate. The zero value is a good one for
// 127.0.0.1 and localhost.
type Server struct {
	CommonName string    // empty = partner
	Hosts      []string  // names or addresses; empty = 127.0.0.1 and localhost
	Until      time.Time // zero = ten years from now
	Self       bool      // it signs itself
}

// NewAuthority makes an authority that nobody knows yet.
func NewAuthority() (*Authority, error) {
	c, err := certify(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0)}, nil)
	if err != nil {
		return nil, err
	}
	return &Authority{c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)}, nil
}

// Issue makes a key with its certificate.
func (a *Authority) Issue(s Server) (*tls.Certificate, error) {
	if s.CommonName == "" {
		s.CommonName = "partner"
	}
	if len(s.Hosts) == 0 {
		s.Hosts = []string{"127.0.0.1", "localhost"}
	}
	if s.Until.IsZero() {
		s.Until = time.Now().AddDate(10, 0, 0)
	}
	t := &x509.Certificate{Subject: pkix.Name{CommonName: s.CommonName}, NotBefore: s.Until.AddDate(-11, 0, 0), NotAfter: s.Until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range s.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if s.Self {
		return certify(t, nil)
	}
	return certify(t, a)
}

// certify signs a template; without an authority with its own key.
func certify(t *x509.Certificate, by *Authority) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return nil, err
	}
	parent, signer := t, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
