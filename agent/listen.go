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
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
)

// listener is one address where messages are received.
type listener struct {
	address string
	net     net.Listener
	server  *http.Server
	log     *slog.Logger
	plain   bool
}

// listen opens every address of the config, or none.
func (w *world) listen() ([]*listener, error) {
	var ls []*listener
	for i, c := range w.cfg.Listen {
		n, err := net.Listen("tcp", c.Address)
		if err != nil {
			for _, l := range ls {
				err = errors.Join(err, l.net.Close())
			}
			return nil, fmt.Errorf("%s: listen[%d].address: %w", w.cfg.Path, i, err)
		}
		mux := http.NewServeMux()
		mux.Handle(c.Path, &as2.Handler{Backend: w.inbox, Receipts: &receipts{world: w}, Log: w.log})
		l := &listener{address: n.Addr().String(), net: n, log: w.log, plain: c.BehindProxy, server: &http.Server{
			Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
		}}
		if !l.plain {
			var chain [][]byte
			for _, cert := range c.Certificates {
				chain = append(chain, cert.Raw)
			}
			l.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: c.Key}}}
			w.askForCertificates(l.server.TLSConfig, c)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// askForCertificates has clients show a certificate where somebody must. It is taken as
// it is: which ones a partner may show is decided when it is known who it claims to be.
func (w *world) askForCertificates(t *tls.Config, l config.Listener) {
	if len(l.Authorities) > 0 {
		t.ClientAuth, t.ClientCAs = tls.RequestClientCert, x509.NewCertPool()
		for _, authority := range l.Authorities {
			t.ClientCAs.AddCert(authority)
		}
	}
	for _, p := range w.cfg.Partners {
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
