package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
)

// listener is one address where messages are received. What it shows to clients, and
// under which path it takes messages, may change while it is open.
type listener struct {
	configured string // the address in the config
	address    string // what became of it
	net        net.Listener
	server     *http.Server
	log        *slog.Logger
	plain      bool
	tls        atomic.Pointer[tls.Config]
	handler    atomic.Pointer[http.ServeMux]
}

// listen has every address of a config open, or changes nothing: those that are open
// already stay, the others are opened.
func (w *world) listen(cfg *config.Config, open []*listener) (all []*listener, err error) {
	defer func() {
		for i, l := range all {
			if err != nil && !slices.Contains(open, l) {
				err = errors.Join(err, l.net.Close())
			} else if err == nil {
				l.configure(w, cfg, cfg.Listen[i])
			}
		}
	}()
	for i, c := range cfg.Listen {
		at := slices.IndexFunc(open, func(l *listener) bool { return l.configured == c.Address && !slices.Contains(all, l) })
		if at >= 0 && open[at].plain != c.BehindProxy {
			return all, fmt.Errorf("%s: listen[%d]: %s cannot change between TLS and plain HTTP while the agent runs; restart it", cfg.Path, i, c.Address)
		}
		if at >= 0 {
			all = append(all, open[at])
			continue
		}
		n, err := net.Listen("tcp", c.Address)
		if err != nil {
			return all, fmt.Errorf("%s: listen[%d].address: %w", cfg.Path, i, err)
		}
		all = append(all, w.newListener(c, n))
	}
	return all, nil
}

func (w *world) newListener(c config.Listener, n net.Listener) *listener {
	l := &listener{configured: c.Address, address: n.Addr().String(), net: n, log: w.log, plain: c.BehindProxy}
	l.server = &http.Server{
		Handler:           http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { l.handler.Load().ServeHTTP(rw, r) }),
		ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
	if !l.plain {
		l.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.tls.Load(), nil }}
	}
	return l
}

// configure makes a listener what the config says of it.
func (l *listener) configure(w *world, cfg *config.Config, c config.Listener) {
	mux := http.NewServeMux()
	mux.Handle(c.Path, &as2.Handler{Backend: messages{w}, Receipts: &receipts{world: w}, Log: w.log})
	if !l.plain {
		var chain [][]byte
		for _, cert := range c.Certificates {
			chain = append(chain, cert.Raw)
		}
		t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: c.Key}}}
		askForCertificates(t, cfg, c)
		l.tls.Store(t)
	}
	l.handler.Store(mux)
}

// messages takes what is received to the inbox that is in force then.
type messages struct{ *world }

func (m messages) Receive(ctx context.Context, message *as2.Message) as2.Reply {
	return m.setup().inbox.Receive(ctx, message)
}

// askForCertificates has clients show a certificate where somebody must. It is taken as
// it is: which ones a partner may show is decided when it is known who it claims to be.
func askForCertificates(t *tls.Config, cfg *config.Config, l config.Listener) {
	if len(l.Authorities) > 0 {
		t.ClientAuth, t.ClientCAs = tls.RequestClientCert, x509.NewCertPool()
		for _, authority := range l.Authorities {
			t.ClientCAs.AddCert(authority)
		}
	}
	for _, p := range cfg.Partners {
		if len(p.Receive.Credentials.Client) > 0 {
			t.ClientAuth = tls.RequestClientCert
		}
	}
}

func (l *listener) serve() {
	l.log.Info("listening", "address", l.address, "tls", !l.plain)
	var err error
	if l.plain {
		err = l.server.Serve(l.net)
	} else {
		err = l.server.ServeTLS(l.net, "", "")
	}
	if !errors.Is(err, http.ErrServerClosed) {
		l.log.Error("listening ended", "address", l.address, "error", err)
	}
}

// shutdown lets messages that are under way finish, up to the grace.
func (l *listener) shutdown(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := l.server.Shutdown(ctx); err != nil {
		l.log.Warn("messages were still arriving; their senders will repeat them", "address", l.address, "error", err)
		l.server.Close() // nothing more can be done for them
	}
}
