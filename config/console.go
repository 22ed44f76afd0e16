package config

import (
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/accounts"
)

// Console is where people and programs look at the agent and act on it.
type Console struct {
	Address         string // empty = nowhere
	CertificateFile string
	KeyFile         string
	Certificates    []*x509.Certificate
	Key             crypto.Signer
	BehindProxy     bool
	PublicURL       string // as people reach it; empty = by the address
	UsersFile       string // resolved; it may not be there
	TokensFile      string
	Idle            time.Duration // after which a session ends
	Session         time.Duration // after which it ends in any case
}

// consoleAddress is where the console is if nothing else is said.
const consoleAddress = "127.0.0.1:8481"

func consoleKeys() []key[Console] {
	return []key[Console]{
		{"address", "host:port", consoleAddress, "Where to listen. Beyond 127.0.0.1 the console needs a certificate, or a proxy that ends TLS, and users. If somebody else has the address when the agent starts, everything but the console goes on, and it is tried again.", setString(func(c *Console) *string { return &c.Address })},
		{"certificate", "file", "none", "The certificate for TLS, its chain behind it.", setPath(func(c *Console) *string { return &c.CertificateFile })},
		{"key", "file", "none", "Its private key.", setPath(func(c *Console) *string { return &c.KeyFile })},
		{"behind_proxy", "true or false", "false", "Plain HTTP on this address, because a proxy in front of it ends TLS. Needs public_url. The last address in X-Forwarded-For then counts as that of the visitor.", setBool(func(c *Console) *bool { return &c.BehindProxy })},
		{"public_url", "URL", "none", "How people reach the console, such as https://as2drop.example.com, where that is not by its address. Requests for other hosts are refused.", setString(func(c *Console) *string { return &c.PublicURL })},
		{"users_file", "file", "accounts/users in data_dir", "Who may sign in, and as what. Written by as2drop user. Without this file the console can be read by every user of this machine, and nobody can act in it.", setPath(func(c *Console) *string { return &c.UsersFile })},
		{"tokens_file", "file", "accounts/tokens in data_dir", "Tokens of programs that use the API. Written by as2drop token.", setPath(func(c *Console) *string { return &c.TokensFile })},
		{"idle", "duration", "30m", "A session ends when it was not used for so long.", setDuration(time.Minute, func(c *Console) *time.Duration { return &c.Idle })},
		{"session", "duration", "12h", "A session ends after this time in any case.", setDuration(time.Minute, func(c *Console) *time.Duration { return &c.Session })},
	}
}

// Beyond reports whether the console can be reached from other machines.
func (c *Console) Beyond() bool {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil || !Loopback(host) || c.BehindProxy {
		return true
	}
	u, err := url.Parse(c.PublicURL)
	return c.PublicURL != "" && (err != nil || !Loopback(u.Hostname()))
}

// Loopback reports whether a host, as it stands in a URL or an address, is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *finisher) console() {
	c := &f.config.Console
	f.accountFiles()
	if c.Address == "" {
		return
	}
	if _, ok := f.listen("console.address", c.Address, consoleAddress); !ok {
		return
	}
	if c.Idle > c.Session {
		f.report("console.idle", "", "%v is longer than session: %v", c.Idle, c.Session)
	}
	encrypted := c.CertificateFile != "" || c.KeyFile != ""
	if c.PublicURL != "" {
		f.httpURL("console.public_url", c.PublicURL, "https://as2drop.example.com")
		if u, err := url.Parse(c.PublicURL); err == nil && u.Path != "" && u.Path != "/" {
			f.report("console.public_url", "give the console a host name of its own", "%s is below a path, the console needs a host of its own", c.PublicURL)
		} else if err == nil && u.Scheme == "http" && (encrypted || !Loopback(u.Hostname())) {
			f.report("console.public_url", "write https://", "with http:// passwords would cross the network in clear text")
		}
	}
	switch {
	case encrypted && c.BehindProxy:
		f.report("console.behind_proxy", "remove it, or certificate and key", "is said of a console with a certificate")
	case c.BehindProxy && c.PublicURL == "":
		f.report("console.behind_proxy", "set public_url to the URL that people type", "it is not said for which host the proxy asks, and others are refused")
	case !c.Beyond():
		return
	case !encrypted && !c.BehindProxy:
		f.report("console.address", "give certificate and key; or listen on 127.0.0.1, and let others come through ssh or a proxy with TLS (behind_proxy: true)",
			"other machines reach %s, and passwords and what is shown would cross the network in clear text", c.Address)
	}
	f.needsUsers()
}

// needsUsers refuses a console that others reach and nobody could sign in to: without users
// it would show everything to everybody.
func (f *finisher) needsUsers() {
	c := &f.config.Console
	users, err := accounts.ReadUsers(c.UsersFile)
	at, hint := "console", "make one first: as2drop user add NAME --role operator --config "+f.config.Path
	if f.lines["console.users_file"] > 0 {
		at = "console.users_file"
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.report(at, hint, "other machines reach the console, and there are no users who could sign in: %s does not exist", c.UsersFile)
	case err != nil:
		f.report(at, "correct it, or remove the file and make the users anew", "%v", err)
	case len(users) == 0:
		f.report(at, hint, "other machines reach the console, and there are no users who could sign in: %s has none", c.UsersFile)
	}
}

// accountFiles resolves where the accounts are, and warns where others could read them.
func (f *finisher) accountFiles() {
	c := &f.config.Console
	for path, file := range map[string]*string{"users": &c.UsersFile, "tokens": &c.TokensFile} {
		if *file = f.resolve(*file); *file == "" {
			*file = filepath.Join(f.config.DataDir, "accounts", path)
		}
		if c.Address != "" && access.Exposed(*file) {
			f.warn("console."+path+"_file", access.Remedy, "%s can be read by every user of this machine", *file)
		}
	}
}

// consoleFiles reads the key pair of the console.
func (f *finisher) consoleFiles() {
	c := &f.config.Console
	if c.CertificateFile == "" && c.KeyFile == "" {
		return
	}
	pair := KeyPair{CertificateFile: c.CertificateFile, KeyFile: c.KeyFile}
	f.pair("console", &pair)
	if c.Key = pair.Key; pair.Certificate != nil {
		c.Certificates = append([]*x509.Certificate{pair.Certificate}, pair.Chain...)
	}
}

// AccountFiles finds where the accounts are, whatever else is wrong with a config: a
// console that other machines reach is a mistake as long as it has no users.
func AccountFiles(path string) (users, tokens string, err error) {
	text, err := readFile(path)
	if err != nil {
		return "", "", err
	}
	c := &Config{Path: path, DataDir: defaultDataDir}
	d := newDecoder(path)
	root := d.parse(text)
	if root == nil {
		return "", "", d.errs
	}
	mapping(d, c, root, "", rootKeys())
	for _, e := range d.errs {
		if e.Path == "" || e.Path == "data_dir" || e.Path == "console" || parent(e.Path) == "console" {
			return "", "", d.errs
		}
	}
	f := &finisher{decoder: d, config: c}
	c.DataDir = f.resolve(c.DataDir)
	f.accountFiles()
	return c.Console.UsersFile, c.Console.TokensFile, nil
}
