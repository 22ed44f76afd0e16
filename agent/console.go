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
	ended      chan struct{} // closed when it is to end
	closed     atomic.Pointer[closedConsole]
}

// closedConsole is why a console cannot be opened.
type closedConsole struct {
	since time.Time
	fact  string
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
	return a.newConsole(c, n), nil
}

// firstConsole opens the console of an agent that starts. Whoever else has its address keeps
// nothing from being sent and received: status and log say so, and it is tried again.
func (a *running) firstConsole(cfg *config.Config) *console {
	first, err := a.listenForConsole(cfg, nil)
	if err != nil {
		a.log.Error("the console cannot be opened; it is tried again by itself", "error", err)
		first = a.newConsole(&cfg.Console, nil)
		first.closed.Store(&closedConsole{a.now(), err.Error()})
	}
	return first
}

func (a *running) newConsole(c *config.Console, n net.Listener) *console {
	plain := len(c.Certificates) == 0
	next := &console{configured: c.Address, plain: plain, users: c.UsersFile, tokens: c.TokensFile, net: n, ended: make(chan struct{})}
	next.server = &http.Server{
		Handler:           web.New(a.consoleOptions(accounts.Open(c.UsersFile, c.TokensFile))),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	if !plain {
		next.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return next.tls.Load(), nil }}
		next.configure(c)
	}
	return next
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
		close(former.ended)
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

// consoleAgain is how often a console that could not be opened is tried again.
const consoleAgain = 5 * time.Second

// listenAgain opens the address as soon as it can be. It reports whether it is open.
func (c *console) listenAgain() bool {
	tick := time.NewTicker(consoleAgain)
	defer tick.Stop()
	for c.net == nil {
		select {
		case <-c.ended:
			return false
		case <-tick.C:
		}
		if n, err := net.Listen("tcp", c.configured); err == nil {
			c.net = n
			c.closed.Store(nil)
		}
	}
	return true
}

func (c *console) serve(log *slog.Logger) {
	if !c.listenAgain() {
		return
	}
	scheme, serve := "https", func() error { return c.server.ServeTLS(c.net, "", "") }
	if c.plain {
		scheme, serve = "http", func() error { return c.server.Serve(c.net) }
	}
	log.Info("the console is open", "url", scheme+"://"+c.net.Addr().String())
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		log.Error("the console ended", "error", err)
	}
}
