package as2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func bodyOf(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func post(c *Client, url string, body []byte) (*Answer, error) {
	return c.Post(context.Background(), url, []Field{{"AS2-From", "A"}, {"Content-Type", "x/y"}}, int64(len(body)), bodyOf(body))
}

func tlsServer(t *testing.T, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	id := partners()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key}}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestPostSendsWhatWasSealed(t *testing.T) {
	s := tlsServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.ContentLength != 5 || len(r.TransferEncoding) > 0 || r.Header.Get("Expect") != "" || r.Header.Get("As2-From") != "A" {
			t.Errorf("length %d, %v, %v", r.ContentLength, r.TransferEncoding, r.Header)
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
		w.Write(b)
	}))
	a, err := post(NewClient(ClientOptions{ServerCertificates: certs(partners())}), s.URL, []byte("hello"))
	if err != nil || a.Status != 503 || string(a.Body) != "hello" || a.RetryAfter != 7*time.Second {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestPostOutcomes(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hijack := func(w http.ResponseWriter, answer string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, answer)
		conn.Close()
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closedURL := "http://" + closed.Addr().String()
	closed.Close()
	https := tlsServer(t, http.NotFoundHandler())
	for name, c := range map[string]struct {
		url     string
		handler http.HandlerFunc
		options ClientOptions
		unknown bool
		tls     bool
		says    string
	}{
		"nobody listens":              {url: closedURL, says: "not sent: "},
		"no such host":                {url: "http://partner.invalid/", says: "not sent: "},
		"a certificate of a stranger": {url: https.URL, options: ClientOptions{ServerCertificates: certs(stranger())}, tls: true, says: "not sent: "},
		"an unknown authority":        {url: https.URL, tls: true, says: "not sent: "},
		"reset instead of an answer":  {handler: func(w http.ResponseWriter, r *http.Request) { hijack(w, "") }, unknown: true, says: "the partner may have it: "},
		"answer cut short": {handler: func(w http.ResponseWriter, r *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
		}, unknown: true, says: "the partner may have it: "},
		"no answer in time": {handler: func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-release }, options: ClientOptions{Answer: 50 * time.Millisecond}, unknown: true, says: "within the time allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			url := c.url
			if c.handler != nil {
				s := httptest.NewServer(c.handler)
				defer func() { s.CloseClientConnections() }()
				url = s.URL
			}
			a, err := post(NewClient(c.options), url, []byte("hello"))
			var pe *PostError
			if !errors.As(err, &pe) || a != nil {
				t.Fatalf("%v, %v", a, err)
			}
			if pe.Unknown != c.unknown || pe.TLS != c.tls || pe.Stopped || !strings.Contains(pe.Error(), c.says) {
				t.Errorf("%+v: %v", pe, err)
			}
		})
	}
}

func TestPostStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	_, err := NewClient(ClientOptions{}).Post(ctx, s.URL, nil, 5, bodyOf([]byte("hello")))
	var pe *PostError
	if !errors.As(err, &pe) || !pe.Stopped || !pe.Unknown {
		t.Error(err)
	}
}

// Within one attempt the bytes go out once: redirects are not followed, and a
// connection that breaks after the first byte is not tried again.
func TestPostSendsOnce(t *testing.T) {
	var posts atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch posts.Add(1) {
		case 1:
			io.WriteString(w, "ok") // the connection is kept
		case 2:
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		default:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	c := NewClient(ClientOptions{})
	if _, err := post(c, s.URL, []byte("a")); err != nil {
		t.Fatal(err)
	}
	var pe *PostError
	if _, err := post(c, s.URL, []byte("b")); !errors.As(err, &pe) || !pe.Unknown {
		t.Error(err)
	}
	if a, err := post(c, s.URL, []byte("c")); err != nil || a.Status != http.StatusTemporaryRedirect {
		t.Error(a, err)
	}
	if n := posts.Load(); n != 3 {
		t.Errorf("%d posts", n)
	}
}

type backend func(*Message) Reply

func (b backend) Receive(_ context.Context, m *Message) Reply { return b(m) }

func TestHandler(t *testing.T) {
	h := &Handler{Log: slog.New(slog.DiscardHandler), Backend: backend(func(m *Message) Reply {
		b, err := io.ReadAll(m.Body)
		if err != nil {
			return Unavailable("no", time.Minute)
		}
		if string(b) == "panic" {
			panic("boom")
		}
		return Reply{Status: 200, Header: []Field{{"AS2-From", "B"}}, Body: b}
	})}
	s := httptest.NewServer(h)
	defer s.Close()
	do := func(method, body string) *http.Response {
		req, err := http.NewRequest(method, s.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(b))
		return res
	}
	if res := do("POST", "hello"); res.StatusCode != 200 || res.ContentLength != 5 || res.Header.Get("As2-From") != "B" {
		t.Errorf("%+v", res)
	}
	if res := do("POST", "panic"); res.StatusCode != 503 || res.Header.Get("Retry-After") != "60" {
		t.Errorf("%+v", res)
	}
	if res := do("HEAD", ""); res.StatusCode != 200 || res.ContentLength > 0 {
		t.Errorf("%+v", res)
	}
	if res := do("GET", ""); res.StatusCode != 200 {
		t.Errorf("%+v", res)
	}
	if res := do("PUT", "x"); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("%+v", res)
	}
}
