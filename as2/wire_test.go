package as2

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/as2drop/as2drop/cms"
)

type receiptBackend func(*Message) Reply

func (b receiptBackend) ReceiveReceipt(_ context.Context, m *Message) Reply { return b(m) }

// echo answers with what it read, so that a test sees which bytes came.
func echo(m *Message) Reply {
	b, err := io.ReadAll(m.Body)
	if err != nil {
		return Unavailable(err.Error(), 0)
	}
	return Reply{Status: 200, Header: []Field{{"AS2-From", "B"}, {"Message-ID", "<r@b>"}, {"EDIINT-Features", "x"}}, Body: fmt.Appendf(nil, "%s %d %q", m.Header.Get("AS2-From"), m.Length, b)}
}

func station(t *testing.T, receipts ReceiptBackend) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(&Handler{Log: slog.New(slog.DiscardHandler), Backend: backend(echo), Receipts: receipts})
	t.Cleanup(s.Close)
	return s
}

// talk sends bytes and returns all that comes back.
func talk(t *testing.T, s *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// HTTP as senders write it, byte for byte over a socket.
func TestRequestsOfOthers(t *testing.T) {
	s := station(t, nil)
	const head = "POST /as2?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAS2-From: A\r\n"
	for name, c := range map[string]struct{ request, status, body string }{
		"as it should be":                   {head + "Content-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"Content-Length with leading zeros": {head + "Content-Length: 0000000000000000000000005\r\n\r\nhello", "200", `A 5 "hello"`},
		"Content-Length twice, the same":    {head + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"Content-Length with blanks":        {head + "Content-Length:   5 \t\r\n\r\nhello", "200", `A 5 "hello"`},
		"chunked":                           {head + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "200", `A -1 "hello"`},
		"chunked, written otherwise":        {head + "transfer-encoding:\tCHUNKED\r\n\r\n0005\r\nhello\r\n000\r\n\r\n", "200", `A -1 "hello"`},
		"chunked with extensions":           {head + "Transfer-Encoding: chunked\r\n\r\n5;name=value;q=\"a b\"\r\nhello\r\n0;last\r\n\r\n", "200", `A -1 "hello"`},
		"chunked with blanks":               {head + "Transfer-Encoding: chunked\r\n\r\n5   \r\nhello\r\n0  \r\n\r\n", "200", `A -1 "hello"`},
		"chunked with a trailer":            {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "200", `A -1 "hello"`},
		"chunked and Content-Length":        {head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200", `A -1 "hello"`},
		"a folded field":                    {head + "Content-Type: multipart/mixed;\r\n\tboundary=b\r\nContent-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"names in any case":                 {"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\naS2-fROM: A\r\ncontent-length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"bare LF in the header":             {"POST / HTTP/1.1\nHost: x\nConnection: close\nAS2-From: A\nContent-Length: 5\n\nhello", "200", `A 5 "hello"`},
		"HTTP/1.0 without Host":             {"POST / HTTP/1.0\r\nAS2-From: A\r\nContent-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"HTTP/1.0 without a length":         {"POST / HTTP/1.0\r\nAS2-From: A\r\n\r\n", "200", `A 0 ""`},
		"an absolute URL":                   {strings.Replace(head, "/as2?x=1", "http://x/as2", 1) + "Content-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"credentials nobody asked for":      {head + "Authorization: Basic eDp5\r\nContent-Length: 5\r\n\r\nhello", "200", `A 5 "hello"`},
		"a name that is not ASCII":          {strings.Replace(head, "AS2-From: A", "AS2-From: \xc4", 1) + "Content-Length: 5\r\n\r\nhello", "200", "\xc4 5 \"hello\""},
		"Content-Length that differ":        {head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400", ""},
		"a length that is none":             {head + "Content-Length: five\r\n\r\nhello", "400", ""},
		"an expectation nobody knows":       {head + "Expect: wonders\r\nContent-Length: 5\r\n\r\nhello", "417", ""},
	} {
		got := talk(t, s, c.request)
		_, status, _ := strings.Cut(got, " ")
		if !strings.HasPrefix(status, c.status) || !strings.HasSuffix(got, c.body) {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// The body is asked for once it is wanted, with one line.
func TestExpectContinueIsAnswered(t *testing.T) {
	s := station(t, nil)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAS2-From: A\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	io.WriteString(conn, "hello")
	rest, err := io.ReadAll(br)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(string(rest), `A 5 "hello"`) {
		t.Errorf("%q, %v", rest, err)
	}
}

// Names go out as they are spelt, and each method has its answer.
func TestAnswersOnTheWire(t *testing.T) {
	s := station(t, nil)
	got := talk(t, s, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	for _, line := range []string{"AS2-From: B", "Message-ID: <r@b>", "EDIINT-Features: x", `Content-Length: 5`} {
		if !strings.Contains(got, "\r\n"+line+"\r\n") {
			t.Errorf("no %s:\n%s", line, got)
		}
	}
	for method, c := range map[string]struct{ status, line string }{
		"HEAD": {"200 OK", "Content-Length: 0"}, "GET": {"200 OK", "Content-Type: text/plain; charset=utf-8"}, "OPTIONS": {"204 No Content", "Allow: POST, GET, HEAD, OPTIONS"},
		"PUT": {"405 Method Not Allowed", "Allow: POST, GET, HEAD, OPTIONS"}, "DELETE": {"405 Method Not Allowed", ""},
	} {
		got := talk(t, s, method+" /as2/mdn?id=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 "+c.status+"\r\n") || !strings.Contains(head, c.line) || (method == "HEAD" || method == "OPTIONS") != (body == "") {
			t.Errorf("%s:\n%s", method, got)
		}
	}
}

// Receipts go to the backend that waits for them, whole; everything else goes where
// messages go; and where nobody waits for receipts the sender is told so.
func TestReceiptsFindTheirBackend(t *testing.T) {
	o := mdnOptions()
	h, bare := build(t, o)
	o.Sign = signer(partners(), cms.SHA256)
	hs, signedReceipt := build(t, o)
	opaque := readVector(t, "opaque")
	signedMessage, message := sealBytes(t, bytes.Repeat([]byte("payload"), 3_000), SealOptions{From: "A", To: "B", MessageID: "<1@a>", ContentType: "application/xml", Date: moment, Sign: o.Sign})
	with := station(t, receiptBackend(func(m *Message) Reply {
		b, err := io.ReadAll(m.Body)
		id, rerr := ReceiptFor(m.Header, b)
		return Reply{Status: 202, Body: fmt.Appendf(nil, "receipt of %d bytes for %s %v %v", len(b), id, err, rerr)}
	}))
	without := station(t, nil)
	for name, c := range map[string]struct {
		header http.Header
		body   []byte
		id     string // of the receipt; empty = it is a message
	}{
		"bare":            {h, bare, "<1@ours>"},
		"signed":          {hs, signedReceipt, "<1@ours>"},
		"opaque":          {opaque.header, opaque.body, "<1@ours>"},
		"a message":       {httpHeader(signedMessage.Header), message, ""},
		"a short message": {http.Header{"Content-Type": {"application/pkcs7-mime"}}, []byte("x"), ""},
		"nothing":         {http.Header{"Content-Type": {"multipart/signed; boundary=b"}}, nil, ""},
	} {
		for server, s := range map[string]*httptest.Server{"with": with, "without": without} {
			// A sender in small pieces must not decide anything either.
			req, err := http.NewRequest("POST", s.URL, iotest.OneByteReader(bytes.NewReader(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = c.header.Clone()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case c.id == "":
				if want := echo(&Message{Header: c.header, Body: bytes.NewReader(c.body), Length: -1}); res.StatusCode != 200 || !bytes.Equal(got, want.Body) {
					t.Errorf("%s, %s: %d %.100q", server, name, res.StatusCode, got)
				}
			case server == "with":
				if want := fmt.Sprintf("receipt of %d bytes for %s <nil> <nil>", len(c.body), c.id); res.StatusCode != 202 || string(got) != want {
					t.Errorf("%s, %s: %d %q", server, name, res.StatusCode, got)
				}
			default:
				if res.StatusCode != 400 || !strings.Contains(string(got), "This is a receipt (MDN)") {
					t.Errorf("%s, %s: %d %q", server, name, res.StatusCode, got)
				}
			}
		}
	}
}

// The backend sees who showed which certificate.
func TestHandlerSeesClientCertificates(t *testing.T) {
	ca := newAuthority(t)
	s := httptest.NewUnstartedServer(&Handler{Log: slog.New(slog.DiscardHandler), Backend: backend(func(m *Message) Reply {
		io.Copy(io.Discard, m.Body)
		reply, err := Credentials{Client: []*x509.Certificate{ca.cert}}.Check(m, time.Now())
		if err != nil {
			return reply
		}
		return Reply{Status: 200, Body: []byte(m.Certificates[0].Subject.CommonName)}
	})})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*issue(t, ca, nil)}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	defer s.Close()
	o := ClientOptions{ServerCertificates: []*x509.Certificate{ca.cert}}
	if a, err := post(NewClient(o), s.URL, []byte("x")); err != nil || a.Status != 403 {
		t.Error(a, err)
	}
	o.Identity = issue(t, ca, nil)
	if a, err := post(NewClient(o), s.URL, []byte("x")); err != nil || a.Status != 200 || string(a.Body) != "peer" {
		t.Error(a, err)
	}
}
