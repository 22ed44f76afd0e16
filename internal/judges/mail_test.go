//go:build judges

package judges

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/hooks"
)

// mailServer is aiosmtpd, which none of us wrote.
type mailServer struct {
	address string
	lines   *bufio.Scanner
}

func startMailServer(t *testing.T, mode, mechanism string, id identity) *mailServer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python(t), filepath.Join(programs, "mail_server.py"), mode, id.Certificate, id.Key, mechanism)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it is killed if it does not end
	})
	s := &mailServer{lines: bufio.NewScanner(out)}
	s.address = "127.0.0.1:" + s.line(t)
	return s
}

func (s *mailServer) line(t *testing.T) string {
	t.Helper()
	if !s.lines.Scan() {
		t.Fatalf("the mail server says nothing: %v", s.lines.Err())
	}
	return s.lines.Text()
}

// gotMail is a mail as Python's email package reads it.
type gotMail struct {
	TLS, Login                          bool
	MailFrom                            string   `json:"mail_from"`
	RcptTos                             []string `json:"rcpt_tos"`
	Fields, Defects                     []string
	Subject, From, To, Date, Text, Type string
	MessageID                           string `json:"message_id"`
	References                          string
	InReplyTo                           string `json:"in_reply_to"`
	AutoSubmitted                       string `json:"auto_submitted"`
	Charset                             string
	Longest                             int
}

func (s *mailServer) mail(t *testing.T) (m gotMail) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.line(t)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func roots(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// letter is a message with everything in it that is difficult.
func letter() *alarms.Message {
	m := &alarms.Message{}
	m.ID, m.At, m.Threads = "06abc", time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), []string{"05one", "05two"}
	m.Subject = "[as2drop edi] ALARM: Müller & Söhne: Überweisung über 5 € fehlgeschlagen: " + strings.Repeat("größer ", 9) + "\r\nBcc: evil@example.com"
	m.Text = "ALARM   acme: Ünïcödé\n.\n..\n.hidden\nFrom here on = signs\n" + strings.Repeat("long ", 400) + "\n\nend\n"
	return m
}

// A mail goes over TLS with a login, by both mechanisms and both ways of TLS, and is read as
// it was meant; nothing in it becomes a header field or an end.
func TestJudgeMail(t *testing.T) {
	id := newIdentity(t, t.TempDir(), "127.0.0.1")
	for _, c := range []struct{ mode, mechanism string }{{"starttls", "PLAIN"}, {"starttls", "LOGIN"}, {"implicit", "PLAIN"}, {"implicit", "LOGIN"}, {"plain", "none"}} {
		t.Run(c.mode+" "+c.mechanism, func(t *testing.T) {
			s := startMailServer(t, c.mode, c.mechanism, id)
			m := &alarms.Mail{Server: s.address, TLS: c.mode, Roots: roots(t, id.Certificate), From: "edi@us.example", To: []string{"ops@us.example", "x@us.example"}, Timeout: time.Minute}
			if m.TLS == "plain" {
				m.TLS = "none"
			}
			if c.mechanism != "none" {
				m.User, m.Password = "us", "open sesame"
			}
			var steps []string
			if err := m.Send(t.Context(), letter(), func(s alarms.Step) { steps = append(steps, s.What+" "+s.Saw) }); err != nil {
				t.Fatal(err, steps)
			}
			got := s.mail(t)
			secure := c.mode != "plain"
			if got.TLS != secure || got.Login != secure || got.MailFrom != "edi@us.example" || !slices.Equal(got.RcptTos, []string{"ops@us.example", "x@us.example"}) {
				t.Errorf("%+v", got)
			}
			want := letter()
			if strings.ReplaceAll(got.Text, "\r\n", "\n") != want.Text {
				t.Errorf("text %q", got.Text)
			}
			if got.Subject != strings.TrimSpace(strings.ReplaceAll(want.Subject, " \r\n", " ")) || slices.Contains(got.Fields, "bcc") || len(got.Defects) > 0 {
				t.Errorf("subject %q, fields %q, defects %q", got.Subject, got.Fields, got.Defects)
			}
			if got.MessageID != "<as2drop-alarm-06abc@us.example>" || got.InReplyTo != "<as2drop-alarm-05one@us.example>" || got.References != "<as2drop-alarm-05one@us.example> <as2drop-alarm-05two@us.example>" {
				t.Errorf("%q, %q, %q", got.MessageID, got.InReplyTo, got.References)
			}
			if got.Date != "2026-11-26T12:00:00+00:00" || got.AutoSubmitted != "auto-generated" || got.Type != "text/plain" || got.Charset != "utf-8" || got.Longest > 200 || !strings.Contains(got.To, "x@us.example") {
				t.Errorf("%+v", got)
			}
			if text := strings.Join(steps, "\n"); !strings.Contains(text, "accepted") || !strings.Contains(text, "queued as 4711") || strings.Contains(text, "sesame") || secure != strings.Contains(text, "TLS 1.3") {
				t.Errorf("steps: %s", text)
			}
		})
	}
}

// What goes wrong is named by its step, with what to do, and never with the password.
func TestJudgeMailFails(t *testing.T) {
	id, other := newIdentity(t, t.TempDir(), "127.0.0.1"), newIdentity(t, t.TempDir(), "elsewhere")
	starttls, plain := startMailServer(t, "starttls", "PLAIN", id), startMailServer(t, "plain", "none", id)
	good := alarms.Mail{Server: starttls.address, TLS: "starttls", User: "us", Password: "open sesame", Roots: roots(t, id.Certificate), From: "edi@us.example", To: []string{"ops@us.example"}, Timeout: time.Minute}
	for name, c := range map[string]struct {
		change func(*alarms.Mail)
		want   string
	}{
		"a wrong password":     {func(m *alarms.Mail) { m.Password = "close sesame" }, "login: the server says 535"},
		"no login":             {func(m *alarms.Mail) { m.User = "" }, "sender: the server says 530"},
		"a stranger":           {func(m *alarms.Mail) { m.Roots = roots(t, other.Certificate) }, "TLS: tls: failed to verify certificate"},
		"no TLS to be had":     {func(m *alarms.Mail) { m.Server = plain.address }, "TLS: the server does not offer STARTTLS, and nothing is sent in plain text"},
		"an unknown recipient": {func(m *alarms.Mail) { m.To = []string{"nobody@us.example"} }, "recipient: nobody@us.example: the server says 550 no such user here"},
		"a busy server":        {func(m *alarms.Mail) { m.From = "busy@us.example" }, "sender: the server says 451 come later"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good
			c.change(&m)
			err := m.Send(t.Context(), letter(), func(alarms.Step) {})
			var f *alarms.Failure
			if !errors.As(err, &f) || !strings.HasPrefix(f.Error(), c.want) || f.Hint == "" || strings.Contains(f.Error()+f.Hint, "sesame") {
				t.Errorf("%v; want %s", err, c.want)
			}
		})
	}
	// One of two recipients does not exist: the other one has it.
	m := good
	m.To = []string{"nobody@us.example", "ops@us.example"}
	var partly *alarms.Partly
	if err := m.Send(t.Context(), letter(), func(alarms.Step) {}); !errors.As(err, &partly) || !strings.Contains(partly.Error(), "nobody@us.example") {
		t.Error(err)
	}
	if got := starttls.mail(t); !slices.Equal(got.RcptTos, []string{"ops@us.example"}) {
		t.Errorf("%+v", got)
	}
}

// OpenSSL comes to the same signature of what a web service gets.
func TestJudgeWebhookSignature(t *testing.T) {
	var body []byte
	var header http.Header
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	}))
	defer s.Close()
	channel := &alarms.Hook{Hook: &hooks.Hook{Name: "chat", URL: s.URL, Client: hooks.NewClient(nil), Header: http.Header{}, Timeout: time.Minute}, Runner: &hooks.Runner{}, Secret: "open sesame", Now: time.Now}
	m := letter()
	m.AlarmMsg.JSON = []byte(`{"as2drop_alarm":1,"text":"Ünïcödé"}`)
	if err := channel.Send(t.Context(), m, func(alarms.Step) {}); err != nil {
		t.Fatal(err)
	}
	signed := append([]byte(header.Get("As2drop-Timestamp")+"."), body...)
	r := run(t, signed, "openssl", "dgst", "-sha256", "-hmac", "open sesame")
	digest := r.Stdout[strings.LastIndex(r.Stdout, " ")+1:]
	if got := header.Get("As2drop-Signature"); got != "sha256="+strings.TrimSpace(digest) || len(got) != 71 {
		t.Errorf("%q, openssl says %q %q", got, r.Stdout, r.Stderr)
	}
}
