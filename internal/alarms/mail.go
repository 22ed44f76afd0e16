package alarms

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"
)

// Mail is a channel to people by SMTP (RFC 5321). Passwords go over TLS alone.
type Mail struct {
	Server   string // host:port
	TLS      string // starttls, implicit, none
	User     string // empty = no login
	Password string
	Roots    *x509.CertPool // that vouch for the server; nil = those of the system
	From     string
	To       []string
	Timeout  time.Duration

	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil = the network
}

// maxTalk bounds what a server may say in one session, in bytes.
const maxTalk = 256 << 10

// What is the server and the recipients.
func (m *Mail) What() string { return strings.Join(m.To, ", ") + " through " + m.Server }

// Send sends a message.
func (m *Mail) Send(ctx context.Context, msg *Message, told func(Step)) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	s := &session{m: m, told: told}
	s.host, s.port, _ = net.SplitHostPort(m.Server) // config has read it already
	defer s.close()
	for _, step := range []func(context.Context) error{s.resolve, s.connect, s.greet, s.login} {
		if err := step(ctx); err != nil {
			return s.late(ctx, err)
		}
	}
	refused, err := s.envelope()
	if err == nil {
		err = s.content(msg)
	}
	if err != nil {
		return s.late(ctx, err)
	}
	if refused != nil {
		return &Partly{*refused}
	}
	return nil
}

// session is one conversation with a server.
type session struct {
	m          *Mail
	told       func(Step)
	host, port string
	addresses  []string
	conn       net.Conn
	client     *smtp.Client
}

func (s *session) saw(what, format string, args ...any) {
	s.told(Step{what, fmt.Sprintf(format, args...)})
}

// late says that the time is over, where that is why something failed.
func (s *session) late(ctx context.Context, err error) error {
	var f *Failure
	if ctx.Err() != nil && errors.As(err, &f) && !strings.Contains(f.Fact, "time limit") {
		return &Failure{f.Step, fmt.Sprintf("it had not ended after %v, its time limit: %s", s.m.Timeout, f.Fact), "is the port right, and does a firewall let us through? timeout of the receiver gives it more time"}
	}
	return err
}

func (s *session) close() {
	if s.client != nil {
		s.client.Close() // whatever was accepted is accepted
	} else if s.conn != nil {
		s.conn.Close()
	}
}

func (s *session) resolve(ctx context.Context) error {
	if net.ParseIP(s.host) != nil {
		s.addresses = []string{s.host}
		s.saw("DNS", "%s is an address: nothing to look up", s.host)
		return nil
	}
	var err error
	if s.addresses, err = net.DefaultResolver.LookupHost(ctx, s.host); err != nil {
		return &Failure{"DNS", plainError(err), "is " + s.host + " the right name of the mail server, and can this machine look names up?"}
	}
	s.saw("DNS", "%s is %s", s.host, strings.Join(s.addresses, ", "))
	return nil
}

func (s *session) connect(ctx context.Context) (err error) {
	for i, a := range s.addresses {
		if s.conn, err = s.dial(ctx, net.JoinHostPort(a, s.port), len(s.addresses)-i); err == nil {
			break
		}
	}
	if err != nil {
		return &Failure{"connect", plainError(err), "does the server listen on port " + s.port + ", and does a firewall let us through? Usual are 587 (starttls) and 465 (implicit)"}
	}
	conn := s.conn
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // on a closed one it does nothing
	s.saw("connect", "to %s", conn.RemoteAddr())
	s.conn = &bounded{s.conn, maxTalk}
	return nil
}

// dial connects to one of the addresses that are left to try, within its share of the time:
// one that does not answer, as where IPv6 leads nowhere, leaves the others theirs.
func (s *session) dial(ctx context.Context, address string, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	if s.m.dial != nil {
		return s.m.dial(ctx, "tcp", address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// bounded is a connection on which only so much is read.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (s *session) settings() *tls.Config {
	return &tls.Config{ServerName: s.host, RootCAs: s.m.Roots, MinVersion: tls.VersionTLS12}
}

// greet begins the conversation, encrypted unless it must not be.
func (s *session) greet(ctx context.Context) (err error) {
	if s.m.TLS == "implicit" {
		secure := tls.Client(s.conn, s.settings())
		if err := secure.HandshakeContext(ctx); err != nil {
			return s.tlsFailure(err, "does the server expect TLS from the beginning on this port? With 587 it is usually tls: starttls")
		}
		s.conn = secure
		s.sawTLS(secure.ConnectionState())
	}
	if s.client, err = smtp.NewClient(s.conn, s.host); err != nil {
		return &Failure{"greeting", reply(err), "is this a mail server, and the right port for tls: " + s.m.TLS + "?"}
	}
	name, err := os.Hostname()
	if err != nil || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		name = "localhost"
	}
	if err := s.client.Hello(name); err != nil {
		return &Failure{"greeting", reply(err), "the server does not want to talk to us; its log says why"}
	}
	s.saw("greeting", "the server greets us as %s", name)
	if s.m.TLS != "starttls" {
		return nil
	}
	if ok, _ := s.client.Extension("STARTTLS"); !ok {
		return &Failure{"TLS", "the server does not offer STARTTLS, and nothing is sent in plain text", "ask for its port with TLS: 465 with tls: implicit, or 587"}
	}
	if err := s.client.StartTLS(s.settings()); err != nil {
		return s.tlsFailure(err, "the log of the server says more")
	}
	state, _ := s.client.TLSConnectionState()
	s.sawTLS(state)
	return nil
}

func (s *session) sawTLS(state tls.ConnectionState) {
	cert := state.PeerCertificates[0]
	s.saw("TLS", "%s, %s, certificate %q until %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), cert.Subject, cert.NotAfter.UTC().Format(time.DateOnly))
}

func (s *session) tlsFailure(err error, otherwise string) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		otherwise = "name the authority of the server in authorities of the receiver"
	case errors.As(err, &name):
		otherwise = "name the server as its certificate does"
	case errors.As(err, &invalid):
		otherwise = "the server needs a new certificate, or a clock is wrong"
	}
	return &Failure{"TLS", plainError(err), otherwise}
}

// login logs in, by PLAIN (RFC 4616) or LOGIN, over TLS alone. It is not that of net/smtp,
// which goes on talking after a refusal and may wait for ever for an answer to that.
func (s *session) login(context.Context) error {
	if s.m.User == "" {
		s.saw("login", "none is configured")
		return nil
	}
	if _, secure := s.client.TLSConnectionState(); !secure {
		return &Failure{"login", "there is none without TLS", "set tls: starttls or implicit"}
	}
	_, offered := s.client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	encode := base64.StdEncoding.EncodeToString
	var how string
	var say []string
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
		how, say = "PLAIN", []string{"AUTH PLAIN " + encode([]byte("\x00"+s.m.User+"\x00"+s.m.Password))}
	case slices.Contains(mechanisms, "LOGIN"):
		how, say = "LOGIN", []string{"AUTH LOGIN", encode([]byte(s.m.User)), encode([]byte(s.m.Password))}
	default:
		return &Failure{"login", fmt.Sprintf("the server offers none that we know: %q", line(offered)), "PLAIN and LOGIN are known; without user nobody logs in"}
	}
	for i, what := range say {
		want := 334 // it asks for more
		if i == len(say)-1 {
			want = 235
		}
		if _, err := s.command(want, what); err != nil {
			return &Failure{"login", reply(err), "compare user and password_file with what the server expects"}
		}
	}
	s.saw("login", "as %s, by %s", s.m.User, how)
	return nil
}

// command says a line and waits for an answer that begins with a code.
func (s *session) command(want int, what string) (said string, err error) {
	text := s.client.Text
	id, err := text.Cmd("%s", what)
	if err != nil {
		return "", err
	}
	text.StartResponse(id)
	defer text.EndResponse(id)
	_, said, err = text.ReadResponse(want)
	return said, err
}

// envelope says from whom the message is and for whom; refused says whom the server does not
// want it for, if others are left.
func (s *session) envelope() (refused *Failure, err error) {
	if err := s.client.Mail(s.m.From); err != nil {
		return nil, &Failure{"sender", reply(err), "may we send as " + s.m.From + "? Some servers want it to be the address of user"}
	}
	s.saw("sender", "%s", s.m.From)
	var texts []string
	for _, to := range s.m.To {
		if err := s.client.Rcpt(to); err != nil {
			texts = append(texts, to+": "+reply(err))
			continue
		}
		s.saw("recipient", "%s", to)
	}
	if len(texts) > 0 {
		refused = &Failure{"recipient", strings.Join(texts, "; "), "correct the address, or let the server take mail for it from us"}
	}
	if len(texts) == len(s.m.To) {
		return nil, refused
	}
	return refused, nil
}

// content hands the message over; the server's word is what counts.
func (s *session) content(msg *Message) error {
	fail := func(err error) error {
		return &Failure{"message", reply(err), "the log of the mail server says more"}
	}
	if _, err := s.command(354, "DATA"); err != nil {
		return fail(err)
	}
	text := s.client.Text
	w := text.DotWriter()
	_, err := w.Write(s.m.compose(msg))
	if err = errors.Join(err, w.Close()); err != nil {
		return fail(err)
	}
	_, said, err := text.ReadResponse(250)
	if err != nil {
		return fail(err)
	}
	s.saw("accepted", "%s", short(said, maxSubject))
	_ = s.client.Quit() // it is accepted, whatever the server says to that
	return nil
}

// messageID is the Message-ID of a message: the same each time that it is sent.
func (m *Mail) messageID(id string) string {
	_, domain, _ := strings.Cut(m.From, "@")
	return "<as2drop-alarm-" + id + "@" + domain + ">"
}

// compose makes the mail (RFC 5322): plain text in UTF-8. References make a thread of what
// tells of an alarm first and what tells more of it.
func (m *Mail) compose(msg *Message) []byte {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", "<"+m.From+">")
	to := make([]string, len(m.To))
	for i, a := range m.To {
		to[i] = "<" + a + ">"
	}
	field("To", strings.Join(to, ",\r\n "))
	field("Subject", strings.ReplaceAll(mime.QEncoding.Encode("utf-8", short(msg.Subject, 2*maxSubject)), "?= =?", "?=\r\n =?"))
	field("Date", msg.At.Format(time.RFC1123Z))
	field("Message-ID", m.messageID(msg.ID))
	if len(msg.Threads) > 0 {
		threads := make([]string, len(msg.Threads))
		for i, t := range msg.Threads {
			threads[i] = m.messageID(t)
		}
		field("In-Reply-To", threads[0])
		field("References", strings.Join(threads, "\r\n "))
	}
	field("Auto-Submitted", "auto-generated") // RFC 3834, 5: no vacation answers
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, msg.Text) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// reply is what a server said, or why it said nothing.
func reply(err error) string {
	var said *textproto.Error
	if errors.As(err, &said) {
		return fmt.Sprintf("the server says %d %s", said.Code, short(said.Msg, 2*maxSubject))
	}
	if errors.Is(err, io.EOF) {
		return "the server ended the conversation"
	}
	return plainError(err)
}

// plainError is an error in a line.
func plainError(err error) string { return short(err.Error(), 3*maxSubject) }
