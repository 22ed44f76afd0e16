package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/naming"
)

func (f *finisher) finish() {
	c := f.config
	c.Location = time.Local
	if c.ZoneName != "" {
		loc, err := time.LoadLocation(c.ZoneName)
		if err != nil {
			f.report("time_zone", "write for example Europe/Vienna or UTC", "%q is no time zone that is known", c.ZoneName)
			loc = time.UTC
		}
		c.Location = loc
	}
	c.DataDir = f.resolve(c.DataDir)
	if c.DataDir == "" {
		f.report("data_dir", "", "must not be empty")
	}
	if len(c.Stations) == 0 {
		f.report("stations", "a station is one of our own AS2 identities", "at least one is needed")
	}
	for i := range c.Listen {
		f.listener(i)
	}
	for _, s := range c.Stations {
		f.station(s)
	}
	for _, p := range c.Partners {
		f.partner(p)
	}
	f.pairsClash()
	f.foldersClash()
	f.stationsClash()
	f.readFiles()
}

// readFiles comes last: keys are made only for a file that has no other mistake.
func (f *finisher) readFiles() {
	f.plan()
	if len(f.errs) == 0 {
		f.makeKeys()
	}
	for i := range f.config.Listen {
		l := &f.config.Listen[i]
		if l.CertificateFile == "" && l.KeyFile == "" {
			continue
		}
		pair := KeyPair{CertificateFile: l.CertificateFile, KeyFile: l.KeyFile}
		l.Certificates = f.pair(fmt.Sprintf("listen[%d]", i), &pair)
		l.Key = pair.Key
	}
	for _, s := range f.config.Stations {
		for i := range s.Keys {
			if chain := f.pair(fmt.Sprintf("stations.%s.keys[%d]", s.Name, i), &s.Keys[i]); len(chain) > 0 {
				s.Keys[i].Certificate = chain[0]
			}
		}
	}
	for _, p := range f.config.Partners {
		path := "partners." + p.Name
		p.Certificates = f.certificateList(path+".certificates", p.CertificateFiles)
		p.Server = f.certificateList(path+".server_certificates", p.ServerFiles)
	}
}

func (f *finisher) listener(i int) {
	l, path := &f.config.Listen[i], fmt.Sprintf("listen[%d]", i)
	host, port, err := net.SplitHostPort(l.Address)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		f.report(path+".address", "write for example 0.0.0.0:8443", "%q is no address to listen on", l.Address)
	}
	if !strings.HasPrefix(l.Path, "/") {
		f.report(path+".path", "", "must begin with /, is %q", l.Path)
	}
	for j, other := range f.config.Listen[:i] {
		if other.Address == l.Address && !strings.HasSuffix(l.Address, ":0") {
			f.report(path+".address", "", "%s is listened on already, by listen[%d] on line %d", l.Address, j, f.line(fmt.Sprintf("listen[%d].address", j)))
		}
	}
	encrypted := l.CertificateFile != "" || l.KeyFile != ""
	switch ip := net.ParseIP(host); {
	case encrypted && l.BehindProxy:
		f.report(path+".behind_proxy", "remove it, or certificate and key", "is said of a listener with a certificate")
	case !encrypted && !l.BehindProxy:
		f.report(path, "give certificate and key, or set behind_proxy: true if a proxy in front ends TLS", "it has no certificate")
	case l.BehindProxy && (host == "" || ip != nil && ip.IsUnspecified()):
		f.warn(path+".address", "name the address that the proxy connects to", "plain HTTP on every address of this machine")
	}
}

func (f *finisher) station(s *Station) {
	path := "stations." + s.Name
	if err := as2.CheckName(s.AS2ID); err != nil {
		f.report(path+".as2_id", "", "%v", err)
	}
	if len(s.Keys) == 0 {
		f.report(path+".keys", "list at least one certificate with its key", "it has none")
	}
}

func (f *finisher) partner(p *Partner) {
	c, path := f.config, "partners."+p.Name
	p.Line, p.FolderLine = f.line(path), f.line(path+".folder")
	if err := as2.CheckName(p.AS2ID); err != nil {
		f.report(path+".as2_id", "", "%v", err)
	}
	names := make([]string, len(c.Stations))
	for i, s := range c.Stations {
		names[i] = s.Name
	}
	switch i := slices.Index(names, p.StationName); {
	case i >= 0:
		p.Station = c.Stations[i]
	case p.StationName == "":
		f.report(path+".station", didYouMean("", names), "is missing")
	default:
		f.report(path+".station", didYouMean(p.StationName, names), "%q is no station of ours", p.StationName)
	}
	if p.Folder == "" {
		p.Folder = filepath.Join(c.DataDir, "partners", p.Name)
	} else {
		p.Folder = f.resolve(p.Folder)
	}
	f.url(p, path+".url")
	if len(p.CertificateFiles) == 0 {
		f.report(path+".certificates", "ask the partner for the certificate it signs and decrypts with", "it has none")
	}
	if p.Send.AcceptNoMIC && p.Send.Sign != cms.NoDigest {
		f.report(path+".send.accept_missing_mic", "remove it, or set sign: none", "works for unsigned messages only")
	}
	if p.Retry.Max < p.Retry.First {
		f.report(path+".retry.max", "", "%v is shorter than first: %v", p.Retry.Max, p.Retry.First)
	}
	f.naming(p, path+".naming")
	f.schedules(p, path+".outbox")
}

func (f *finisher) url(p *Partner, path string) {
	if p.URL == "" {
		return
	}
	u, err := url.Parse(p.URL)
	switch {
	case err == nil && u.User != nil:
		f.report(path, "the text of this file is kept in the ledger", "must not contain a user name or password")
	case err != nil || u.Hostname() == "":
		f.report(path, "write for example https://as2.example.com/as2", "%q is no URL", p.URL)
	case u.Scheme == "http" && !p.AllowHTTP:
		f.report(path, "use https, or set allow_http: true", "plain HTTP shows AS2 IDs and file names to everybody on the way")
	case u.Scheme != "http" && u.Scheme != "https":
		f.report(path, "", "must begin with https:// or http://, is %q", p.URL)
	}
}

// namingFields are the keys of the file for the fields that package naming names.
var namingFields = map[string]string{
	"Documents": "documents", "Attachments": "attachments", "DocumentExpr": "document_regexp", "AttachmentExpr": "attachment_regexp",
	"Ignore": "ignore", "Complete": "complete", "Quiet": "quiet", "Marker": "marker", "Resend": "resend",
}

func (f *finisher) naming(p *Partner, path string) {
	rules, err := naming.Compile(p.Naming)
	var problems naming.ConfigError
	if errors.As(err, &problems) {
		for _, problem := range problems {
			name := namingFields[problem.Field]
			at := path + "." + name
			if item := fmt.Sprintf("%s[%d]", at, problem.Index); f.lines[item] > 0 {
				at = item
			}
			f.report(at, "", "%s", problem.Fact)
		}
	}
	p.Rules = rules
}

func (f *finisher) schedules(p *Partner, path string) {
	var err error
	if p.Outbox.rescan != "" {
		if p.Outbox.Rescan, err = schedule.Parse(p.Outbox.rescan, f.config.Location); err != nil {
			f.report(path+".rescan", "", "%v", err)
		}
	}
	if p.Outbox.window != "" {
		if p.Outbox.Window, err = schedule.ParseWindow(p.Outbox.window, f.config.Location); err != nil {
			f.report(path+".window", "", "%v", err)
		}
	}
}

// pairsClash finds messages that could belong to two partners.
func (f *finisher) pairsClash() {
	type pair struct{ station, partner string }
	pairs := map[pair]*Partner{}
	for _, p := range f.config.Partners {
		if p.Station == nil {
			continue
		}
		k := pair{p.Station.AS2ID, p.AS2ID}
		if other := pairs[k]; other != nil {
			f.report("partners."+p.Name+".as2_id", "give one of them another station", "a message between %q and %q could also belong to partners.%s on line %d",
				k.station, k.partner, other.Name, f.line("partners."+other.Name+".as2_id"))
			continue
		}
		pairs[k] = p
	}
}

// foldersClash finds folders that are, or lie in, the folder of another partner.
func (f *finisher) foldersClash() {
	clean := func(p *Partner) string {
		folder := p.Folder
		if abs, err := filepath.Abs(folder); err == nil { // else the working folder is gone and Load fails elsewhere
			folder = abs
		}
		if runtime.GOOS == "windows" {
			folder = strings.ToLower(folder)
		}
		return filepath.Clean(folder)
	}
	folders := map[string]*Partner{}
	for _, p := range f.config.Partners {
		folder := clean(p)
		if other := folders[folder]; other != nil {
			f.report("partners."+p.Name+".folder", "", "%s is the folder of partners.%s on line %d already", p.Folder, other.Name, other.FolderLine)
			continue
		}
		folders[folder] = p
	}
	for _, p := range f.config.Partners {
		folder := clean(p)
		for up := filepath.Dir(folder); up != folder; folder, up = up, filepath.Dir(up) {
			if other := folders[up]; other != nil {
				f.report("partners."+p.Name+".folder", "put them side by side", "%s lies in the folder of partners.%s on line %d", p.Folder, other.Name, other.FolderLine)
				break
			}
		}
	}
}

func (f *finisher) stationsClash() {
	ids := map[string]*Station{}
	for _, s := range f.config.Stations {
		if other := ids[s.AS2ID]; other != nil {
			f.report("stations."+s.Name+".as2_id", "put both certificates under keys of one station", "%q is the AS2 ID of stations.%s on line %d already",
				s.AS2ID, other.Name, f.line("stations."+other.Name+".as2_id"))
			continue
		}
		ids[s.AS2ID] = s
	}
}
