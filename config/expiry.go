package config

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
)

// When the end of a certificate is worth a warning, and an alarm, in days before.
const (
	ExpiryWarns  = 30
	ExpiryAlarms = 7
)

// Expiry is a moment from which on nothing valid is left for a use.
type Expiry struct {
	Partner     string // that it is about; empty if it is ours
	Use         string // what it is used for, with its owner
	Owner       string // "station NAME", "partner NAME" or "listener ADDRESS"
	For         string // tls, signatures, encryption or client
	Certificate *x509.Certificate
	At          time.Time // the certificate's last second
	Hint        string
}

// ID identifies the certificate and its use, however the config is written.
func (e Expiry) ID() string { return e.Use + " " + keys.Fingerprint(e.Certificate) }

// Days are the whole days that are left; negative once it has expired.
func (e Expiry) Days(now time.Time) int { return keys.DaysLeft(e.Certificate, now) }

// Expiring are the uses for which nothing valid is left from some moment within a time
// from now. A certificate that another one follows in time is not among them.
func (c *Config) Expiring(now time.Time, within time.Duration) (all []Expiry) {
	add := func(e Expiry, cert *x509.Certificate) {
		if cert != nil && !cert.NotAfter.After(now.Add(within)) {
			e.Certificate, e.At = cert, cert.NotAfter
			all = append(all, e)
		}
	}
	for _, l := range c.Listen {
		if len(l.Certificates) > 0 {
			add(Expiry{Use: "TLS on " + l.Address, Owner: "listener " + l.Address, For: "tls", Hint: "put a new certificate in its place; it is read by itself"}, l.Certificates[0])
		}
	}
	for _, s := range c.Stations {
		add(Expiry{Use: "signatures of station " + s.Name, Owner: "station " + s.Name, For: "signatures", Hint: "make the next one, give its certificate to the partners and add it to the list"}, last(s.candidates(), now))
	}
	for _, p := range c.Partners {
		if p.Send.Cipher != cms.NoCipher && p.URL != "" {
			add(Expiry{Partner: p.Name, Use: "encryption to " + p.Name, Owner: "partner " + p.Name, For: "encryption", Hint: "ask the partner for the next one and add it to the list"}, last(p.candidates(), now))
		}
		if len(p.Trust.Authorities) == 0 {
			add(Expiry{Partner: p.Name, Use: "signatures of " + p.Name, Owner: "partner " + p.Name, For: "signatures", Hint: "ask the partner for the next one and add it to the list"}, latest(p))
		}
		if k := p.Client.Identity; k != nil {
			add(Expiry{Partner: p.Name, Use: "our client certificate for " + p.Name, Owner: "partner " + p.Name, For: "client", Hint: "put a new one in its place; it is read by itself"}, k.Certificate)
		}
	}
	return all
}

// last is the certificate after whose end no valid one is in use, as things stand.
func last(cs []candidate, now time.Time) *x509.Certificate {
	at := now
	for range len(cs) + 1 {
		i := inUse(cs, at)
		if i < 0 {
			return nil
		}
		next := cs[i].cert.NotAfter.Add(time.Second)
		if j := inUse(cs, next); !cs[i].valid(at) || !cs[j].valid(next) {
			return cs[i].cert
		}
		at = next
	}
	return nil
}

// latest is the certificate of a partner that may sign longest.
func latest(p *Partner) (found *x509.Certificate) {
	for _, c := range p.Certificates {
		for _, cert := range c.Certificates {
			if c.Sign && (found == nil || cert.NotAfter.After(found.NotAfter)) {
				found = cert
			}
		}
	}
	return found
}

// Text says at a moment what expires, or has expired, and when.
func (e Expiry) Text(now time.Time) string {
	what, day := fmt.Sprintf("%s: certificate %q", e.Use, e.Certificate.Subject), e.At.UTC().Format(time.DateOnly)
	if now.After(e.At) {
		return what + " expired on " + day
	}
	return fmt.Sprintf("%s expires in %d days, on %s, and none follows", what, e.Days(now), day)
}
