package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/web/api"
)

// asks runs a command as a user does and returns what it printed.
func asks(args ...string) (out, complaint string, code int) {
	var o, e bytes.Buffer
	code = run(args, &globals{out: &o, err: &e, now: time.Now})
	return o.String(), e.String(), code
}

// Whoever answers at --server, and however wrongly: it is said what is the matter and what
// to do.
func TestServerErrors(t *testing.T) {
	t.Setenv("AS2DROP_TOKEN", "as2drop_token")
	problem := func(status int, detail string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/problem+json")
			rw.Header().Set(api.VersionField, "9.9")
			rw.WriteHeader(status)
			fmt.Fprintf(rw, `{"type":"about:blank","title":"x","status":%d,"detail":%q,"hint":"do this"}`, status, detail)
		}
	}
	text := func(status int, version, content string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer as2drop_token" {
				t.Errorf("asked with %q", r.Header.Get("Authorization"))
			}
			if version != "" {
				rw.Header().Set(api.VersionField, version)
			}
			rw.WriteHeader(status)
			fmt.Fprint(rw, content)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
		code   int
	}{
		"401":                {problem(401, "unknown"), "the token is not accepted (HTTP 401): unknown; do this", 1},
		"403":                {problem(403, "viewer"), "not allowed (HTTP 403): viewer; do this", 1},
		"404 of a thing":     {problem(404, "there is no transfer"), "as2drop: there is no transfer\n", 1},
		"404 of a route":     {problem(404, `as2drop 9.9 answers nothing at "/api/v1/x"`), "as2drop 9.9 there does not know what as2drop " + version + " asks; use the same version on both sides", 1},
		"405":                {problem(405, "takes GET"), "use the same version on both sides", 1},
		"409":                {problem(409, "names 2 transfers"), "as2drop: names 2 transfers\n", 1},
		"400":                {problem(400, "from: no moment"), "as2drop: from: no moment; do this\n", 2},
		"503":                {problem(503, "locked"), "HTTP 503: locked; do this", 1},
		"somebody else":      {text(200, "", "<html>"), "who answers there (HTTP 200, text/html; charset=utf-8) is no as2drop with an API", 1},
		"somebody else, 404": {text(404, "", "<html>"), "is no as2drop with an API", 1},
		"other fields":       {text(200, "9.9", `{"partners": 7}`), "as2drop 9.9 answers what as2drop " + version + " does not understand", 1},
		"a redirect": {func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "is no as2drop with an API", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.answer)
			defer s.Close()
			if out, got, code := asks("status", "--server", s.URL); !strings.Contains(got, c.says) || code != c.code || out != "" {
				t.Errorf("%d %q %q, want %d with %q", code, out, got, c.code, c.says)
			}
		})
	}
}

// A certificate that nobody trusts is refused before the token is shown, and can be named.
func TestServerCertificate(t *testing.T) {
	t.Setenv("AS2DROP_TOKEN", "as2drop_token")
	asked := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked++
		rw.Header().Set(api.VersionField, version)
		fmt.Fprint(rw, `{"items": []}`)
	}))
	defer s.Close()
	if _, got, code := asks("schedule", "--server", s.URL); !strings.Contains(got, "its certificate is not trusted") || !strings.Contains(got, "name it with --server-ca FILE") || code != 1 || asked != 0 {
		t.Errorf("%d %q, asked %d times", code, got, asked)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, got, code := asks("schedule", "--server", s.URL, "--server-ca", ca); out != "nothing is planned\n" || code != 0 {
		t.Errorf("%d %q %q", code, out, got)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	plain := "https" + strings.TrimPrefix(other.URL, "http")
	if _, got, _ := asks("schedule", "--server", plain); !strings.Contains(got, "it does not speak TLS") {
		t.Error(got)
	}
}

// What cannot be meant is refused before anybody is asked.
func TestServerFlags(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("AS2DROP_TOKEN", "")
	token := file("token", "as2drop_x\n")
	for _, c := range [][]string{
		{"must be a URL", "--server", "as2.example.com", "--token-file", token},
		{"must be a URL", "--server", "ftp://as2.example.com", "--token-file", token},
		{"scheme, host and port alone", "--server", "https://anna:secret@as2.example.com", "--token-file", token},
		{"use https", "--server", "http://as2.example.com", "--token-file", token},
		{"there is no token", "--server", "https://as2.example.com"},
		{"--token-file: ", "--server", "https://as2.example.com", "--token-file", filepath.Join(dir, "none")},
		{"longer than 4096 bytes", "--server", "https://as2.example.com", "--token-file", file("long", strings.Repeat("x", 5000))},
		{"it is one word", "--server", "https://as2.example.com", "--token-file", file("two", "a b")},
		{"there is no certificate in it", "--server", "https://as2.example.com", "--token-file", token, "--server-ca", token},
	} {
		for _, command := range [][]string{{"ls"}, {"status"}, {"show", "x"}, {"schedule"}, {"retry", "x"}, {"hold", "x"}, {"release", "x"}, {"dismiss", "x"}, {"rerun", "x"}} {
			out, got, code := asks(append(command, c[1:]...)...)
			if !strings.Contains(got, c[0]) || code != exitUsage || out != "" || strings.Contains(got, "secret") {
				t.Errorf("%s %v: %d %q, want %q", command[0], c[1:], code, got, c[0])
			}
		}
	}
}
