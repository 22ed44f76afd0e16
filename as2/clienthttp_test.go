package as2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// rawServer takes one connection after the other and hands each request to answer as
// the bytes of its header; the body is read by its stated length.
func rawServer(t *testing.T, answer func(header string, body io.Reader, conn net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() { l.Close(); served.Wait() })
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				br := bufio.NewReader(conn)
				var header strings.Builder
				for {
					line, err := br.ReadString('\n')
					header.WriteString(line)
					if err != nil || line == "\r\n" {
						break
					}
				}
				answer(header.String(), br, conn)
			})
		}
	})
	return "http://" + l.Addr().String()
}

// capture posts once and returns the header as it was on the wire.
func capture(t *testing.T, c *Client, fields []Field, body string) string {
	t.Helper()
	got := make(chan string, 1)
	url := rawServer(t, func(header string, body io.Reader, conn net.Conn) {
		if strings.Contains(header, "chunked") {
			b, _ := io.ReadAll(io.LimitReader(body, int64(len("5\r\nhello\r\n0\r\n\r\n"))))
			header += string(b)
		} else {
			io.CopyN(io.Discard, body, 5)
		}
		got <- header
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	if _, err := c.Post(context.Background(), url+"/as2?x=1", fields, int64(len(body)), bodyOf([]byte(body))); err != nil {
		t.Fatal(err)
	}
	return <-got
}

// Names go out as they are spelt: some products find no As2-From. Nothing goes out that
// nobody asked for.
func TestRequestOnTheWire(t *testing.T) {
	fields := []Field{{"AS2-Version", "1.2"}, {"AS2-From", `"A B"`}, {"AS2-To", "C"}, {"Message-ID", "<1@a>"}, {"MIME-Version", "1.0"}, {"EDIINT-Features", "CMS"}, {"User-Agent", "u"}, {"Content-Type", "x/y"}}
	header := capture(t, NewClient(ClientOptions{}), fields, "hello")
	for _, f := range fields {
		if !strings.Contains(header, "\r\n"+f.Name+": "+f.Value+"\r\n") {
			t.Errorf("%s is not there, or not in this case", f.Name)
		}
	}
	lines := strings.Split(strings.TrimSuffix(header, "\r\n\r\n"), "\r\n")
	if lines[0] != "POST /as2?x=1 HTTP/1.1" || len(lines) != len(fields)+3 || !strings.Contains(header, "\r\nContent-Length: 5\r\n") || !strings.Contains(header, "\r\nHost: 127.0.0.1:") {
		t.Errorf("more or less than was asked for:\n%s", header)
	}

	header = capture(t, NewClient(ClientOptions{Chunked: true, Header: []Field{{"X-Route", "7"}, {"as2-from", "never"}, {"Host", "virtual.example"}}}), fields, "hello")
	if !strings.Contains(header, "\r\nTransfer-Encoding: chunked\r\n") || strings.Contains(header, "Content-Length") || !strings.HasSuffix(header, "\r\n\r\n5\r\nhello\r\n0\r\n\r\n") {
		t.Errorf("not chunked:\n%s", header)
	}
	if !strings.Contains(header, "\r\nX-Route: 7\r\n") || strings.Contains(header, "never") || !strings.Contains(header, "\r\nHost: virtual.example\r\n") {
		t.Errorf("the further fields:\n%s", header)
	}
}

func TestCredentialsOnTheWire(t *testing.T) {
	basic := ClientOptions{User: "me", Password: "se:cret"}
	if h := capture(t, NewClient(basic), nil, "hello"); !strings.Contains(h, "\r\nAuthorization: Basic bWU6c2U6Y3JldA==\r\n") {
		t.Error(h)
	}
	if h := capture(t, NewClient(ClientOptions{Bearer: "token"}), nil, "hello"); !strings.Contains(h, "\r\nAuthorization: Bearer token\r\n") {
		t.Error(h)
	}
	// Receipts go to URLs that others choose.
	basic.Bearer, basic.Header = "token", []Field{{"X-Secret", "s"}}
	if h := capture(t, NewReceiptClient(basic), nil, "hello"); strings.Contains(h, "Authorization") || strings.Contains(h, "X-Secret") {
		t.Error(h)
	}
}

// The body waits for the server's word, and a server that says no gets none of it.
func TestExpectContinueIsHonoured(t *testing.T) {
	url := rawServer(t, func(header string, body io.Reader, conn net.Conn) {
		if !strings.Contains(header, "\r\nExpect: 100-continue\r\n") {
			t.Errorf("no Expect:\n%s", header)
		}
		if strings.HasPrefix(header, "POST /no ") {
			io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			if b, _ := io.ReadAll(body); len(b) > 0 {
				t.Errorf("the body came all the same: %q", b)
			}
			return
		}
		io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		b := make([]byte, 5)
		io.ReadFull(body, b)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n%s", b)
	})
	c := NewClient(ClientOptions{ExpectContinue: true})
	if a, err := post(c, url+"/yes", []byte("hello")); err != nil || string(a.Body) != "hello" {
		t.Error(a, err)
	}
	if a, err := post(c, url+"/no", []byte("hello")); err != nil || a.Status != 401 {
		t.Error(a, err)
	}
}

// A redirect is an answer and not an instruction; the credentials stay.
func TestCredentialsDoNotFollowRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			http.Redirect(w, r, elsewhere.URL, status)
		}))
		for _, c := range []*Client{NewClient(ClientOptions{User: "u", Password: "p"}), NewReceiptClient(ClientOptions{})} {
			if a, err := post(c, s.URL, []byte("x")); err != nil || a.Status != status {
				t.Error(status, a, err)
			}
		}
		s.Close()
	}
}

func TestServerThatWantsCredentials(t *testing.T) {
	want := Credentials{User: "me", Password: "secret"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if reply, err := want.Check(&Message{Header: r.Header}, moment); err != nil {
			for _, f := range reply.Header {
				w.Header()[f.Name] = append(w.Header()[f.Name], f.Value)
			}
			w.WriteHeader(reply.Status)
		}
	}))
	defer s.Close()
	if a, err := post(NewClient(ClientOptions{User: "me", Password: "secret"}), s.URL, []byte("x")); err != nil || a.Status != 200 {
		t.Error(a, err)
	}
	if a, err := post(NewClient(ClientOptions{User: "me", Password: "other"}), s.URL, []byte("x")); err != nil || a.Status != 401 || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Error(a, err)
	}
}

// proxyServer connects to where it is told, if the client shows the right credentials.
func proxyServer(t *testing.T, want string, status int) (*url.URL, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization")+r.Header.Get("Authorization"))
		mu.Unlock()
		switch {
		case status != 0:
			w.WriteHeader(status)
			return
		case r.Header.Get("Proxy-Authorization") != want:
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, "by proxy")
			return
		}
		target, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer target.Close()
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		io.WriteString(client, "HTTP/1.1 200 Connected\r\n\r\n")
		done := make(chan struct{})
		go func() { io.Copy(target, buffered); target.(*net.TCPConn).CloseWrite(); close(done) }()
		io.Copy(client, target)
		client.Close()
		<-done
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, func() []string { mu.Lock(); defer mu.Unlock(); return seen }
}

func TestProxies(t *testing.T) {
	ca := newAuthority(t)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{*issue(t, ca, nil)}})
	const auth = "Basic cHJveHk6c2VjcmV0" // proxy:secret
	options := func(proxy *url.URL) ClientOptions {
		return ClientOptions{ServerCertificates: []*x509.Certificate{ca.cert}, Proxy: proxy, User: "me", Password: "partner-secret"}
	}
	open, opened := proxyServer(t, "", 0)
	if a, err := post(NewClient(options(open)), server.URL, []byte("x")); err != nil || a.Status != 200 || len(opened()) != 1 || !strings.HasPrefix(opened()[0], "CONNECT 127.0.0.1:") {
		t.Error(a, err, opened())
	}
	if strings.Contains(fmt.Sprint(opened()), "Basic") {
		t.Error("the proxy saw the partner's credentials", opened())
	}
	locked, entered := proxyServer(t, auth, 0)
	locked.User = url.UserPassword("proxy", "secret")
	if a, err := post(NewClient(options(locked)), server.URL, []byte("x")); err != nil || a.Status != 200 {
		t.Error(a, err, entered())
	}
	if a, err := post(NewClient(ClientOptions{Proxy: locked}), "http://partner.invalid/", []byte("x")); err != nil || string(a.Body) != "by proxy" {
		t.Error(a, err, entered())
	}
	// Neither a wrong password nor a URL that a stranger chose gets through with ours.
	wrong := *locked
	wrong.User = url.UserPassword("proxy", "wrong-secret")
	refused := func(name string, c *Client, status int) {
		var pe *PostError
		if a, err := post(c, server.URL+"/?token=in-the-url", []byte("x")); !errors.As(err, &pe) || pe.Proxy != status || pe.Unknown || pe.TLS || a != nil {
			t.Errorf("%s: %+v, %v", name, a, err)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "in-the-url") || !strings.Contains(err.Error(), fmt.Sprint("the proxy answers HTTP ", status)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("a wrong password", NewClient(options(&wrong)), 407)
	refused("a receipt's URL", NewReceiptClient(options(locked)), 407)
	down, _ := proxyServer(t, "", 503)
	refused("a proxy out of order", NewClient(options(down)), 503)
	// No proxy at all, whatever the environment says.
	if a, err := post(NewClient(options(&url.URL{})), server.URL, []byte("x")); err != nil || a.Status != 200 {
		t.Error(a, err)
	}
}

// The environment is read once in a process, so each case is a process of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	if target := os.Getenv("AS2_TEST_TARGET"); target != "" {
		client := map[string]func(ClientOptions) *Client{"message": NewClient, "receipt": NewReceiptClient}[os.Getenv("AS2_TEST_CLIENT")]
		o := ClientOptions{}
		if os.Getenv("AS2_TEST_NEVER") != "" {
			o.Proxy = &url.URL{}
		}
		a, err := post(client(o), target, []byte("x"))
		fmt.Println("outcome:", err)
		if err == nil {
			fmt.Println("body:", string(a.Body))
		}
		return
	}
	proxy, seen := proxyServer(t, "Basic cHJveHk6c2VjcmV0", 0)
	proxy.User = url.UserPassword("proxy", "secret")
	child := func(env ...string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), append(env, "AS2_TEST_TARGET=http://partner.invalid/")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := child("AS2_TEST_CLIENT=message", "HTTP_PROXY="+proxy.String()); !strings.Contains(out, "body: by proxy") {
		t.Error(out, seen())
	}
	if out := child("AS2_TEST_CLIENT=receipt", "HTTP_PROXY="+proxy.String()); strings.Contains(out, "by proxy") || strings.Contains(out, "secret") {
		t.Error("the credentials of the proxy went along:", out)
	}
	if out := child("AS2_TEST_CLIENT=message", "AS2_TEST_NEVER=1", "HTTP_PROXY="+proxy.String()); strings.Contains(out, "by proxy") {
		t.Error(out)
	}
	if n := len(seen()); n != 2 {
		t.Errorf("the proxy was asked %d times: %v", n, seen())
	}
}

// A long answer is cut, and a cut receipt is none.
func TestLongAnswersAreCut(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "multipart/report; boundary=b")
		w.Write(bytes.Repeat([]byte("x"), maxAnswer+10))
	}))
	defer s.Close()
	a, err := post(NewClient(ClientOptions{}), s.URL, []byte("x"))
	if err != nil || len(a.Body) != maxAnswer {
		t.Fatal(err)
	}
	if _, err := ParseMDN(a.Header, a.Body, trust(partners()), moment); !errors.Is(err, ErrNotMDN) || !strings.Contains(err.Error(), "1 MiB") {
		t.Error(err)
	}
}
