package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/naming"
)

// maxFile bounds config.yaml, in bytes.
const maxFile = 16 << 20

// Load reads a config at the given moment (which certificates have expired). Paths in
// it are relative to its folder. The error is an Errors with every mistake, or says
// why the file could not be read.
//
// With create_keys, key pairs of ours that are missing are made first; existing files
// are never touched.
func Load(path string, now time.Time) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	c := &Config{Path: path, Text: string(text), Hash: hex.EncodeToString(sum[:]), DataDir: "./var", Reserve: 256 << 20}
	d := &decoder{file: path}
	if root := d.parse(text); root != nil {
		mapping(d, c, root, "", rootKeys())
		c.finish(d, now)
	}
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
		return nil, d.errs
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; name the config with --config, or make one with: as2drop init DIR", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxFile)
	}
	return text, err
}

// parse returns the root mapping, or nil after reporting why there is none.
func (d *decoder) parse(text []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if err == io.EOF {
			d.fail(0, "", "as2drop init DIR writes one to start from", "the file is empty")
			return nil
		}
		d.yamlError(err)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.fail(second.Line, "", "remove the line ---", "a second document begins here; it would not be read")
	} else if err != io.EOF {
		d.yamlError(err)
	}
	return doc.Content[0]
}

func (d *decoder) yamlError(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	d.fail(line, "", "indent with blanks, not tabs; put text with : or # in quotes", "this is no YAML: %s", text)
}

// finish resolves paths, reads files, compiles, and checks what needs the whole.
func (c *Config) finish(d *decoder, now time.Time) {
	c.Location = time.Local
	if c.ZoneName != "" {
		loc, err := time.LoadLocation(c.ZoneName)
		if err != nil {
			d.fail(0, "time_zone", "write for example Europe/Vienna or UTC", "%q is no time zone that is known", c.ZoneName)
		} else {
			c.Location = loc
		}
	}
	c.DataDir = c.resolve(c.DataDir)
	if len(c.Stations) == 0 {
		d.fail(0, "stations", "a station is one of our own AS2 identities", "at least one is needed")
	}
	for i := range c.Listen {
		c.finishListener(d, &c.Listen[i], fmt.Sprintf("listen[%d]", i), now)
	}
	for _, s := range c.Stations {
		c.finishStation(d, s, now)
	}
	for _, p := range c.Partners {
		c.finishPartner(d, p, now)
	}
	c.checkClashes(d)
}

// resolve makes a path of the file absolute or relative to the file's folder.
func (c *Config) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.Path), path)
}

func (c *Config) finishListener(d *decoder, l *Listener, path string, now time.Time) {
	if _, _, err := net.SplitHostPort(l.Address); err != nil {
		d.fail(l.line, path+".address", "write for example 0.0.0.0:8443", "%q is no address to listen on", l.Address)
	}
	if !strings.HasPrefix(l.Path, "/") {
		d.fail(l.line, path+".path", "", "must begin with /, is %q", l.Path)
	}
	if l.CertificateFile == "" && l.KeyFile == "" {
		if !l.BehindProxy {
			d.fail(l.line, path, "give certificate and key, or set behind_proxy: true if a proxy in front ends TLS", "it has no certificate")
		}
		return
	}
	if l.BehindProxy {
		d.fail(l.line, path, "remove one of them", "it has a certificate and behind_proxy")
	}
	pair := KeyPair{CertificateFile: l.CertificateFile, KeyFile: l.KeyFile, line: l.line}
	host, _, _ := net.SplitHostPort(l.Address) // reported above
	l.Certificates = c.loadPair(d, &pair, path, keys.Request{Name: host, Hosts: []string{host, "localhost"}, Now: now}, now)
	l.Key = pair.Key
}

func (c *Config) finishStation(d *decoder, s *Station, now time.Time) {
	path := "stations." + s.Name
	if err := as2.CheckName(s.AS2ID); err != nil {
		d.fail(s.line, path+".as2_id", "", "%v", err)
	}
	if len(s.Keys) == 0 {
		d.fail(s.line, path+".keys", "list at least one certificate with its key", "it has none")
	}
	for i := range s.Keys {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		if certs := c.loadPair(d, &s.Keys[i], at, keys.Request{Name: s.AS2ID, Now: now}, now); len(certs) > 0 {
			s.Keys[i].Certificate = certs[0]
		}
	}
}

// loadPair reads a certificate file and its key, making both if they are missing and
// create_keys says so.
func (c *Config) loadPair(d *decoder, k *KeyPair, path string, request keys.Request, now time.Time) (chain []*x509.Certificate) {
	for name, file := range map[string]string{"certificate": k.CertificateFile, "key": k.KeyFile} {
		if file == "" {
			d.fail(k.line, path+"."+name, "", "is missing")
			return nil
		}
	}
	certFile, keyFile := c.resolve(k.CertificateFile), c.resolve(k.KeyFile)
	if c.CreateKeys && missing(certFile) && missing(keyFile) {
		if err := keys.Make(request, certFile, keyFile); err != nil {
			d.fail(k.line, path, "", "the key pair could not be made: %v", err)
			return nil
		}
	}
	chain = c.certificates(d, []string{k.CertificateFile}, k.line, path+".certificate", now)
	key, err := keys.Private(keyFile)
	if err != nil {
		d.fail(k.line, path+".key", fileHint(err), "%v", err)
		return chain
	}
	if len(chain) > 0 {
		if err := keys.Match(chain[0], key); err != nil {
			d.fail(k.line, path, "the first certificate of the file must be the key's own", "%v", err)
		}
	}
	k.Key = key
	return chain
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func fileHint(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "paths are relative to the folder of the config"
	}
	return ""
}

// certificates reads files of certificates and warns of those that are not valid now.
func (c *Config) certificates(d *decoder, files []string, line int, path string, now time.Time) (all []*x509.Certificate) {
	for _, file := range files {
		certs, err := keys.Certificates(c.resolve(file))
		if err != nil {
			d.fail(line, path, fileHint(err), "%v", err)
			continue
		}
		for _, cert := range certs {
			if now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
				c.Warnings = append(c.Warnings, Error{c.Path, line, path,
					fmt.Sprintf("%s: certificate %q is valid from %s to %s only", file, cert.Subject, cert.NotBefore.Format(time.DateOnly), cert.NotAfter.Format(time.DateOnly)),
					"ask for a new one"})
			}
		}
		all = append(all, certs...)
	}
	return all
}

func (c *Config) finishPartner(d *decoder, p *Partner, now time.Time) {
	path := "partners." + p.Name
	if err := as2.CheckName(p.AS2ID); err != nil {
		d.fail(p.Line, path+".as2_id", "", "%v", err)
	}
	i := slices.IndexFunc(c.Stations, func(s *Station) bool { return s.Name == p.StationName })
	if i < 0 {
		names := make([]string, len(c.Stations))
		for i, s := range c.Stations {
			names[i] = s.Name
		}
		d.fail(p.Line, path+".station", didYouMean(p.StationName, names), "%q is no station", p.StationName)
	} else {
		p.Station = c.Stations[i]
	}
	if p.Folder == "" {
		p.Folder = filepath.Join(c.DataDir, "partners", p.Name)
	} else {
		p.Folder = c.resolve(p.Folder)
	}
	c.checkURL(d, p, path)
	if len(p.CertificateFiles) == 0 {
		d.fail(p.Line, path+".certificates", "ask the partner for the certificate he signs and decrypts with", "it has none")
	}
	p.Certificates = c.certificates(d, p.CertificateFiles, p.Line, path+".certificates", now)
	p.Server = c.certificates(d, p.ServerFiles, p.Line, path+".server_certificates", now)
	if p.Send.AcceptNoMIC && p.Send.Sign != 0 {
		d.fail(p.Line, path+".send.accept_missing_mic", "remove it, or set sign: none", "works for unsigned messages only")
	}
	if p.Retry.Max < p.Retry.First {
		d.fail(p.Line, path+".retry.max", "", "%v is shorter than first: %v", p.Retry.Max, p.Retry.First)
	}
	c.finishNaming(d, p, path+".naming")
	c.finishSchedules(d, p, path+".outbox")
}

func (c *Config) checkURL(d *decoder, p *Partner, path string) {
	if p.URL == "" {
		return
	}
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "":
		d.fail(p.Line, path+".url", "write for example https://as2.example.com/as2", "%q is no URL", p.URL)
	case u.User != nil:
		d.fail(p.Line, path+".url", "", "must not contain a user name or password")
	case u.Scheme == "http" && !p.AllowHTTP:
		d.fail(p.Line, path+".url", "use https, or set allow_http: true", "plain HTTP shows your AS2 IDs and file names to everybody on the way")
	case u.Scheme != "http" && u.Scheme != "https":
		d.fail(p.Line, path+".url", "", "must begin with https:// or http://, is %q", p.URL)
	}
}

// namingFields are the keys of the file for the fields that package naming names.
var namingFields = map[string]string{
	"Documents": "documents", "Attachments": "attachments", "DocumentExpr": "document_regexp", "AttachmentExpr": "attachment_regexp",
	"Ignore": "ignore", "Complete": "complete", "Quiet": "quiet", "Marker": "marker", "Resend": "resend",
}

func (c *Config) finishNaming(d *decoder, p *Partner, path string) {
	if runtime.GOOS == "windows" && p.namingLines["fold_case"] == 0 {
		p.Naming.FoldCase = true
	}
	rules, err := naming.Compile(p.Naming)
	var problems naming.ConfigError
	if errors.As(err, &problems) {
		for _, problem := range problems {
			name := namingFields[problem.Field]
			d.fail(cmp.Or(p.namingLines[name], p.namingLine), path+"."+name, "", "%s", problem.Fact)
		}
	}
	p.Rules = rules
}

func (c *Config) finishSchedules(d *decoder, p *Partner, path string) {
	var err error
	if p.Outbox.rescan != "" {
		if p.Outbox.Rescan, err = schedule.Parse(p.Outbox.rescan, c.Location); err != nil {
			d.fail(p.Outbox.rescanLine, path+".rescan", "", "%v", err)
		}
	}
	if p.Outbox.window != "" {
		if p.Outbox.Window, err = schedule.ParseWindow(p.Outbox.window, c.Location); err != nil {
			d.fail(p.Outbox.windowLine, path+".window", "", "%v", err)
		}
	}
}

// checkClashes finds what may exist only once.
func (c *Config) checkClashes(d *decoder) {
	type pair struct{ station, partner string }
	pairs := map[pair]*Partner{}
	folders := map[string]*Partner{}
	for _, p := range c.Partners {
		path := "partners." + p.Name
		if p.Station != nil {
			k := pair{p.Station.AS2ID, p.AS2ID}
			if other := pairs[k]; other != nil {
				d.fail(p.Line, path+".as2_id", "give one of them another station", "station %q and partner %q are a pair already: partners.%s on line %d; a message between them could belong to either", k.station, k.partner, other.Name, other.Line)
			}
			pairs[k] = p
		}
		folder := filepath.Clean(p.Folder)
		if runtime.GOOS == "windows" {
			folder = strings.ToLower(folder)
		}
		for other, q := range folders {
			if folder == other || strings.HasPrefix(folder, other+string(filepath.Separator)) || strings.HasPrefix(other, folder+string(filepath.Separator)) {
				d.fail(p.FolderLine, path+".folder", "", "%s is the folder of partners.%s, or one lies in the other", p.Folder, q.Name)
			}
		}
		folders[folder] = p
	}
	ids := map[string]*Station{}
	for _, s := range c.Stations {
		if other := ids[s.AS2ID]; other != nil {
			d.fail(s.line, "stations."+s.Name+".as2_id", "put both certificates under keys of one station", "%q is the AS2 ID of stations.%s on line %d already", s.AS2ID, other.Name, other.line)
		}
		ids[s.AS2ID] = s
	}
}
