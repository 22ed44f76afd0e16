package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/access"
	"github.com/as2drop/as2drop/internal/card"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

// newPartner is a partner that is to be written into a config.
type newPartner struct {
	name, as2ID, url, station, preset string
	allowHTTP                         bool
	certificates                      []newCertificate
	servers                           [][]*x509.Certificate // each becomes a file
	settings                          []card.Setting
}

// newCertificate becomes a file of the partner.
type newCertificate struct {
	certs    []*x509.Certificate
	from     string // encrypt_from; empty = from the beginning
	signOnly bool   // nothing can be encrypted to it
}

// checks of single answers, made as soon as they are given.

func checkNewName(cfg *config.Config, name string) error {
	if err := config.CheckName(name); err != nil {
		return err
	}
	for _, p := range cfg.Partners {
		if strings.EqualFold(p.Name, name) {
			return fmt.Errorf("%s has a partner %s already, on line %d; to change it edit the file, for a new certificate: as2drop partner certificate %s FILE", cfg.Path, p.Name, p.Line, p.Name)
		}
	}
	return nil
}

func checkNewID(cfg *config.Config, station, id string) error {
	if err := as2.CheckName(id); err != nil {
		return err
	}
	for _, p := range cfg.Partners {
		if p.AS2ID == id && p.StationName == station {
			return fmt.Errorf("partners.%s has the AS2 ID %q with station %s already; give this one another station", p.Name, id, station)
		}
	}
	return nil
}

// checkURL also takes plain HTTP where that is allowed.
func checkURL(text string, allowHTTP bool) error {
	if text == "" {
		return nil
	}
	if err := card.CheckURL(text); err != nil {
		return err
	}
	if u, err := url.Parse(text); err == nil && u.Scheme == "http" && !allowHTTP {
		return errors.New("plain HTTP shows AS2 IDs and file names to everybody on the way: ask for an https URL, or allow it with --allow-http")
	}
	return nil
}

func findStation(cfg *config.Config, name string) (*config.Station, error) {
	var names []string
	for _, s := range cfg.Stations {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("%q is no station of %s; there are: %s", name, cfg.Path, strings.Join(names, ", "))
}

// aboutCertificates describes certificates for whoever has to compare them.
func aboutCertificates(g *globals, certs []*x509.Certificate) string {
	return aboutEach(g, certs, keys.Doubts)
}

// aboutServer describes those of a web server.
func aboutServer(g *globals, certs []*x509.Certificate) string {
	return aboutEach(g, certs, keys.ServerDoubts)
}

func aboutEach(g *globals, certs []*x509.Certificate, doubts func(*x509.Certificate, time.Time) []string) string {
	var lines []string
	for _, c := range certs {
		s := describeCertificate(c, g.now())
		lines = append(lines, "subject  "+plain.Line(s.Subject), "SHA-256  "+card.Pairs(s.SHA256), fmt.Sprintf("valid    to %s, %d days left", when(s.NotAfter), s.DaysLeft))
		for _, d := range doubts(c, g.now()) {
			lines = append(lines, "attention: "+plain.Line(d))
		}
	}
	return strings.Join(lines, "\n")
}

// value is the partner as it stands in the file. The files are those of its certificates.
func (p *newPartner) value(certificates, servers []string) config.Value {
	v := config.Mapping()
	v.PutText("preset", p.preset)
	v.PutText("as2_id", p.as2ID)
	v.PutText("station", p.station)
	v.PutText("url", p.url)
	if p.allowHTTP {
		v.Put("allow_http", config.Yes())
	}
	var list []config.Value
	inLine := true
	for i, file := range certificates {
		item := config.Text(file)
		if c := p.certificates[i]; c.from != "" || c.signOnly {
			item, inLine = certificateValue(file, c.from, c.signOnly), false
		}
		list = append(list, item)
	}
	if all := config.List(list...); inLine {
		v.Put("certificates", all.InLine())
	} else {
		v.Put("certificates", all)
	}
	if len(servers) > 0 {
		v.Put("server_certificates", textList(servers))
	}
	sections := map[string]config.Value{"": v}
	for _, s := range p.settings {
		in, known := sections[s.Section]
		if !known {
			in = config.Mapping()
			sections[s.Section] = in
			v.Put(s.Section, in)
		}
		if s.List {
			in.Put(s.Key, textList(s.Values))
		} else {
			in.PutText(s.Key, s.Values[0])
		}
	}
	return v
}

func textList(texts []string) config.Value {
	var list []config.Value
	for _, t := range texts {
		list = append(list, config.Text(t))
	}
	return config.List(list...).InLine()
}

// certificateValue is an item of certificates, in one line.
func certificateValue(file, from string, signOnly bool) config.Value {
	v := config.Mapping()
	v.PutText("file", file)
	v.PutText("encrypt_from", from)
	if signOnly {
		v.PutText("use", "sign")
	}
	return v.InLine()
}

// certificateFiles are the copies of certificates that a command made.
type certificateFiles struct {
	cfg  *config.Config
	made []string // files, and folders behind them
}

// forget removes them.
func (f *certificateFiles) forget() error {
	var err error
	for _, name := range f.made {
		err = errors.Join(err, os.Remove(name))
	}
	f.made = nil
	return err
}

// copy writes certificates into the folder partners beside the config, and returns the path
// as the config has it. The same certificates are not written twice, others never over.
func (f *certificateFiles) copy(base string, certs []*x509.Certificate) (string, error) {
	dir := filepath.Join(filepath.Dir(f.cfg.Path), "partners")
	if err := f.folder(dir); err != nil {
		return "", err
	}
	for _, name := range []string{base + ".pem", base + "-" + keys.Fingerprint(certs[0])[:8] + ".pem"} {
		path := filepath.Join(dir, name)
		there, err := keys.Certificates(path)
		switch {
		case err == nil && slices.EqualFunc(there, certs, (*x509.Certificate).Equal):
			return "partners/" + name, nil
		case err == nil || !errors.Is(err, os.ErrNotExist):
			continue
		}
		if err := keys.WriteCertificates(path, certs); err != nil {
			return "", err
		}
		f.made = slices.Insert(f.made, 0, path)
		return "partners/" + name, f.like(path)
	}
	return "", fmt.Errorf("%s holds other certificates under every name that this one could have: %s.pem", dir, base)
}

// folder makes a folder that whoever reads the config can look into.
func (f *certificateFiles) folder(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := access.MkdirAll(dir); err != nil {
		return err
	}
	f.made = append(f.made, dir)
	above, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return access.Like(dir, above)
}

// like lets whoever reads the config read a file too.
func (f *certificateFiles) like(path string) error {
	info, err := os.Stat(f.cfg.Path)
	if err != nil {
		return err
	}
	return access.Like(path, info)
}

// write writes a partner, after it has shown what changes and was allowed to. ask is nil
// where nobody can be asked: yes says then that it may.
func (p *newPartner) write(g *globals, cfg *config.Config, ask *asker, yes, dry bool) (err error) {
	files := &certificateFiles{cfg: cfg}
	defer func() { err = errors.Join(err, files.forget()) }()
	var certificates, servers []string
	for i, c := range p.certificates {
		base := p.name
		if i > 0 {
			base += fmt.Sprintf("-%d", i+1)
		}
		file, err := files.copy(base, c.certs)
		if err != nil {
			return err
		}
		certificates = append(certificates, file)
	}
	for i, certs := range p.servers {
		base := p.name + "-tls"
		if i > 0 {
			base += fmt.Sprintf("-%d", i+1)
		}
		file, err := files.copy(base, certs)
		if err != nil {
			return err
		}
		servers = append(servers, file)
	}
	text, err := config.AddPartner([]byte(cfg.Text), p.name, p.value(certificates, servers))
	if err != nil {
		return editError(cfg, err)
	}
	done, err := files.apply(g, text, "partners."+p.name, ask, yes, dry)
	if err != nil || !done {
		return err
	}
	fmt.Fprintf(g.out, "\nNext:\n  as2drop partner test %s%s\n  as2drop partner card %s%s   what %s needs to know of us\n", p.name, configArg(cfg), p.name, configArg(cfg), p.name)
	return nil
}

// configArg is the flag that names a config which is not the default one.
func configArg(cfg *config.Config) string {
	if cfg.Path == configFile() {
		return ""
	}
	return " -c " + cfg.Path
}

// editError names the file.
func editError(cfg *config.Config, err error) error {
	var e *config.EditError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", cfg.Path, err)
	}
	return err
}

// apply shows how the config is to change, and writes it if that is wanted. Whatever else
// would change with it is a reason to refuse. done says that the config has changed, which
// may be so with an error too: then the copies belong to it and stay.
func (f *certificateFiles) apply(g *globals, text []byte, only string, ask *asker, yes, dry bool) (done bool, err error) {
	cfg := f.cfg
	d, err := config.NewDraft(cfg, text, g.now())
	if err != nil {
		return false, exit{exitUsage, fmt.Errorf("nothing was changed, for the config would not be right:\n%w", err)}
	}
	for _, c := range d.Changes {
		if c.Path != only && !strings.HasPrefix(c.Path, only+".") && !strings.HasPrefix(c.Path, only+"[") && !strings.HasPrefix(c.Path, only+" ") {
			return false, fmt.Errorf("nothing was changed, for %s would change too: %s", c.Path, c.Text)
		}
	}
	fmt.Fprintf(g.out, "\n%s", d.Text())
	for _, w := range d.Config.Warnings {
		if strings.HasPrefix(w.Path, only) {
			fmt.Fprintf(g.out, "warning: %v\n", w)
		}
	}
	if dry {
		fmt.Fprintln(g.out, "\nNothing was written (--dry-run).")
		return false, nil
	}
	if !yes {
		if ask == nil {
			return false, exit{exitUsage, errors.New("nothing was written: there is no terminal to ask at; look at the above, and say --yes")}
		}
		if ok, err := ask.yes("Write it?"); err != nil || !ok {
			fmt.Fprintln(g.out, "Nothing was written.")
			return false, err
		}
	}
	backup, err := d.Write(g.now())
	if backup != "" { // with a copy of what was there it is in its place
		f.made = nil
	}
	if err != nil {
		return backup != "", err
	}
	fmt.Fprintf(g.out, "\nWritten to %s; as it was: %s\n", cfg.Path, backup)
	if agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "The running agent takes it by itself; as2drop status tells when it has.")
	} else {
		fmt.Fprintln(g.out, "No agent is running; the next one begins with it.")
	}
	return true, nil
}

// sameBytes reports whether a file has a content; one that is not there has none.
func sameBytes(file string, content []byte) (same, there bool, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	return bytes.Equal(b, content), true, err
}
