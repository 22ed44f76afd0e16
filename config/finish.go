package config

import (
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
)

func (f *finisher) finish() {
	c := f.config
	c.Location = f.zone("time_zone", c.ZoneName, time.Local)
	c.DataDir = f.resolve(c.DataDir)
	if c.DataDir == "" {
		f.report("data_dir", "", "must not be empty")
	}
	if len(c.Stations) == 0 {
		f.report("stations", "a station is one of our own AS2 identities", "at least one is needed")
	}
	f.housekeeping()
	for i := range c.Listen {
		f.listener(i)
	}
	f.health()
	f.logs()
	f.console()
	f.alarms()
	for _, s := range c.Stations {
		f.station(s)
	}
	for _, p := range c.Partners {
		f.partner(p)
	}
	c.Retention.plain()
	f.pairsClash()
	f.foldersClash()
	f.stationsClash()
	f.readFiles()
	for _, s := range c.Stations {
		f.stationOverTime(s)
	}
	for _, p := range c.Partners {
		f.rollover(p)
		f.algorithms(p)
	}
}

// readFiles comes last: keys are made only for a file that has no other mistake.
func (f *finisher) readFiles() {
	f.plan()
	if len(f.errs) == 0 {
		f.makeKeys()
	}
	for i := range f.config.Listen {
		l, path := &f.config.Listen[i], fmt.Sprintf("listen[%d]", i)
		l.Authorities = f.certificateList(path+".client_authorities", l.AuthorityFiles)
		if l.CertificateFile == "" && l.KeyFile == "" {
			continue
		}
		pair := KeyPair{CertificateFile: l.CertificateFile, KeyFile: l.KeyFile}
		f.pair(path, &pair)
		if l.Key = pair.Key; pair.Certificate != nil {
			l.Certificates = append([]*x509.Certificate{pair.Certificate}, pair.Chain...)
		}
	}
	f.consoleFiles()
	for _, s := range f.config.Stations {
		for i := range s.Keys {
			f.pair(fmt.Sprintf("stations.%s.keys[%d]", s.Name, i), &s.Keys[i])
		}
	}
	for _, p := range f.config.Partners {
		f.partnerFiles(p)
	}
}

func (f *finisher) partnerFiles(p *Partner) {
	path := "partners." + p.Name
	for i, c := range p.Certificates {
		at := fmt.Sprintf("%s.certificates[%d]", path, i)
		if f.lines[at+".file"] > 0 {
			at += ".file"
		}
		if c.File != "" { // else that was said
			c.Certificates = f.certificates(at, c.File)
		}
	}
	p.Server = f.certificateList(path+".server_certificates", p.ServerFiles)
	p.Trust.Authorities = f.certificateList(path+".trust.authorities", p.Trust.AuthorityFiles)
	if p.Client.Identity != nil {
		f.pair(path+".client.client_certificate", p.Client.Identity)
	}
	f.login(path+".client.basic", &p.Client.Login)
	f.login(path+".client.proxy_login", &p.Client.ProxyLogin)
	p.Client.Bearer = f.secret(path+".client.bearer_file", p.Client.BearerFile)
	c := &p.Receive.Credentials
	f.login(path+".receive.credentials", &c.Login)
	c.Bearer = f.secret(path+".receive.credentials.bearer_file", c.BearerFile)
	c.Client = f.certificateList(path+".receive.credentials.client_certificates", c.ClientFiles)
}

// hostPort takes an address apart whose port is a number.
func hostPort(address string) (host string, port int, ok bool) {
	host, text, err := net.SplitHostPort(address)
	port, perr := strconv.Atoi(text)
	return host, port, err == nil && perr == nil && port >= 0 && port <= 65535
}

// listen notes who listens on an address, and reports one that is none, or that another one
// listens on. Port 0 is another one each time.
func (f *finisher) listen(path, address, example string) (host string, ok bool) {
	host, port, ok := hostPort(address)
	if !ok {
		f.report(path, "write for example "+example, "%q is no address to listen on", address)
		return host, false
	}
	if other, taken := f.listens[address]; taken && port != 0 {
		f.report(path, "", "%s is listened on already, by %s on line %d", address, other, f.line(other))
	}
	f.listens[address] = path
	return host, true
}

func (f *finisher) listener(i int) {
	l, path := &f.config.Listen[i], fmt.Sprintf("listen[%d]", i)
	host, _ := f.listen(path+".address", l.Address, "0.0.0.0:8443")
	if !strings.HasPrefix(l.Path, "/") {
		f.report(path+".path", "", "must begin with /, is %q", l.Path)
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
	if l.PublicURL != "" {
		f.httpURL(path+".public_url", l.PublicURL, "https://as2.example.com:8443/as2")
	}
	if l.BehindProxy && len(l.AuthorityFiles) > 0 {
		f.report(path+".client_authorities", "have the proxy ask for them", "no client certificate is seen behind a proxy that ends TLS")
	}
}

func (f *finisher) health() {
	address := f.config.Health.Address
	if address == "" {
		return
	}
	host, ok := f.listen("health.address", address, "127.0.0.1:8480")
	if ok && !Loopback(host) {
		f.warn("health.address", "listen on 127.0.0.1, or let only those reach it who may know", "whoever reaches %s can read the names of partners and what is wrong with them", address)
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
	for i := range s.Keys {
		k := &s.Keys[i]
		k.SignFrom = f.moment(fmt.Sprintf("%s.keys[%d].sign_from", path, i), k.signFrom, f.config.Location)
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
	clean := func(p *Partner) string { return folderKey(p.Folder, runtime.GOOS == "windows") }
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

// folderKey is the same for two names of one folder.
func folderKey(folder string, anyCase bool) string {
	if abs, err := filepath.Abs(folder); err == nil { // else the working folder is gone and Load fails elsewhere
		folder = abs
	}
	if anyCase {
		folder = strings.ToLower(folder)
	}
	return filepath.Clean(folder)
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
