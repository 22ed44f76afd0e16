package agent

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
)

// fetch gets a URL, with a token if there is one; certificates are not what is tested here.
func fetch(t *testing.T, url, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// The console of an agent shows its partners, comes and goes with the config, and a config
// whose console cannot be opened is not taken.
func TestConsoleOfAnAgent(t *testing.T) {
	c, _ := newCrowd(t, nil, nil)
	file := filepath.Join(c.dir, "config.yaml")
	plain, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, second, taken := freeAddress(t), freeAddress(t), freeAddress(t)
	partner := "  acme: {as2_id: ACME, station: us, certificates: them.pem}\n"
	with := func(console string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(string(plain)+partner+console), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with("console: {address: \"" + first + "\"}\n")
	if c.cfg, err = config.Load(file, time.Now()); err != nil {
		t.Fatal(err)
	}
	token, err := accounts.AddToken(c.cfg.Console.TokensFile, "prometheus", accounts.Viewer, time.Time{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stop := c.run()
	defer stop()
	shows := func(url, token, text string) {
		t.Helper()
		eventually(t, text+" at "+url, func() bool {
			status, body := fetch(t, url, token)
			return status == 200 && strings.Contains(body, text)
		})
	}
	shows("http://"+first+"/", "", `<a href="/partners/acme">acme</a>`)
	shows("http://"+first+"/metrics", token, "as2drop_")
	shows("http://"+first+"/api/v1/parties", token, "acme")

	with("console: {address: \"" + second + "\", certificate: us.pem, key: us.key}\n")
	shows("https://"+second+"/health", "", "ready")
	eventually(t, "the end of the former console", func() bool { status, _ := fetch(t, "http://"+first+"/", ""); return status == 0 })

	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	with("console: {address: \"" + taken + "\"}\n")
	shows("https://"+second+"/health", "", "a newer one was not taken: ")
	with("")
	eventually(t, "the end of the console", func() bool { status, _ := fetch(t, "https://"+second+"/", ""); return status == 0 })
}
