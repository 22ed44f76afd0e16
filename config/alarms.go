package config

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/mail"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/schedule"
)

// Alarms is who is told of what is wrong, and how often.
type Alarms struct {
	Name           string        // of this installation, for people
	GroupWait      time.Duration // after the first news, for more of them
	GroupInterval  time.Duration // between two messages to one receiver
	UpdateInterval time.Duration // between two messages about more of the same
	Repeat         time.Duration // after which what still lasts is told again; 0 = never
	Receivers      []*Receiver   // in the order of the file
}

// Receiver is one who is told. One of Mail and Hook is set: a Hook is a program or a
// service.
type Receiver struct {
	Name       string
	Mail       *Mail
	Hook       *Hook
	SecretFile string // of signatures on what a service gets
	Secret     string
	Level      string // from which on it is told: warning or alarm
	Partners   []string
	Hours      schedule.Window // in which it is told; zero = always

	hours   []string
	timeout time.Duration
}

// Mail is a server that takes mail, and who gets it.
type Mail struct {
	Server         string // host:port
	TLS            string // starttls, implicit, none
	Login          Login
	AuthorityFiles []string
	Authorities    []*x509.Certificate // that vouch for the server; nil = those of the system
	From           string
	To             []string
	Timeout        time.Duration
}

// Programs are those that are started, by their whole paths.
func (a *Alarms) Programs() (programs []string) {
	for _, r := range a.Receivers {
		if r.Hook != nil && len(r.Hook.Command) > 0 {
			programs = append(programs, r.Hook.Command[0])
		}
	}
	return programs
}

// Expected is what traffic with a partner is normal.
type Expected struct {
	Sent, Received Traffic
	Grace          time.Duration
}

// Traffic is when something is to be sent or received: as in the weeks before, at moments,
// or nobody knows.
type Traffic struct {
	Off  bool
	By   schedule.Schedule // by each of these something must have come since the one before; zero = as usual
	text []string
}

func defaultAlarms() Alarms {
	return Alarms{GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute, UpdateInterval: time.Hour, Repeat: 24 * time.Hour}
}

func alarmKeys() []key[Alarms] {
	return []key[Alarms]{
		{"name", "text", "the name of the host", "What this installation is called in messages.", setString(func(a *Alarms) *string { return &a.Name })},
		{"group_wait", "duration", "30s", "How long a message waits for more that is wrong, so that a storm is one message.", setDuration(0, func(a *Alarms) *time.Duration { return &a.GroupWait })},
		{"group_interval", "duration", "5m", "How long after a message the same receiver gets the next one.", setDuration(0, func(a *Alarms) *time.Duration { return &a.GroupInterval })},
		{"update_interval", "duration", "1h", "How long after an alarm more of the same is told.", setDuration(0, func(a *Alarms) *time.Duration { return &a.UpdateInterval })},
		{"repeat", "duration", "24h", "After this time what is still wrong is told again; 0s: never.", setDuration(0, func(a *Alarms) *time.Duration { return &a.Repeat })},
		{"receivers", "names", "none", "Who is told: by mail, a web service or a program.", func(d *decoder, a *Alarms, n *yaml.Node, path string) {
			named(d, n, path, func(name string, value *yaml.Node, at string) {
				r := &Receiver{Name: name, Level: "alarm"}
				mapping(d, r, value, at, receiverKeys())
				a.Receivers = append(a.Receivers, r)
			})
		}},
	}
}

func receiverKeys() []key[Receiver] {
	return []key[Receiver]{
		{"mail", "mapping", "", "Gets mail. Of mail, webhook and command each receiver has one.", func(d *decoder, r *Receiver, n *yaml.Node, path string) {
			r.Mail = &Mail{}
			mapping(d, r.Mail, n, path, mailKeys())
		}},
		{"webhook", "mapping", "", "A web service that gets a POST of JSON.", func(d *decoder, r *Receiver, n *yaml.Node, path string) {
			r.hook()
			mapping(d, r, n, path, webhookKeys())
		}},
		{"command", "list", "", "A program by its whole path, or one relative to the folder of the file, and its arguments. It gets the JSON on its standard input, and is started without a shell.", func(d *decoder, r *Receiver, n *yaml.Node, path string) {
			setStrings(func(r *Receiver) *[]string { return &r.hook().Command })(d, r, n, path)
		}},
		{"timeout", "duration", "30s, mail 1m", "After this time a message that did not get through has failed, and is tried again later.", setDuration(10*time.Millisecond, func(r *Receiver) *time.Duration { return &r.timeout })},
		{"level", "warning or alarm", "alarm", "From which level on it is told.", setChoice(func(r *Receiver) *string { return &r.Level }, "warning", "alarm")},
		{"partners", "list of names", "all, and the agent itself", "It is told of these partners alone, and not of the agent itself.", setStrings(func(r *Receiver) *[]string { return &r.Partners })},
		{"hours", "list of windows", "always", "When it is told. What happens outside of them is told when they begin.", setStrings(func(r *Receiver) *[]string { return &r.hours })},
	}
}

// hook is the program or service of the receiver.
func (r *Receiver) hook() *Hook {
	if r.Hook == nil {
		r.Hook = &Hook{}
	}
	return r.Hook
}

func mailKeys() []key[Mail] {
	return []key[Mail]{
		{"server", "host:port", "required", "The mail server.", setString(func(m *Mail) *string { return &m.Server })},
		{"tls", "starttls, implicit or none", "implicit on port 465, else starttls", "How the connection is encrypted. none is for a server on this machine alone, and without login.", setChoice(func(m *Mail) *string { return &m.TLS }, "starttls", "implicit", "none")},
		{"user", "text", "none", "Whom to log in as.", setString(func(m *Mail) *string { return &m.Login.User })},
		{"password_file", "file", "none", "The file with the password.", setPath(func(m *Mail) *string { return &m.Login.PasswordFile })},
		{"authorities", "list of files", "authorities of the system", "Certificates that vouch for the server, in place of those of the system.", setPaths(func(m *Mail) *[]string { return &m.AuthorityFiles })},
		{"from", "address", "required", "The sender.", setString(func(m *Mail) *string { return &m.From })},
		{"to", "list of addresses", "required", "The recipients.", setStrings(func(m *Mail) *[]string { return &m.To })},
	}
}

// webhookKeys are those of a hook that make sense for a service that is told of alarms.
func webhookKeys() []key[Receiver] {
	var keys []key[Receiver]
	for _, k := range hookKeys() {
		if slices.Contains([]string{"url", "allow_http", "headers", "bearer_file", "authorities"}, k.name) {
			keys = append(keys, key[Receiver]{k.name, k.typ, k.def, k.doc, func(d *decoder, r *Receiver, n *yaml.Node, path string) { k.set(d, r.hook(), n, path) }})
		}
	}
	keys[0].def = "required"
	return append(keys, key[Receiver]{"secret_file", "file", "none", "The file with the secret by which each request is signed (HMAC-SHA-256); docs/alarms.md says how to verify it.", setPath(func(r *Receiver) *string { return &r.SecretFile })})
}

func expectKeys() []key[Expected] {
	return []key[Expected]{
		{"sent", "list of schedules, usual or off", "usual", "When something is to be sent to the partner: as in the weeks before, or by each of these moments something since the one before. It is an alarm if nothing is.", setTraffic(func(e *Expected) *Traffic { return &e.Sent })},
		{"received", "list of schedules, usual or off", "usual", "The same for what the partner sends.", setTraffic(func(e *Expected) *Traffic { return &e.Received })},
		{"grace", "duration", "1h", "How much later than expected is still all right.", setDuration(time.Minute, func(e *Expected) *time.Duration { return &e.Grace })},
	}
}

func setTraffic(field func(*Expected) *Traffic) func(*decoder, *Expected, *yaml.Node, string) {
	return func(d *decoder, e *Expected, n *yaml.Node, path string) {
		setStrings(func(e *Expected) *[]string { return &field(e).text })(d, e, n, path)
	}
}

// alarms completes the receivers and looks whether they can be told.
func (f *finisher) alarms() {
	a := &f.config.Alarms
	if a.Name == "" {
		a.Name, _ = os.Hostname() // without one it has no name
	}
	for _, r := range a.Receivers {
		at := "alarms.receivers." + r.Name
		r.Hours = scheduled(f, at+".hours", r.hours, f.config.Location, schedule.ParseWindow)
		for i, name := range r.Partners {
			if f.config.Partner(name) == nil {
				f.report(item(at+".partners", i), "", "%q is no partner", name)
			}
		}
		f.receiver(r, at)
	}
}

func (f *finisher) receiver(r *Receiver, at string) {
	ways := 0
	for _, way := range []string{".mail", ".webhook", ".command"} {
		if f.lines[at+way] > 0 {
			ways++
		}
	}
	if ways != 1 {
		f.report(at, "give it one of mail, webhook and command", "it has %d ways to be told", ways)
		return
	}
	if r.Mail != nil {
		r.Mail.Timeout = cmp.Or(r.timeout, time.Minute)
		f.mail(r.Mail, at+".mail")
		return
	}
	r.Hook.Name, r.Hook.Timeout = r.Name, cmp.Or(r.timeout, 30*time.Second)
	if len(r.Hook.Command) > 0 {
		f.program(r.Hook, at)
		return
	}
	at += ".webhook"
	if r.Hook.URL == "" {
		f.report(at+".url", "", "is missing")
		return
	}
	f.service(r.Hook, at)
	r.Secret = f.secret(at+".secret_file", r.SecretFile)
}

func (f *finisher) mail(m *Mail, at string) {
	host, port, ok := hostPort(m.Server)
	if !ok || host == "" || port == 0 {
		f.report(at+".server", "write for example mail.example.com:587", "%q is no server with its port", m.Server)
		return
	}
	if m.TLS == "" {
		m.TLS = "starttls"
		if port == 465 {
			m.TLS = "implicit"
		}
	}
	if m.TLS == "none" && !Loopback(host) {
		f.report(at+".tls", "set starttls, or name a server on this machine", "plain text shows alarms to everybody on the way to %s", host)
	}
	if m.TLS == "none" && m.Login.User != "" {
		f.report(at+".user", "set tls: starttls or implicit", "there is no login without TLS")
	}
	switch {
	case m.Login.User != "" && m.Login.PasswordFile == "":
		f.report(at+".password_file", "name the file with the password", "is missing")
	case m.Login.User == "" && m.Login.PasswordFile != "":
		f.report(at+".user", "", "is missing")
	}
	m.Login.Password = f.secret(at+".password_file", m.Login.PasswordFile)
	m.Authorities = f.certificateList(at+".authorities", m.AuthorityFiles)
	m.From = f.address(at+".from", m.From)
	if len(m.To) == 0 {
		f.report(at+".to", "", "is missing")
	}
	for i := range m.To {
		m.To[i] = f.address(item(at+".to", i), m.To[i])
	}
}

// address reads a mail address, with or without a name, and returns it alone.
func (f *finisher) address(path, text string) string {
	if text == "" {
		f.report(path, "", "is missing")
		return ""
	}
	a, err := mail.ParseAddress(text)
	switch {
	case err != nil:
		f.report(path, "write for example edi@example.com", "%q is no mail address: %s", text, strings.TrimPrefix(err.Error(), "mail: "))
	case strings.ContainsFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }):
		f.report(path, "", "%q has characters that not every mail server takes", text)
	default:
		return a.Address
	}
	return ""
}

// expected completes what traffic with a partner is normal.
func (f *finisher) expected(p *Partner, path string) {
	for _, t := range []struct {
		key     string
		traffic *Traffic
	}{{"sent", &p.Expect.Sent}, {"received", &p.Expect.Received}} {
		switch word := t.traffic.text; {
		case len(word) == 1 && word[0] == "off":
			t.traffic.Off = true
		case len(word) == 0 || len(word) == 1 && word[0] == "usual": // the zero value
		default:
			t.traffic.By = scheduled(f, path+"."+t.key, word, p.Location, schedule.Parse)
		}
		t.traffic.text = nil
	}
}

// String is what is expected in words.
func (t Traffic) String() string {
	switch {
	case t.Off:
		return "off"
	case t.By.IsZero():
		return "usual"
	}
	return fmt.Sprint(t.By)
}
