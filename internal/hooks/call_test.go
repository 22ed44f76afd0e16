package hooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// service is a web service that answers as its function does.
func service(t *testing.T, answer http.HandlerFunc) *Hook {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	return &Hook{Name: "web", URL: s.URL + "/hook", Client: NewClient([]*x509.Certificate{s.Certificate()}), Timeout: time.Minute, Header: http.Header{"Authorization": {"Bearer x"}}}
}

func TestServiceIsToldEverything(t *testing.T) {
	var got Input
	var header http.Header
	hook := service(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/hook" || r.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		got, header = told(t, body), r.Header
		_, _ = io.WriteString(w, `{"action": "send"}`)
	})
	out, err := runner(t).Run(t.Context(), hook, sample())
	if err != nil || string(out) != `{"action": "send"}` {
		t.Fatalf("%q, %v", out, err)
	}
	if got.ID != "t1" || got.Hook != "web" || header.Get("Authorization") != "Bearer x" || header.Get("Content-Type") != "application/json" || header.Get("User-Agent") != "test" {
		t.Errorf("%+v, %v", got, header)
	}
}

func TestServicesThatFail(t *testing.T) {
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	strangers := service(t, func(http.ResponseWriter, *http.Request) {})
	strangers.Client = NewClient(nil)
	for name, c := range map[string]struct {
		hook *Hook
		want string
	}{
		"an error": {service(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the ERP is\x1b closed\nand so on", http.StatusServiceUnavailable)
		}), "it answered HTTP 503: the ERP is  closed"},
		"a redirect": {service(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}), `it answered HTTP 307 and redirects to "http://127.0.0.1`},
		"too much": {service(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 2*MaxAnswer))
		}), "what it says is longer than 1048576 bytes"},
		"a stranger": {strangers, "tls: failed to verify certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runner(t).Run(t.Context(), c.hook, sample())
			var f *Failure
			if !errors.As(err, &f) || !strings.HasPrefix(f.Fact, c.want) {
				t.Error(err)
			}
		})
	}
	if elsewhere > 0 {
		t.Error("a redirect was followed, with the token")
	}
}

// A service that does not answer is left at the time limit.
func TestServiceThatHangs(t *testing.T) {
	hook := service(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	hook.Timeout = 50 * time.Millisecond
	_, err := runner(t).Run(t.Context(), hook, sample())
	var f *Failure
	if !errors.As(err, &f) || f.Fact != "it had not ended after 50ms, its time limit" {
		t.Error(err)
	}
}

// The agent stops while a service is asked.
func TestServiceIsLeft(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	hook := service(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		stop()
		<-r.Context().Done()
	})
	r := runner(t)
	r.Drain = time.Millisecond
	if _, err := r.Run(ctx, hook, sample()); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}
