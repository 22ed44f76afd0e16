package config

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/cms"
)

// KeyPair is one certificate of ours with its key: from two files, or from one
// PKCS#12 file.
type KeyPair struct {
	CertificateFile, KeyFile string
	PKCS12File, PasswordFile string
	SignFrom                 time.Time // zero = from the beginning
	Certificate              *x509.Certificate
	Chain                    []*x509.Certificate // behind the certificate
	Key                      crypto.Signer
	signFrom                 string
}

// Station is one of our AS2 identities.
type Station struct {
	Name  string
	AS2ID string
	Keys  []KeyPair // all of them open; SignWith says which one signs
}

// Certificate is one file of a partner and what its certificates are used for.
type Certificate struct {
	File         string
	EncryptFrom  time.Time // zero = from the beginning
	Until        time.Time // zero = without end
	Sign         bool      // signatures by it count
	Encrypt      bool      // messages are encrypted to it
	Certificates []*x509.Certificate
	encryptFrom  string
	until        string
}

// candidate is a certificate that could be the one in use.
type candidate struct {
	cert        *x509.Certificate
	from, until time.Time // until zero = without end
}

// betterThan reports whether c is used in place of o: who is in its window, then who
// is valid, then who came in later. Of equals the first one stays.
func (c candidate) betterThan(o candidate, at time.Time) bool {
	if a, b := c.open(at), o.open(at); a != b {
		return a
	}
	if a, b := c.valid(at), o.valid(at); a != b {
		return a
	}
	if !c.open(at) { // nobody is: the one that comes first, so that nothing is sent in the clear
		return c.from.Before(o.from)
	}
	return c.from.After(o.from)
}

func (c candidate) open(at time.Time) bool {
	return !at.Before(c.from) && (c.until.IsZero() || at.Before(c.until))
}

func (c candidate) valid(at time.Time) bool {
	return !at.Before(c.cert.NotBefore) && !at.After(c.cert.NotAfter)
}

// inUse is the index of the candidate that is used at a moment, -1 if there is none at
// all. It is pure: the change comes by itself when its moment comes.
func inUse(cs []candidate, at time.Time) int {
	best := -1
	for i, c := range cs {
		if best < 0 || c.betterThan(cs[best], at) {
			best = i
		}
	}
	return best
}

func (s *Station) candidates() []candidate {
	cs := make([]candidate, len(s.Keys))
	for i, k := range s.Keys {
		cs[i] = candidate{cert: k.Certificate, from: k.SignFrom}
	}
	return cs
}

// SignWith is the key pair that signs at a moment: of those whose sign_from has passed
// the latest, but one that is valid before one that has expired.
func (s *Station) SignWith(at time.Time) KeyPair { return s.Keys[inUse(s.candidates(), at)] }

// Recipient is the certificate of ours that messages to ourselves are encrypted to, nil
// if no key of the station can decrypt.
func (s *Station) Recipient() *x509.Certificate {
	for _, k := range s.Keys {
		if _, ok := k.Certificate.PublicKey.(*rsa.PublicKey); ok {
			return k.Certificate
		}
	}
	return nil
}

func (p *Partner) candidates() []candidate {
	var cs []candidate
	for _, c := range p.Certificates {
		if c.Encrypt && len(c.Certificates) > 0 {
			cs = append(cs, candidate{c.Certificates[0], c.EncryptFrom, c.Until})
		}
	}
	return cs
}

// EncryptTo is the certificate that messages are encrypted to at a moment: of those
// whose time it is the one that came in last, but one that is valid before one that
// has expired. It is nil only where the partner has no certificate for it.
func (p *Partner) EncryptTo(at time.Time) *x509.Certificate {
	cs := p.candidates()
	if i := inUse(cs, at); i >= 0 {
		return cs[i].cert
	}
	return nil
}

// AllCertificates are the partner's, whatever they are used for.
func (p *Partner) AllCertificates() (all []*x509.Certificate) {
	for _, c := range p.Certificates {
		all = append(all, c.Certificates...)
	}
	return all
}

// Signers says whose signatures count.
func (p *Partner) Signers() cms.Trust {
	t := cms.Trust{Authorities: p.Trust.Authorities, Subject: p.Trust.Subject, Strict: p.Trust.Strict}
	for _, c := range p.Certificates {
		if c.Sign {
			t.Certificates = append(t.Certificates, c.Certificates...)
		}
	}
	return t
}

// momentForms are how a moment may be written; without a zone it is in time_zone.
var momentForms = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// moment reads a date, or date and time, of the file.
func (f *finisher) moment(path, text string, loc *time.Location) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := ParseMoment(text, loc)
	if err != nil {
		f.report(path, momentHint, "%v", err)
	}
	return t
}

const momentHint = "write for example 2027-01-31, 2027-01-31 06:00 or 2027-01-31T06:00:00Z"

// ParseMoment reads a date, or date and time, in any form that a config takes.
func ParseMoment(text string, loc *time.Location) (time.Time, error) {
	for _, form := range momentForms {
		if t, err := time.ParseInLocation(form, text, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date or moment", text)
}

// soon is how long before a certificate expires that is said.
const soon = 30 * 24 * time.Hour

// expiry warns of a certificate in use that expires soon and that nobody follows.
func (f *finisher) expiry(paths []string, cs []candidate, what, hint string) {
	i := inUse(cs, f.now)
	if i < 0 {
		return
	}
	end := cs[i].cert.NotAfter
	if f.now.After(end) || end.Sub(f.now) > soon {
		return // what has expired was said when it was read
	}
	after := end.Add(time.Second)
	if next := cs[inUse(cs, after)]; next.valid(after) {
		return
	}
	f.warn(paths[i], hint, "certificate %q, which %s, expires on %s and none follows", cs[i].cert.Subject, what, end.UTC().Format(time.DateOnly))
}

// rollover checks the certificates of a partner over time, when they have been read.
func (f *finisher) rollover(p *Partner) {
	var paths []string
	for i, c := range p.Certificates {
		path := fmt.Sprintf("partners.%s.certificates[%d]", p.Name, i)
		if !c.Encrypt || len(c.Certificates) == 0 {
			continue
		}
		paths = append(paths, path)
		if _, ok := c.Certificates[0].PublicKey.(*rsa.PublicKey); !ok && p.Send.Cipher != cms.NoCipher {
			f.report(path, "say use: sign of it, and ask for one with an RSA key", "certificate %q has no RSA key, nothing can be encrypted to it", c.Certificates[0].Subject)
		}
	}
	cs := p.candidates()
	if p.Send.Cipher != cms.NoCipher && len(cs) > 0 {
		f.gaps(p, cs, paths)
	}
	f.expiry(paths, cs, "messages are encrypted to", "ask for the next one and add it to the list")
}

// gaps finds times when no certificate would be there to encrypt to.
func (f *finisher) gaps(p *Partner, cs []candidate, paths []string) {
	if i := inUse(cs, f.now); !cs[i].open(f.now) {
		f.report("partners."+p.Name+".certificates", "leave encrypt_from out where a certificate is used already", "none of them is encrypted to now")
		return
	}
	for i, c := range cs {
		if !c.until.After(f.now) {
			continue
		}
		if next := cs[inUse(cs, c.until)]; !next.open(c.until) {
			f.report(paths[i]+".until", "add the one that follows, or remove until", "none of the certificates is encrypted to after it")
		}
	}
}
