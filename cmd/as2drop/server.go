package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/web/api"
)

// serverFlags are shared by the commands that can ask an agent elsewhere.
type serverFlags struct {
	Server    string `env:"AS2DROP_SERVER" help:"Ask the agent whose console is at this address, and not the ledger of this machine. Also: $$AS2DROP_SERVER. The token is that of $$AS2DROP_TOKEN or of --token-file." placeholder:"URL"`
	TokenFile string `help:"A file with the token for --server." placeholder:"FILE"`
	ServerCA  string `name:"server-ca" env:"AS2DROP_SERVER_CA" help:"Certificates that the one of --server is trusted by, as PEM, in place of those of the system. Also: $$AS2DROP_SERVER_CA." placeholder:"FILE"`
}

// remote is an agent that is asked through its API.
type remote struct {
	given  string // as it was typed
	base   *url.URL
	token  string
	client *http.Client
	now    time.Time // by the clock of the agent, once it has answered
}

// Limits of what is read from files and from a server, in bytes.
const (
	maxTokenFile = 4 << 10
	maxAnswer    = 64 << 20
)

// remote is the agent that --server names; nil if the ledger here is meant.
func (f serverFlags) remote() (*remote, error) {
	if f.Server == "" {
		return nil, nil
	}
	usage := func(format string, args ...any) (*remote, error) {
		return nil, exit{exitUsage, fmt.Errorf(format, args...)}
	}
	u, err := url.Parse(f.Server)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usage("--server %q: it must be a URL such as https://as2.example.com:8443", f.Server)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return usage("--server: it must be scheme, host and port alone; the token is in $AS2DROP_TOKEN or --token-file")
	case u.Scheme == "http" && !config.Loopback(u.Hostname()):
		return usage("--server %s: over http the token could be read on the way to another machine; use https", f.Server)
	}
	r := &remote{given: f.Server, base: u, token: strings.TrimSpace(os.Getenv("AS2DROP_TOKEN"))}
	if f.TokenFile != "" {
		text, err := fsx.ReadPath(f.TokenFile, maxTokenFile)
		if err != nil {
			return usage("--token-file: %w", err)
		}
		r.token = strings.TrimSpace(string(text))
	}
	if r.token == "" {
		return usage("--server %s: there is no token: put one into $AS2DROP_TOKEN or name its file with --token-file; as2drop token add makes one there", f.Server)
	}
	if strings.ContainsAny(r.token, " \t\r\n") {
		return usage("--server %s: the token has blanks or several lines; it is one word", f.Server)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ServerCA != "" {
		text, err := fsx.ReadPath(f.ServerCA, 1<<20)
		if err != nil {
			return usage("--server-ca: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(text) {
			return usage("--server-ca %s: there is no certificate in it (PEM)", f.ServerCA)
		}
	}
	r.client = &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 15 * time.Second, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for this server
	}
	return r, nil
}

// get asks for something.
func (r *remote) get(path string, query url.Values, into any) error {
	return r.do(http.MethodGet, path, query, nil, nil, into)
}

// do asks, and reads the answer. An error says what is wrong and what to do.
func (r *remote) do(method, path string, query url.Values, header http.Header, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	at := r.base.JoinPath(api.Prefix + path)
	at.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(context.Background(), method, at.String(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "as2drop/"+version)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return r.unreachable(err)
	}
	defer answer.Body.Close() // it was read, or is of no interest
	if r.now, err = http.ParseTime(answer.Header.Get("Date")); err != nil {
		r.now = time.Time{}
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return r.unreachable(err)
	}
	if answer.StatusCode >= 300 {
		return r.refused(answer, content)
	}
	if answer.Header.Get(api.VersionField) == "" {
		return r.nobody(answer)
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("--server %s: as2drop %s answers what as2drop %s does not understand; use the same version on both sides: %w", r.given, answer.Header.Get(api.VersionField), version, err)
	}
	return nil
}

// unreachable says why there is no answer.
func (r *remote) unreachable(err error) error {
	var untrusted *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("--server %s: its certificate is not trusted: %w; if it is one of your own, copy it (or that of its authority) here and name it with --server-ca FILE", r.given, untrusted.Err)
	case errors.As(err, &record):
		return fmt.Errorf("--server %s: it does not speak TLS: %w; is it http on loopback, or another port?", r.given, err)
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("--server %s: it does not speak TLS; is it http on loopback, or another port?", r.given)
	}
	return fmt.Errorf("--server %s: there is no answer: %w; does the agent run there, does its config have console.address, and does a firewall let you through?", r.given, err)
}

// nobody says that it is no agent that answers.
func (r *remote) nobody(answer *http.Response) error {
	return fmt.Errorf("--server %s: who answers there (HTTP %d, %s) is no as2drop with an API; it must be the address of its console, such as https://as2.example.com:8443", r.given, answer.StatusCode, answer.Header.Get("Content-Type"))
}

// refused says why a question was not answered.
func (r *remote) refused(answer *http.Response, content []byte) error {
	var p struct{ Detail, Hint string }
	if answer.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(content, &p) != nil || p.Detail == "" {
		return r.nobody(answer)
	}
	text := views.WithHint(p.Detail, p.Hint)
	theirs := answer.Header.Get(api.VersionField)
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("--server %s: the token is not accepted (HTTP 401): %s", r.given, text)
	case http.StatusForbidden:
		return fmt.Errorf("--server %s: not allowed (HTTP 403): %s", r.given, text)
	case http.StatusBadRequest:
		return exit{exitUsage, errors.New(text)}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if strings.Contains(p.Detail, "answers nothing at") || answer.StatusCode == http.StatusMethodNotAllowed {
			return fmt.Errorf("--server %s: as2drop %s there does not know what as2drop %s asks; use the same version on both sides: %s", r.given, theirs, version, p.Detail)
		}
		return errors.New(p.Detail)
	case http.StatusConflict:
		return errors.New(p.Detail)
	}
	return fmt.Errorf("--server %s: HTTP %d: %s", r.given, answer.StatusCode, text)
}

// clock is the moment by the clock of the agent, for what it told.
func (r *remote) clock(here time.Time) time.Time {
	if r.now.IsZero() {
		return here
	}
	return r.now
}

// wish asks for something and waits until the agent has dealt with it.
func (r *remote) wish(g *globals, kind ledger.WishKind, what, reason string, wait time.Duration) error {
	key, err := ledger.NewID(g.now(), rand.Reader)
	if err != nil {
		return err
	}
	var w ledger.Wish
	body := map[string]any{"kind": kind, "what": what, "reason": reason}
	if err := r.do(http.MethodPost, "/wishes", nil, http.Header{api.KeyField: {key}}, body, &w); err != nil {
		return err
	}
	return await(g, wait, func() (ledger.Wish, error) {
		err := r.get("/wishes/"+url.PathEscape(w.ID), nil, &w)
		return w, err
	})
}
