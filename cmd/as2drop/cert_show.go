package main

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

type certShowCmd struct {
	Files []string `arg:"" name:"file" help:"PEM, DER, PKCS#12 or .p7b."`
	JSON  bool     `help:"As JSON."`
	passphraseFlag
}

func (c *certShowCmd) Help() string {
	return `For every certificate in a file: whose it is, who vouches for it, how long it is valid, fingerprints to compare over the telephone, and what is wrong with it for AS2.

Examples:
  as2drop cert show keys/as2.pem partners/acme.cer
  as2drop cert show old-system.p12 --password-file secret.txt
  as2drop cert show partners/*.pem --json`
}

// shownCertificate is one certificate for people and programs.
type shownCertificate struct {
	File       string    `json:"file"`
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	SelfSigned bool      `json:"self_signed"`
	Authority  bool      `json:"authority"`
	Serial     string    `json:"serial"` // hexadecimal
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	DaysLeft   int       `json:"days_left"`
	Key        string    `json:"key"`
	PrivateKey bool      `json:"private_key"` // it is in the file
	SignedWith string    `json:"signed_with"`
	Usages     []string  `json:"usages"`
	Names      []string  `json:"names"`
	KeyID      string    `json:"key_id,omitempty"` // subject key identifier
	SHA1       string    `json:"sha1"`
	SHA256     string    `json:"sha256"`
	Doubts     []string  `json:"doubts"`
}

func (c *certShowCmd) Run(g *globals) error {
	shown := []shownCertificate{}
	var failures error
	for _, file := range c.Files {
		m, err := c.load(g, file)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		for i, cert := range m.certs {
			s := describeCertificate(cert, g.now())
			s.File, s.PrivateKey = file, m.key != nil && i == 0
			shown = append(shown, s)
		}
	}
	if c.JSON {
		return errors.Join(printJSON(g.out, shown), failures)
	}
	for i, s := range shown {
		if i > 0 {
			fmt.Fprintln(g.out)
		}
		if err := s.print(g); err != nil {
			return err
		}
	}
	return failures
}

func describeCertificate(cert *x509.Certificate, at time.Time) shownCertificate {
	sum := sha1.Sum(cert.Raw)
	s := shownCertificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), SelfSigned: keys.SelfSigned(cert), Authority: cert.IsCA, Serial: cert.SerialNumber.Text(16),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), DaysLeft: keys.DaysLeft(cert, at), Key: keys.KeyOf(cert), SignedWith: cert.SignatureAlgorithm.String(),
		Usages: usages(cert), Names: names(cert), KeyID: hex.EncodeToString(cert.SubjectKeyId), SHA1: hex.EncodeToString(sum[:]), SHA256: keys.Fingerprint(cert), Doubts: keys.Doubts(cert, at),
	}
	if s.Doubts == nil {
		s.Doubts = []string{}
	}
	return s
}

// usages names key usages and extended ones.
func usages(cert *x509.Certificate) []string {
	all := []string{}
	for i, name := range []string{"digital signature", "content commitment", "key encipherment", "data encipherment", "key agreement", "certificates", "revocation lists"} {
		if cert.KeyUsage&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	known := map[x509.ExtKeyUsage]string{x509.ExtKeyUsageAny: "any", x509.ExtKeyUsageServerAuth: "TLS servers", x509.ExtKeyUsageClientAuth: "TLS clients", x509.ExtKeyUsageEmailProtection: "mail", x509.ExtKeyUsageCodeSigning: "code", x509.ExtKeyUsageTimeStamping: "time stamps"}
	for _, u := range cert.ExtKeyUsage {
		if name, ok := known[u]; ok {
			all = append(all, name)
		} else {
			all = append(all, fmt.Sprintf("extended usage %d", u))
		}
	}
	for _, oid := range cert.UnknownExtKeyUsage {
		all = append(all, oid.String())
	}
	return all
}

// names are the alternative names of a certificate.
func names(cert *x509.Certificate) []string {
	all := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	all = append(all, cert.EmailAddresses...)
	for _, u := range cert.URIs {
		all = append(all, u.String())
	}
	return all
}

func (s shownCertificate) print(g *globals) error {
	issuer := s.Issuer
	if s.SelfSigned {
		issuer = "itself"
	}
	left := fmt.Sprintf("%d days left", s.DaysLeft)
	if !g.now().Before(s.NotAfter) {
		left = "EXPIRED"
	}
	orDash := func(list []string) string {
		if len(list) == 0 {
			return "-"
		}
		return strings.Join(list, ", ")
	}
	lines := [][]string{
		{"file", s.File}, {"subject", s.Subject}, {"signed by", issuer + " (" + s.SignedWith + ")"}, {"serial", s.Serial},
		{"valid", when(s.NotBefore) + " to " + when(s.NotAfter) + ", " + left}, {"key", s.Key}, {"usage", orDash(s.Usages)}, {"names", orDash(s.Names)},
		{"SHA-1", s.SHA1}, {"SHA-256", s.SHA256},
	}
	if s.PrivateKey {
		lines = append(lines, []string{"private key", "is in the file"})
	}
	for _, d := range s.Doubts {
		lines = append(lines, []string{"attention", d})
	}
	for _, line := range lines {
		line[1] = plain.Line(line[1])
	}
	return table(g.out, lines)
}
