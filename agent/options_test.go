package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/keys"
)

const everything = `data_dir: data
listen: [{address: "127.0.0.1:1", certificate: a.pem, key: a.key}]
stations:
  us:
    as2_id: US
    keys:
      - {certificate: a.pem, key: a.key}
      - {certificate: b.pem, key: b.key, sign_from: 2100-01-01T00:00:00Z}
partners:
  acme:
    as2_id: ACME
    as2_version: 1.1
    station: us
    url: http://acme.example/as2
    allow_http: true
    certificates: [b.pem, {file: a.pem, encrypt_from: 2100-01-01T00:00:00Z}]
    trust: {authorities: a.pem, subject: ACME}
    client:
      client_certificate: {certificate: b.pem, key: b.key}
      basic: {user: us, password_file: password}
      proxy: http://proxy.example:3128
      proxy_login: {user: p, password_file: password}
    send: {sign: sha-384, signature: pss, key_transport: oaep-sha-256, recipient_id: key-id, compress: after-sign, receipt_delivery: async, receipt_wait: 7m,
      content_type: application/x, headers: {X-A: a}}
    receive: {digests: [sha-512], receipt_retry: {attempts: 3, first: 4s, max: 5s, give_up_after: 6h}, credentials: {user: them, password_file: password, client_certificates: b.pem}}
    quirks: {no_signed_attributes: true, no_algorithm_protection: true, mic_names: sha256, chunked: true, expect_continue: true}
  plain: {as2_id: PLAIN, station: us, certificates: a.pem, send: {sign: none, encrypt: none, receipt: none}, client: {proxy: none, bearer_file: password}}
`

func loadEverything(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := keys.Make(keys.Request{Name: name, Bits: 2048, Now: time.Now()}, filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	for name, text := range map[string]string{file: everything, filepath.Join(dir, "password"): "open sesame"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Who signs and who is encrypted to is asked each time: a new certificate needs no
// restart when its moment comes.
func TestRolloverNeedsNoRestart(t *testing.T) {
	cfg := loadEverything(t)
	p := cfg.Partners[0]
	out, in := outboxPartner(cfg, p, nil), inboxPartner(cfg, &box{partner: p})
	change := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{change.Add(-time.Second): "a a b", change: "b b a"} {
		got := fmt.Sprint(out.Sign(at).Certificate.Subject.CommonName, " ", in.Sign(at).Certificate.Subject.CommonName, " ", out.EncryptTo(at).Certificate.Subject.CommonName)
		if got != want {
			t.Errorf("%v: message, receipt and encryption by %s, want %s", at, got, want)
		}
	}
	if len(in.Identities) != 2 || len(out.Certificates) != 2 || len(out.Trust.Certificates) != 2 {
		t.Errorf("before and after: %d keys open, %d certificates known", len(in.Identities), len(out.Certificates))
	}
}

func TestWhatTheConfigSaysArrives(t *testing.T) {
	cfg := loadEverything(t)
	p := cfg.Partners[0]
	out, in := outboxPartner(cfg, p, nil), inboxPartner(cfg, &box{partner: p})
	if s := out.Sign(time.Now()); s.Digest != cms.SHA384 || !s.PSS || !s.NoAttributes || !s.NoProtection || s.Key == nil {
		t.Errorf("%+v", s)
	}
	if r := out.EncryptTo(time.Now()); r.Transport != cms.OAEPSHA256 || !r.ByKeyID {
		t.Errorf("%+v", r)
	}
	if out.Version != "1.1" || out.ContentType != "application/x" || out.Compress != as2.CompressAfterSign || out.Policy.ReceiptWait != 7*time.Minute || len(out.Extra) != 1 || out.Quirks.MICNames != "plain" {
		t.Errorf("%+v", out)
	}
	if r := out.Receipt; !r.Wanted || !r.Signed || r.Async != "https://127.0.0.1:1/as2" || !slices.Equal(r.Digests, []cms.Digest{cms.SHA384, cms.SHA256}) {
		t.Errorf("%+v", r)
	}
	if len(in.Trust.Authorities) != 1 || in.Trust.Subject != "ACME" || in.Version != "1.1" || in.Quirks.MICNames != "plain" || !slices.Equal(in.Digests, []cms.Digest{cms.SHA512}) ||
		!slices.Equal(in.ReceiptHosts, []string{"acme.example"}) || !in.ReceiptHTTP || in.Post == nil {
		t.Errorf("%+v", in)
	}
	if in.ReceiptRetry != (inbox.ReceiptRetry{Attempts: 3, First: 4 * time.Second, Max: 5 * time.Second, GiveUp: 6 * time.Hour}) {
		t.Errorf("%+v", in.ReceiptRetry)
	}
	if c := in.Credentials; c == nil || c.User != "them" || c.Password != "open sesame" || len(c.Client) != 1 {
		t.Errorf("%+v", c)
	}
	for _, c := range in.Ciphers {
		if c.Legacy() {
			t.Errorf("%v is accepted unasked", c)
		}
	}
	o := clientOptions(p)
	if o.Identity == nil || o.Identity.Leaf.Subject.CommonName != "b" || o.User != "us" || o.Password != "open sesame" || !o.Chunked || !o.ExpectContinue ||
		o.Proxy.String() != "http://p:open%20sesame@proxy.example:3128" {
		t.Errorf("%+v", o)
	}
	plain := cfg.Partners[1]
	out, in, o = outboxPartner(cfg, plain, nil), inboxPartner(cfg, &box{partner: plain}), clientOptions(plain)
	if out.Sign != nil || out.EncryptTo != nil || out.Receipt.Wanted || in.Credentials != nil || o.Bearer != "open sesame" || o.Proxy == nil || o.Proxy.Host != "" || o.Identity != nil {
		t.Errorf("%+v", out)
	}
	if s := in.Sign(time.Now()); s == nil || s.Digest != cms.SHA256 {
		t.Errorf("receipts of unsigned traffic: %+v", s)
	}
}

// Receipts go where the sender says: our credentials do not.
func TestReceiptsCarryNoCredentials(t *testing.T) {
	cfg := loadEverything(t)
	p := cfg.Partners[1] // with a token, and no proxy
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) }))
	t.Cleanup(s.Close)
	empty := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	for _, post := range []inbox.Poster{client(p), inboxPartner(cfg, &box{partner: p}).Post} {
		if _, err := post.Post(t.Context(), s.URL, nil, 0, empty); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(seen, []string{"Bearer open sesame", ""}) {
		t.Errorf("with the message and with the receipt: %q", seen)
	}
}

func TestClientsAreAskedForCertificates(t *testing.T) {
	cfg := loadEverything(t)
	authority := cfg.Partners[0].Certificates[0].Certificates[0]
	for _, c := range []struct {
		listener config.Listener
		partners []*config.Partner
		asked    tls.ClientAuthType
	}{
		{config.Listener{}, cfg.Partners[1:], tls.NoClientCert},
		{config.Listener{}, cfg.Partners, tls.RequestClientCert},
		{config.Listener{Authorities: []*x509.Certificate{authority}}, cfg.Partners[1:], tls.RequestClientCert},
	} {
		var got tls.Config
		cfg.Partners = c.partners
		askForCertificates(&got, cfg, c.listener)
		if got.ClientAuth != c.asked || (got.ClientCAs != nil) != (len(c.listener.Authorities) > 0) {
			t.Errorf("%d partners, %d authorities: %v", len(c.partners), len(c.listener.Authorities), got.ClientAuth)
		}
	}
}
