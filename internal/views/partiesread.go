package views

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/ledger"
)

// Parties are partners, stations and addresses of the config in force.
func (r *Reader) Parties(now time.Time) Parties {
	cfg := r.Config()
	p := Parties{Partners: []Partner{}, Stations: []Station{}, Listeners: []Listener{}}
	for _, partner := range cfg.Partners {
		p.Partners = append(p.Partners, partnerView(partner, now))
	}
	for _, s := range cfg.Stations {
		station := Station{Name: s.Name, AS2: s.AS2ID, Partners: []string{}, Certificates: []Certificate{}}
		for _, partner := range cfg.Partners {
			if partner.Station == s {
				station.Partners = append(station.Partners, partner.Name)
			}
		}
		signs := s.SignWith(now).Certificate
		for _, k := range s.Keys {
			c := certificate(k.Certificate, now, "sign", "decrypt")
			c.From, c.InUse = k.SignFrom, same(k.Certificate, signs)
			station.Certificates = append(station.Certificates, c)
		}
		p.Stations = append(p.Stations, station)
	}
	for _, l := range cfg.Listen {
		listener := Listener{Address: l.Address, Path: l.Path, URL: withoutCredentials(l.PublicURL), TLS: len(l.Certificates) > 0, Certificates: []Certificate{}}
		for i, c := range l.Certificates {
			v := certificate(c, now, "tls")
			v.InUse = i == 0
			listener.Certificates = append(listener.Certificates, v)
		}
		p.Listeners = append(p.Listeners, listener)
	}
	return p
}

// Partner is one of them; ErrNotFound of package ledger means that there is none.
func (r *Reader) Partner(name string, now time.Time) (Partner, error) {
	p := r.Config().Partner(name)
	if p == nil {
		return Partner{}, unknown("the config has no partner %q", name)
	}
	return partnerView(p, now), nil
}

func partnerView(p *config.Partner, now time.Time) Partner {
	v := Partner{Name: p.Name, Station: p.StationName, AS2: p.AS2ID, URL: withoutCredentials(p.URL), Folder: p.Folder, Zone: p.Location.String(), Summary: p.Summary(), Order: p.Outbox.Order, Certificates: []Certificate{}}
	if p.Station != nil {
		v.Station = p.Station.Name
	}
	if !p.Outbox.Window.IsZero() {
		v.Window = p.Outbox.Window.String()
	}
	for _, text := range []string{p.Outbox.Pickup.Moments.String(), p.Outbox.Pickup.Window.String()} {
		v.Pickup = strings.TrimPrefix(v.Pickup+"; "+text, "; ")
	}
	v.Pickup = strings.TrimSuffix(v.Pickup, "; ")
	to := p.EncryptTo(now)
	for _, file := range p.Certificates {
		for i, c := range file.Certificates {
			var use []string
			if file.Encrypt && i == 0 {
				use = append(use, "encrypt")
			}
			if file.Sign {
				use = append(use, "verify")
			}
			cert := certificate(c, now, use...)
			if file.Encrypt && i == 0 {
				cert.From, cert.Until, cert.InUse = file.EncryptFrom, file.Until, same(c, to)
			} else {
				cert.InUse = file.Sign
			}
			v.Certificates = append(v.Certificates, cert)
		}
	}
	for _, more := range []struct {
		use   string
		certs []*x509.Certificate
	}{{"authority", p.Trust.Authorities}, {"server", p.Server}} {
		for _, c := range more.certs {
			cert := certificate(c, now, more.use)
			cert.InUse = true
			v.Certificates = append(v.Certificates, cert)
		}
	}
	if k := p.Client.Identity; k != nil {
		cert := certificate(k.Certificate, now, "client")
		cert.InUse = true
		v.Certificates = append(v.Certificates, cert)
	}
	return v
}

func same(a, b *x509.Certificate) bool { return a != nil && b != nil && bytes.Equal(a.Raw, b.Raw) }

// certificate describes one.
func certificate(c *x509.Certificate, now time.Time, use ...string) Certificate {
	v := Certificate{Use: orEmpty(use), Subject: c.Subject.String(), Issuer: c.Issuer.String(), SHA256: keys.Fingerprint(c), Key: keys.KeyOf(c), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Days: keys.DaysLeft(c, now)}
	if c.SerialNumber != nil {
		v.Serial = c.SerialNumber.Text(16)
	}
	day := v.NotAfter.Format(time.DateOnly)
	switch {
	case now.After(c.NotAfter):
		v.Level, v.Words = string(ledger.Alarm), "expired on "+day
	case now.Before(c.NotBefore):
		v.Words = "is valid from " + v.NotBefore.Format(time.DateOnly) + " on"
	case v.Days <= config.ExpiryAlarms:
		v.Level, v.Words = string(ledger.Alarm), fmt.Sprintf("expires in %d days, on %s", v.Days, day)
	case !c.NotAfter.After(now.AddDate(0, 0, config.ExpiryWarns)):
		v.Level, v.Words = string(ledger.Warning), fmt.Sprintf("expires in %d days, on %s", v.Days, day)
	default:
		v.Words = "is valid until " + day
	}
	return v
}
