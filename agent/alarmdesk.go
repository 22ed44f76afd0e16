package agent

import (
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/hooks"
	"github.com/as2drop/as2drop/ledger"
)

// AlarmDesk is who is told of alarms by a config. l may be nil for those who only want to
// try the receivers.
func AlarmDesk(cfg *config.Config, l *ledger.Ledger, log *slog.Logger, version string, now func() time.Time) (*alarms.Desk, error) {
	c := &cfg.Alarms
	dir, err := filepath.Abs(filepath.Dir(cfg.Path))
	if err != nil {
		return nil, err
	}
	// An alarm that is broken off is told again: the end of the agent waits for none.
	runner := &hooks.Runner{Dir: dir, Environ: os.Getenv, Agent: "as2drop/" + version}
	d := &alarms.Desk{Ledger: l, Now: now, Rand: rand.Reader, Log: log, Name: c.Name, Version: version, Zone: cfg.Location,
		Policy: alarms.Policy{GroupWait: c.GroupWait, GroupInterval: c.GroupInterval, UpdateInterval: c.UpdateInterval, Repeat: c.Repeat}}
	for _, r := range c.Receivers {
		d.Receivers = append(d.Receivers, alarms.Receiver{Name: r.Name, Level: ledger.Level(r.Level), Partners: r.Partners, Hours: r.Hours, Channel: channel(r, runner, now)})
	}
	return d, nil
}

// channel is the way to a receiver.
func channel(r *config.Receiver, runner *hooks.Runner, now func() time.Time) alarms.Channel {
	m := r.Mail
	if m == nil {
		return &alarms.Hook{Hook: &hooksOf([]config.Hook{*r.Hook})[0], Runner: runner, Secret: r.Secret, Now: now}
	}
	mail := &alarms.Mail{Server: m.Server, TLS: m.TLS, User: m.Login.User, Password: m.Login.Password, From: m.From, To: m.To, Timeout: m.Timeout}
	if len(m.Authorities) > 0 {
		mail.Roots = x509.NewCertPool()
		for _, a := range m.Authorities {
			mail.Roots.AddCert(a)
		}
	}
	return mail
}
