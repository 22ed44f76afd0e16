package agent

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/web"
	"github.com/as2drop/as2drop/web/api"
)

// console is the address where people and programs look at the agent and act on it. What it
// shows to browsers may change while it is open; who is signed in stays.
type console struct {
	configured string
	plain      bool
	users      string // the files of the accounts
	tokens     string
	net        net.Listener
	server     *http.Server
	tls        atomic.Pointer[tls.Config]
}

// listenForConsole opens the address of the config, nil if there is none. One that is open
// already stays. What of it is new counts with showConsole.
func (a *running) listenForConsole(cfg *config.Config, open *console) (*console, error) {
	c := &cfg.Console
	plain := len(c.Certificates) == 0
	switch {
	case c.Address == "":
		return nil, nil
	case open != nil && open.configured == c.Address && open.plain == plain && open.users == c.UsersFile && open.tokens == c.TokensFile:
		return open, nil
	case open != nil && open.configured == c.Address:
		return nil, fmt.Errorf("%s: console: TLS, users_file and tokens_file cannot change while the agent runs; restart it", cfg.Path)
	}
	n, err := net.Listen("tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("%s: console.address: %w", cfg.Path, err)
	}
	next := &console{configured: c.Address, plain: plain, users: c.UsersFile, tokens: c.TokensFile, net: n}
	next.server = &http.Server{
		Handler:           web.New(a.consoleOptions(accounts.Open(c.UsersFile, c.TokensFile))),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	if !plain {
		next.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return next.tls.Load(), nil }}
		next.configure(c)
	}
	return next, nil
}

func (a *running) consoleOptions(who *accounts.Store) web.Options {
	inForce := func() *config.Config { return a.setup().cfg }
	latest := func() *status.Status { return a.health.latest.Load() }
	reader := &views.Reader{Ledger: a.ledger, Config: inForce, Status: latest, Posted: a.flights.Posted, Look: a.lookInto}
	return web.Options{
		Views: reader, Ledger: a.ledger, Config: inForce, Status: latest, Accounts: who, Log: a.log, Now: a.now, Version: a.options.Version,
		API: api.New(api.Options{Reader: reader, Now: a.now, Rand: rand.Reader, Version: a.options.Version}), Metrics: a.counts,
	}
}

// configure has an open console show the certificate of a config.
func (c *console) configure(of *config.Console) {
	if c.plain {
		return
	}
	var chain [][]byte
	for _, cert := range of.Certificates {
		chain = append(chain, cert.Raw)
	}
	c.tls.Store(&tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: of.Key}}})
}

// showConsole has a console, or none, take the place of the one before.
func (a *running) showConsole(next *console) {
	a.changing.Lock()
	former := a.console
	a.console = next
	a.changing.Unlock()
	if next != nil {
		next.configure(&a.setup().cfg.Console)
	}
	if former == next {
		return
	}
	if former != nil {
		former.server.Close() // who looks comes again
	}
	if next != nil {
		a.group.Go(func() { next.serve(a.log) })
	}
}

// closeNew closes one that was opened for a config that is not taken.
func (c *console) closeNew(open *console) error {
	if c == nil || c == open {
		return nil
	}
	return c.net.Close()
}

func (c *console) serve(log *slog.Logger) {
	scheme, serve := "https", func() error { return c.server.ServeTLS(c.net, "", "") }
	if c.plain {
		scheme, serve = "http", func() error { return c.server.Serve(c.net) }
	}
	log.Info("the console is open", "url", scheme+"://"+c.net.Addr().String())
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		log.Error("the console ended", "error", err)
	}
}
