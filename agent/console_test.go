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
	"github.com/as2drop/as2drop/internal/status"
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

// Somebody else has the address of the console when the agent starts: everything but the
// console goes on, also through a change of the config, the status says why, and the console
// opens once the address is free.
func TestConsoleWhoseAddressIsTaken(t *testing.T) {
	c, _ := newCrowd(t, nil, nil)
	file := filepath.Join(c.dir, "config.yaml")
	plain, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	address := other.Addr().String()
	with := func(partners ...string) {
		t.Helper()
		text := string(plain) + "console: {address: \"" + address + "\"}\n"
		for _, p := range partners {
			text = strings.Replace(text, "console:", "  "+p+": {as2_id: "+p+", station: us, certificates: them.pem}\nconsole:", 1)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	with("acme")
	if c.cfg, err = config.Load(file, time.Now()); err != nil {
		t.Fatal(err)
	}
	stop := c.run()
	defer stop()
	told := func(text string) func() bool {
		return func() bool {
			s, err := status.Ask(c.cfg.DataDir, time.Minute)
			if err != nil {
				return false
			}
			var lines strings.Builder
			for _, p := range s.Problems {
				lines.WriteString(p.String() + "\n")
			}
			for _, p := range s.Partners {
				lines.WriteString("partner " + p.Name + "\n")
			}
			return s.NotReady() == "" && (strings.Contains(lines.String(), text) || text == "" && s.Console == "" && !strings.Contains(lines.String(), "console"))
		}
	}
	eventually(t, "an alarm", told("alarm: nobody can look at the console or use the API: "+file+": console.address: listen tcp "+address))
	with("acme", "beta")
	eventually(t, "the other partner", told("partner beta"))
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the console", func() bool {
		status, body := fetch(t, "http://"+address+"/", "")
		return status == 200 && strings.Contains(body, "beta")
	})
	eventually(t, "the end of the alarm", told(""))
}
