package as2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "-7": 0, "soon": 0, "1.5": 0, "315360000": maxRetryAfter, "9223372036854775807": maxRetryAfter,
		"99999999999999999999": 0, in(time.Hour): time.Hour, in(-time.Hour): 0, in(87600 * time.Hour): maxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	// By the clock of whoever names the date.
	ahead := http.Header{"Retry-After": {in(25 * time.Hour)}, "Date": {in(24 * time.Hour)}}
	if got := retryAfter(ahead, now); got != time.Hour {
		t.Errorf("a clock that is a day ahead: %v", got)
	}
}

// What an answer says before the message is out it does not say of the message.
func TestAnswerBeforeTheMessage(t *testing.T) {
	read := make(chan bool)
	url := rawServer(t, func(_ string, body io.Reader, conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		io.CopyN(io.Discard, body, 1)
		<-read // a connection that is closed with a message half read takes the answer with it
	})
	long := make([]byte, 16<<20)
	if a, err := post(NewClient(ClientOptions{}), url, long); err != nil || !a.Early || a.Status != 200 {
		t.Errorf("%+v, %v", a, err)
	}
	close(read)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	for _, c := range []*Client{NewClient(ClientOptions{}), NewClient(ClientOptions{Chunked: true})} {
		if a, err := post(c, s.URL, long); err != nil || a.Early {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

// faultServer answers with bytes.
func faultServer(t *testing.T, answer string) string {
	return rawServer(t, func(_ string, body io.Reader, conn net.Conn) {
		io.CopyN(io.Discard, body, 5)
		io.WriteString(conn, answer)
	})
}

func TestPostFaults(t *testing.T) {
	for name, c := range map[string]struct {
		url   string
		fault PostFault
		says  string
	}{
		"closed":              {faultServer(t, ""), Broken, "the server closed the connection after the message was sent, and no answer came"},
		"cut in the header":   {faultServer(t, "HTTP/1.1 200 OK\r\nConten"), NotHTTP, "or was cut off"},
		"cut in the body":     {faultServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Broken, "the server closed the connection in the middle of the answer"},
		"no HTTP":             {faultServer(t, "220 mail.acme.example ESMTP\r\n"), NotHTTP, "what the server answers is not HTTP"},
		"a number in letters": {faultServer(t, "HTTP/1.1 OK fine\r\n\r\n"), NotHTTP, "what the server answers is not HTTP"},
		"no such host":        {"http://partner.invalid/", NoName, `"partner.invalid"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := post(NewClient(ClientOptions{}), c.url, []byte("hello"))
			var pe *PostError
			if !errors.As(err, &pe) || pe.Fault != c.fault || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v", pe)
			}
		})
	}
}

func TestProxyThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	proxy := &url.URL{Scheme: "http", Host: l.Addr().String()}
	_, err = post(NewClient(ClientOptions{Proxy: proxy}), "https://partner.invalid/", []byte("x"))
	var pe *PostError
	if !errors.As(err, &pe) || pe.Fault != NoConnection || pe.Unknown || !strings.Contains(err.Error(), "no way through the proxy") {
		t.Errorf("%+v", pe)
	}
}

// The connection was there, and all that is known of its end is that we ended it.
func TestOurOwnStopIsNoFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	_, err := NewClient(ClientOptions{}).Post(ctx, s.URL, nil, 5, bodyOf([]byte("hello")))
	var pe *PostError
	if !errors.As(err, &pe) || pe.Fault != "" || !pe.Stopped {
		t.Errorf("%+v", pe)
	}
}
