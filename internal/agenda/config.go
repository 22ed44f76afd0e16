package agenda

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/schedule"
)

// ours is what the config says of ourselves.
func (l *list) ours() {
	l.loc, l.name = l.Config.Location, ""
	rules := []string{l.Config.Retention.String()}
	for _, p := range l.Config.Partners {
		rules = append(rules, p.Retention.String())
	}
	l.retention(rules...)
	for i, listener := range l.Config.Listen {
		l.expires(listener.Certificates, fmt.Sprintf("TLS, listen[%d]", i))
	}
	for _, s := range l.Config.Stations {
		for _, k := range s.Keys {
			what := "station " + s.Name
			begins := fmt.Sprintf("%s: %q", what, k.Certificate.Subject)
			if told := l.Told[keys.Fingerprint(k.Certificate)]; told != "" {
				begins += "; " + told
			}
			l.add(k.SignFrom, "certificate begins to sign", "", begins)
			l.expires([]*x509.Certificate{k.Certificate}, what)
		}
	}
}

// retention adds its next runs, if they have something to remove.
func (l *list) retention(rules ...string) {
	defer func(loc *time.Location) { l.loc = loc }(l.loc)
	l.loc = l.Config.Location
	at := l.From
	for range l.Count {
		if at = l.Config.Retention.At.Next(at); at.IsZero() || strings.Join(rules, "") == "" {
			return
		}
		l.add(at, "retention", "", l.Config.Retention.At.String())
	}
}

// expires adds the ends of certificates.
func (l *list) expires(certs []*x509.Certificate, whose string) {
	for _, c := range certs {
		l.add(c.NotAfter, "certificate expires", "", fmt.Sprintf("%s: %q", whose, c.Subject))
	}
}

// of is what the config, and then the ledger, say of a partner.
func (l *list) of(p *config.Partner) {
	l.loc, l.name = p.Location, p.Name
	l.window("send window", p.Outbox.Window)
	l.window("pick-up", p.Outbox.Pickup.Window)
	l.schedule("pick-up", p.Outbox.Pickup.Moments)
	l.schedule("rescan", p.Outbox.Rescan)
	if l.Partner != "" {
		l.retention(p.Retention.String())
	}
	for _, c := range p.Certificates {
		if len(c.Certificates) == 0 {
			continue
		}
		subject := fmt.Sprintf("%q", c.Certificates[0].Subject)
		if c.Encrypt {
			l.add(c.EncryptFrom, "certificate begins", "", "messages are encrypted to "+subject)
			l.add(c.Until, "certificate ends", "", "messages are not encrypted to "+subject+" any more")
		}
		l.expires(c.Certificates, "the partner's")
	}
	l.expires(p.Server, "of the partner's web server")
	if c := p.Client.Identity; c != nil {
		l.expires([]*x509.Certificate{c.Certificate}, "our client certificate")
	}
	l.ledger(p)
}

// schedule adds the next moments of a schedule.
func (l *list) schedule(what string, s schedule.Schedule) {
	at := l.From
	for range l.Count {
		if at = s.Next(at); at.IsZero() {
			return
		}
		l.add(at, what, "", s.String())
	}
}

// window adds when a window opens and closes next.
func (l *list) window(what string, w schedule.Window) {
	if w.IsZero() {
		return
	}
	at := l.From
	for n := 0; n < l.Count; {
		if opens := w.Next(at); opens.After(at) {
			at, n = opens, n+1
			l.add(at, what+" opens", "", w.String())
			continue
		}
		at = w.Closes(at)
		if at.IsZero() {
			return // it is open for years
		}
		n++
		l.add(at, what+" closes", "", w.String())
	}
}

// told is a moment within a text.
func (l *list) told(t time.Time) string { return t.In(l.loc).Format("2006-01-02 15:04:05 MST") }
