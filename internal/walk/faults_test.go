//go:build linux

package walk_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/internal/walk"
	"github.com/as2drop/as2drop/outbox"
)

const ours = `data_dir: data
stations:
  us: {as2_id: US, keys: [{certificate: us.pem, key: us.key}]}
partners:
  acme: {as2_id: ACME, station: us, url: "%s", certificates: acme.pem, allow_http: true, timeouts: {connect: 30s}%s}
`

// walkTo goes to a partner with a config of ours, and returns what was seen.
func walkTo(t *testing.T, p *testpartner.Partner, url, more string, until string) ([]walk.Step, *outbox.Trial, bool, string) {
	t.Helper()
	dir := t.TempDir()
	ids := crashtest.Identities()
	write := func(name string, certs ...*x509.Certificate) {
		if err := keys.WriteCertificates(filepath.Join(dir, name), certs); err != nil {
			t.Fatal(err)
		}
	}
	write("us.pem", ids[0].Certificate)
	write("acme.pem", ids[1].Certificate)
	if p != nil {
		write("authority.pem", p.Authority().Certificate)
		write("server.pem", p.Certificate())
	}
	err := errors.Join(keys.WritePrivate(filepath.Join(dir, "us.key"), crashtest.Signer(ids[0], cms.SHA256).Key),
		os.WriteFile(filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, ours, url, more), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "config.yaml"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	trials, err := agent.OpenTrials(cfg, cfg.Partners[0], "test", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer trials.Close()
	steps, trial, passed, err := walk.Walk(t.Context(), walk.Options{
		URL: url, Client: trials.Client, Has: walk.Has{Pinned: len(cfg.Partners[0].Server), Connect: 30 * time.Second}, Until: until, Now: time.Now,
		Trial: func() (*outbox.Trial, error) { return trials.New("test.txt", "a test", "a test\r\n") },
		Await: trials.Await,
		Lookup: func(ctx context.Context, host string) ([]net.IPAddr, error) {
			return nil, &net.DNSError{Name: host, IsNotFound: true}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := ""
	if trial != nil {
		if kept, err = trials.Keep(trial); err != nil {
			t.Fatal(err)
		}
	}
	return steps, trial, passed, kept
}

func start(t *testing.T, steps ...testpartner.Behaviour) *testpartner.Partner {
	t.Helper()
	ids := crashtest.Identities()
	p, err := testpartner.Start(testpartner.Options{Own: ids[1], Sender: ids[0].Certificate, Plan: testpartner.Script(steps...), OneEach: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// told is a walk as an operator reads it.
func told(steps []walk.Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%s %s\n", s.Name, s.State)
		for _, line := range append(s.Saw, s.Warnings...) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		if s.Cause != "" {
			fmt.Fprintf(&b, "  cause: %s\n  remedy: %s\n", s.Cause, s.Remedy)
		}
	}
	return b.String()
}

const trusted = `, server_certificates: authority.pem`

func issue(t *testing.T, s testpartner.Server) testpartner.Behaviour {
	return testpartner.Issues("shows it", s)
}

// What a partner does wrong, at which step it shows, and what the operator reads of it.
func TestFaults(t *testing.T) {
	nobody, err := testpartner.Nobody()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		does  string
		steps []testpartner.Behaviour
		url   string // empty = the partner's
		more  string // of the config
		at    string
		says  []string
	}{
		{does: "his name is not in the DNS", url: testpartner.NoSuchName, at: walk.DNS, says: []string{`the DNS knows no host "partner.invalid"`, "spelt right"}},
		{does: "nobody listens", url: nobody, at: walk.TCP, says: []string{"no connection to 127.0.0.1:", "connection refused", "compare host and port of the URL"}},
		{does: "plain HTTP", steps: []testpartner.Behaviour{testpartner.PlainHTTP}, more: trusted, at: walk.TLS, says: []string{"the server speaks plain HTTP on this port, and the URL says https", "correct url"}},
		{does: "TLS 1.1", steps: []testpartner.Behaviour{testpartner.OldTLS}, more: trusted, at: walk.TLS, says: []string{"nothing newer than TLS 1.1", "must allow TLS 1.2 or 1.3", "then test again"}},
		{does: "a certificate for another host", steps: []testpartner.Behaviour{issue(t, testpartner.Server{Hosts: []string{"other.example"}})}, more: trusted, at: walk.TLS,
			says: []string{"for other.example; SHA-256", "compare the host in url with the names in the certificate", "then test again"}},
		{does: "an expired certificate", steps: []testpartner.Behaviour{issue(t, testpartner.Server{Until: time.Now().AddDate(0, 0, -3)})}, more: trusted, at: walk.TLS,
			says: []string{"the partner must renew his server's certificate", "valid to " + time.Now().AddDate(0, 0, -3).UTC().Format(time.DateOnly)}},
		{does: "another self-signed certificate", steps: []testpartner.Behaviour{issue(t, testpartner.Server{Self: true})}, more: trusted, at: walk.TLS, says: []string{"issued by itself", "let him read the fingerprint to you"}},
		{does: "a self-signed certificate that we never saw", steps: []testpartner.Behaviour{issue(t, testpartner.Server{Self: true})}, at: walk.TLS, says: []string{"held against the authorities of this system", "which is usual for AS2", "name it in server_certificates"}},
		{does: "hangs up in the handshake", steps: []testpartner.Behaviour{testpartner.HangUp}, more: trusted, at: walk.TLS, says: []string{"during the TLS handshake"}},
		{does: "401", steps: []testpartner.Behaviour{testpartner.Status(401)}, more: trusted, at: walk.Message, says: []string{"HTTP 401 Unauthorized", "client"}},
		{does: "404", steps: []testpartner.Behaviour{testpartner.Status(404)}, more: trusted, at: walk.Message, says: []string{"HTTP 404 Not Found", "url"}},
		{does: "503", steps: []testpartner.Behaviour{testpartner.Status(503)}, more: trusted, at: walk.Message, says: []string{"HTTP 503", "busy"}},
		{does: "a web page", steps: []testpartner.Behaviour{testpartner.Page(200, "Sign in")}, more: trusted, at: walk.Message, says: []string{`an HTML page with the title "Sign in"`, "url leads to a web page"}},
		{does: "an empty answer", steps: []testpartner.Behaviour{testpartner.TakesEmpty(200)}, more: trusted, at: walk.Message, says: []string{"HTTP 200 without a receipt: the answer is empty"}},
		{does: "resets before it answers", steps: []testpartner.Behaviour{testpartner.ResetBeforeAnswer}, more: trusted, at: walk.Message, says: []string{"the partner may have it", "no answer came", "what his log says"}},
		{does: "does not know us", steps: []testpartner.Behaviour{testpartner.Rejects(as2.UnknownRelationship)}, more: trusted, at: walk.Receipt, says: []string{"authentication-failed", "send him our present certificate, and compare the IDs"}},
		{does: "cannot decrypt", steps: []testpartner.Behaviour{testpartner.Rejects(as2.DecryptionFailed)}, more: trusted, at: walk.Receipt, says: []string{"decryption-failed", "ask him for his present certificate"}},
		{does: "another MIC", steps: []testpartner.Behaviour{testpartner.OtherMIC}, more: trusted, at: walk.Receipt, says: []string{"the partner received something else"}},
		{does: "no MIC", steps: []testpartner.Behaviour{testpartner.NoMIC}, more: trusted, at: walk.Receipt, says: []string{"the receipt states no MIC"}},
		{does: "an unsigned receipt", steps: []testpartner.Behaviour{testpartner.Unsigned}, more: trusted, at: walk.Receipt, says: []string{"not signed", "agree on signed receipts with the partner, or set receipt: unsigned"}},
		{does: "a receipt of somebody else", steps: []testpartner.Behaviour{testpartner.ByStranger}, more: trusted, at: walk.Receipt, says: []string{"the receipt's signature does not count", "compare the partner's certificate"}},
		{does: "a receipt for another message", steps: []testpartner.Behaviour{testpartner.OtherMessageID}, more: trusted, at: walk.Receipt, says: []string{"the receipt is for another message"}},
	} {
		t.Run(c.does, func(t *testing.T) {
			t.Parallel()
			url := c.url
			var p *testpartner.Partner
			if url == "" {
				p = start(t, c.steps...)
				url = p.URL()
			}
			steps, trial, passed, kept := walkTo(t, p, url, c.more, walk.Receipt)
			text := told(steps)
			t.Log("\n" + text)
			last := steps[len(steps)-1]
			if passed || last.Name != c.at || last.State != walk.Failed || last.Cause == "" || last.Remedy == "" {
				t.Errorf("passed %v, ended at %+v", passed, last)
			}
			for _, words := range c.says {
				if !strings.Contains(text, words) {
					t.Errorf("the operator does not read %q", words)
				}
			}
			for _, bad := range []string{"retry ID", "release PARTNER", "release ID", "posted again"} {
				if strings.Contains(text, bad) {
					t.Errorf("there is no transfer, and he reads %q", bad)
				}
			}
			if trial != nil {
				if _, err := os.Stat(filepath.Join(kept, "transfer.json")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// All is well: every step says what it saw, one message was posted, and its evidence proves it.
func TestWalk(t *testing.T) {
	p := start(t)
	steps, trial, passed, kept := walkTo(t, p, p.URL(), trusted, walk.Receipt)
	text := told(steps)
	if !passed || len(steps) != 6 || trial.Outcome != outbox.TrialSent || len(p.Posts()) != 1 {
		t.Fatalf("%v, %d posts\n%s", passed, len(p.Posts()), text)
	}
	for _, words := range []string{"TLS 1.3", "held against server_certificates (1)", "a GET is answered HTTP 405", "signed, encrypted", "disposition", "MIC "} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	for _, name := range []string{"message", "answer-1.http", "transfer.json"} {
		if _, err := os.Stat(filepath.Join(kept, name)); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(kept, "transfer.json")); err != nil || !bytes.Contains(b, []byte("a test")) {
		t.Errorf("%v %s", err, b)
	}
}

// Up to HTTP no message leaves.
func TestUntil(t *testing.T) {
	for i, until := range walk.Steps[:4] {
		p := start(t)
		steps, trial, passed, _ := walkTo(t, p, p.URL(), trusted, until)
		if !passed || len(steps) != i+1 || trial != nil || len(p.Posts()) != 0 {
			t.Errorf("%s: %v, %d posts\n%s", until, passed, len(p.Posts()), told(steps))
		}
	}
}

// Whether a server asks for a client certificate shows, and whether it is shown ours.
func TestClientCertificates(t *testing.T) {
	p := start(t)
	own, err := p.Authority().Issue(testpartner.Server{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*own}, ClientAuth: tls.RequestClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // the visitor says what came of it
			c.Close()
		}
	}()
	steps, _, passed, _ := walkTo(t, p, "https://"+l.Addr().String()+"/", trusted, walk.TLS)
	if text := told(steps); !passed || !strings.Contains(text, "the server asks for a client certificate, and none is configured") {
		t.Errorf("%v\n%s", passed, text)
	}
}
