package card

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

// Format and Version are what a card of this package says of itself.
const (
	Format  = "as2drop-partner-card"
	Version = 1
)

// Uses of an identity.
const (
	Production = "production"
	Test       = "test"
)

// Card is what a partner needs to know.
type Card struct {
	Format     string        `json:"format"`
	Version    int           `json:"version"`
	Identities []Identity    `json:"identities"`
	Server     Server        `json:"server"`
	Sends      Sends         `json:"sends"`
	Accepts    Accepts       `json:"accepts"`
	Client     []Certificate `json:"client_certificates,omitempty"` // shown to servers that ask for one
	IPs        []string      `json:"ip_addresses,omitempty"`        // that messages come from
	Contact    string        `json:"contact,omitempty"`
}

// Identity is one AS2 ID with its certificates.
type Identity struct {
	Use          string        `json:"use"` // production or test
	AS2ID        string        `json:"as2_id"`
	URLs         []string      `json:"urls"`
	Certificates []Certificate `json:"certificates"` // the present one first
}

// Certificate is one certificate, with what vouches for it behind it.
type Certificate struct {
	Use     []string `json:"use"`            // sign, encrypt, tls
	From    string   `json:"from,omitempty"` // RFC 3339; when it comes into use
	Subject string   `json:"subject"`
	Until   string   `json:"valid_until"` // RFC 3339
	SHA1    string   `json:"sha1"`
	SHA256  string   `json:"sha256"`
	PEM     string   `json:"pem"`

	Chain []*x509.Certificate `json:"-"`
}

// Server is our web server.
type Server struct {
	TLS          string        `json:"tls"` // the lowest version, such as 1.2
	SelfSigned   bool          `json:"self_signed"`
	Certificates []Certificate `json:"certificates,omitempty"` // none = a proxy before us has it
}

// Sends is how messages of ours are made.
type Sends struct {
	Version         string   `json:"as2_version"`
	Sign            string   `json:"sign"`      // digest, or none
	Signature       string   `json:"signature"` // pkcs1 or pss
	Encrypt         string   `json:"encrypt"`   // cipher, or none
	KeyTransport    string   `json:"key_transport"`
	Compress        string   `json:"compress"`
	Receipt         string   `json:"receipt"`          // signed, unsigned or none
	ReceiptDelivery string   `json:"receipt_delivery"` // sync or async
	ReceiptURL      string   `json:"receipt_url,omitempty"`
	MICs            []string `json:"receipt_micalgs"`
}

// Accepts is what messages to us may be.
type Accepts struct {
	Require       []string `json:"require"` // signed, encrypted
	Digests       []string `json:"digests"`
	Ciphers       []string `json:"ciphers"`
	KeyTransports []string `json:"key_transports"`
	Compression   bool     `json:"compression"`
	Receipts      []string `json:"receipts"`              // sync, async, signed, unsigned
	Credentials   []string `json:"credentials,omitempty"` // basic, bearer, client certificate: to be shown beside the signature
	MaxMessage    int64    `json:"max_message"`           // bytes
}

// Request says what Of makes a card of.
type Request struct {
	Config  *config.Config
	Station *config.Station
	Test    *config.Station // another identity, for tests; nil = none
	IsTest  bool            // Station itself is for tests
	Partner *config.Partner // whose agreement it is; nil = what we do unless agreed otherwise
	URLs    []string        // in place of the public_url of the config
	IPs     []string
	Contact string
}

// Of makes a card.
func Of(r Request) (*Card, error) {
	urls := r.URLs
	if len(urls) == 0 {
		urls = publicURLs(r.Config)
	}
	if len(urls) == 0 {
		return nil, errors.New("no URL is known by which others reach us: set public_url under listen in the config, or say it with --url")
	}
	use := Production
	if r.IsTest {
		use = Test
	}
	c := &Card{Format: Format, Version: Version, IPs: r.IPs, Contact: r.Contact, Server: server(r.Config), Identities: []Identity{identity(use, r.Station, urls)}}
	if r.Test != nil {
		c.Identities = append(c.Identities, identity(Test, r.Test, urls))
	}
	p := r.Partner
	if p == nil {
		p = config.NewPartner()
	}
	c.Sends, c.Accepts = sends(p), accepts(p)
	if k := p.Client.Identity; k != nil {
		c.Client = []Certificate{certificate(append([]*x509.Certificate{k.Certificate}, k.Chain...), time.Time{}, "tls")}
	}
	return c, c.check()
}

// publicURLs are those that listeners say of themselves, or whose address is one.
func publicURLs(c *config.Config) (urls []string) {
	for _, l := range c.Listen {
		u := l.PublicURL
		if u == "" && !l.BehindProxy {
			host, _, err := net.SplitHostPort(l.Address)
			if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
				continue
			}
			u = (&url.URL{Scheme: "https", Host: l.Address, Path: l.Path}).String()
		}
		if u != "" && !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// server is what is known of the certificates of our listeners.
func server(c *config.Config) Server {
	s := Server{TLS: "1.2"}
	for _, l := range c.Listen {
		if len(l.Certificates) == 0 {
			continue
		}
		s.Certificates = append(s.Certificates, certificate(l.Certificates, time.Time{}, "tls"))
		s.SelfSigned = s.SelfSigned || keys.SelfSigned(l.Certificates[0])
	}
	return s
}

func identity(use string, s *config.Station, urls []string) Identity {
	i := Identity{Use: use, AS2ID: s.AS2ID, URLs: urls}
	for _, k := range s.Keys {
		uses := []string{"sign"}
		if k.Certificate.PublicKeyAlgorithm == x509.RSA {
			uses = append(uses, "encrypt")
		}
		i.Certificates = append(i.Certificates, certificate(append([]*x509.Certificate{k.Certificate}, k.Chain...), k.SignFrom, uses...))
	}
	return i
}

// certificate describes one, its issuers behind it.
func certificate(chain []*x509.Certificate, from time.Time, uses ...string) Certificate {
	leaf := chain[0]
	sum := sha1.Sum(leaf.Raw)
	c := Certificate{
		Use: uses, Subject: plain.Line(leaf.Subject.String()), Until: leaf.NotAfter.UTC().Format(time.RFC3339),
		SHA1: hex.EncodeToString(sum[:]), SHA256: keys.Fingerprint(leaf), Chain: chain,
	}
	if !from.IsZero() {
		c.From = from.UTC().Format(time.RFC3339)
	}
	for _, cert := range chain {
		c.PEM += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return c
}

func sends(p *config.Partner) Sends {
	s := Sends{
		Version: p.Version, Sign: "none", Signature: "pkcs1", Encrypt: "none", KeyTransport: p.Send.Transport.String(), Compress: p.Send.Compress,
		Receipt: p.Send.Receipt, ReceiptDelivery: "sync", MICs: digests(p.Send.MICDigests),
	}
	if p.Send.Sign != cms.NoDigest {
		s.Sign = p.Send.Sign.String()
	}
	if p.Send.PSS {
		s.Signature = "pss"
	}
	if p.Send.Cipher != cms.NoCipher {
		s.Encrypt = p.Send.Cipher.String()
	}
	if p.Send.Async {
		s.ReceiptDelivery, s.ReceiptURL = "async", p.Send.ReceiptURL
	}
	if len(s.MICs) == 0 {
		s.MICs = []string{cms.SHA256.String()}
		if p.Send.Sign != cms.NoDigest && p.Send.Sign != cms.SHA256 {
			s.MICs = []string{p.Send.Sign.String(), cms.SHA256.String()}
		}
	}
	return s
}

func accepts(p *config.Partner) Accepts {
	a := Accepts{Require: []string{}, Digests: digests(p.Receive.Digests), KeyTransports: cms.KeyTransports(), Compression: true, Receipts: []string{"sync", "async", "signed", "unsigned"}, MaxMessage: p.Receive.MaxMessage}
	if p.Receive.Signed {
		a.Require = append(a.Require, "signed")
	}
	if p.Receive.Encrypted {
		a.Require = append(a.Require, "encrypted")
	}
	for _, c := range p.Receive.Ciphers() {
		a.Ciphers = append(a.Ciphers, c.String())
	}
	cr := p.Receive.Credentials
	for _, kind := range []struct {
		wanted bool
		name   string
	}{{cr.Login.User != "", "basic"}, {cr.Bearer != "", "bearer"}, {len(cr.Client) > 0, "client certificate"}} {
		if kind.wanted {
			a.Credentials = append(a.Credentials, kind.name)
		}
	}
	return a
}

func digests(ds []cms.Digest) (names []string) {
	for _, d := range ds {
		names = append(names, d.String())
	}
	return names
}
