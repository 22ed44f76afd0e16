package as2

import (
	"crypto/tls"
	"crypto/x509"
)

// tlsConfig is TLS 1.2 or higher, with the servers that count and what we show to
// those that ask. host is the one of the URL.
func tlsConfig(pinned []*x509.Certificate, identity *tls.Certificate, host string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if identity != nil {
		// Whatever authorities the server lists: with certificates pinned on his side the
		// list says nothing.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return identity, nil }
	}
	if len(pinned) == 0 {
		return c
	}
	roots := x509.NewCertPool()
	for _, cert := range pinned {
		roots.AddCert(cert)
	}
	// The check of the package knows no pinned leaves; the one below replaces it whole.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		leaf := s.PeerCertificates[0]
		for _, cert := range pinned {
			if leaf.Equal(cert) {
				return nil
			}
		}
		intermediates := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			intermediates.AddCert(cert)
		}
		name := s.ServerName
		if name == "" {
			name = host // an IP address, which TLS does not send
		}
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: intermediates})
		if err != nil {
			return &certificateError{leaf, true, err}
		}
		return nil
	}
	return c
}
