package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/naming"
)

// finisher turns what was decoded into a complete Config: it resolves paths, reads
// files, compiles, and checks what needs the whole.
type finisher struct {
	*decoder
	config  *Config
	now     time.Time
	make    []pairToMake
	listens map[string]string              // the paths of those that listen, by address
	toMake  map[string]bool                // certificate files that create_keys is going to make
	rules   map[string]*naming.Rules       // compiled, by what they were made from: most partners have the same
	certs   map[string][]*x509.Certificate // of each file that was read: many partners may share it
	told    map[string]bool                // paths of which a mistake was reported that many partners may share
}

// pairToMake is a key pair of ours that is missing, and what wants it.
type pairToMake struct {
	path    string
	pair    *KeyPair
	request keys.Request
}

// resolve makes a path of the file absolute or relative to the file's folder.
func (f *finisher) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.config.Path), path)
}

// plan notes which key pairs of ours are to be made: those of which create_keys is
// said and no half exists.
func (f *finisher) plan() {
	if !f.config.CreateKeys {
		return
	}
	want := func(path string, pair *KeyPair, request keys.Request) {
		cert, key := f.resolve(pair.CertificateFile), f.resolve(pair.KeyFile)
		if cert == "" || key == "" || pair.PKCS12File != "" || f.toMake[cert] || !missing(cert) || !missing(key) {
			return
		}
		f.toMake[cert] = true
		request.Now = f.now
		f.make = append(f.make, pairToMake{path, pair, request})
	}
	for i := range f.config.Listen {
		l := &f.config.Listen[i]
		names := []string{"localhost"}
		if host, _, err := net.SplitHostPort(l.Address); err == nil && host != "" && host != "localhost" {
			names = []string{host, "localhost"}
		}
		want(fmt.Sprintf("listen[%d]", i), &KeyPair{CertificateFile: l.CertificateFile, KeyFile: l.KeyFile}, keys.Request{Name: names[0], Hosts: names})
	}
	if c := &f.config.Console; c.CertificateFile != "" {
		names := []string{"localhost", "127.0.0.1"}
		if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
			names = append([]string{u.Hostname()}, names...)
		}
		want("console", &KeyPair{CertificateFile: c.CertificateFile, KeyFile: c.KeyFile}, keys.Request{Name: names[0], Hosts: names})
	}
	for _, s := range f.config.Stations {
		for i := range s.Keys {
			want(fmt.Sprintf("stations.%s.keys[%d]", s.Name, i), &s.Keys[i], keys.Request{Name: s.AS2ID})
		}
	}
}

// makeKeys makes what was planned.
func (f *finisher) makeKeys() {
	for _, m := range f.make {
		cert, key := f.resolve(m.pair.CertificateFile), f.resolve(m.pair.KeyFile)
		if err := keys.Make(m.request, cert, key); err != nil {
			f.report(m.path, "", "the key pair could not be made: %v", err)
			continue
		}
		delete(f.toMake, cert)
		f.warn(m.path, "because of create_keys; give the certificate to the partner", "made %s and %s", cert, key)
	}
}

// pair reads a key pair of ours, with the chain of its certificate.
func (f *finisher) pair(path string, k *KeyPair) {
	if k.PKCS12File != "" || k.PasswordFile != "" {
		f.pkcs12(path, k)
		return
	}
	complete := true
	for _, half := range []struct{ name, file string }{{"certificate", k.CertificateFile}, {"key", k.KeyFile}} {
		if half.file == "" {
			f.report(path+"."+half.name, "", "is missing")
			complete = false
		}
	}
	if !complete || f.toMake[f.resolve(k.CertificateFile)] {
		return
	}
	if chain := f.certificates(path+".certificate", k.CertificateFile); len(chain) > 0 {
		k.Certificate, k.Chain = chain[0], chain[1:]
	}
	f.reads(k.KeyFile)
	key, err := keys.Private(f.resolve(k.KeyFile))
	if err != nil {
		f.fileError(path+".key", f.resolve(k.KeyFile), err)
		return
	}
	f.holdsKey(path+".key", key)
	f.exposed(path+".key", f.resolve(k.KeyFile))
	if k.Certificate != nil {
		if err := keys.Match(k.Certificate, key); err != nil {
			f.report(path, "the first certificate of the file must be the key's own", "%v", err)
		}
	}
	k.Key = key
}

// pkcs12 reads a key pair from one file.
func (f *finisher) pkcs12(path string, k *KeyPair) {
	switch {
	case k.PKCS12File == "":
		f.report(path+".password_file", "name the PKCS#12 file with pkcs12", "is the password of no file")
		return
	case k.CertificateFile != "" || k.KeyFile != "":
		f.report(path+".pkcs12", "keep either pkcs12 or certificate and key", "there is a certificate or key beside it")
		return
	}
	password := f.secret(path+".password_file", k.PasswordFile)
	if password == "" && k.PasswordFile != "" {
		return // that was said
	}
	file := f.resolve(k.PKCS12File)
	f.reads(file)
	key, chain, err := keys.LoadPKCS12(file, password)
	if err != nil {
		f.fileError(path+".pkcs12", file, err)
		return
	}
	f.holds(path+".pkcs12", chain)
	f.exposed(path+".pkcs12", file)
	f.validNow(path+".pkcs12", k.PKCS12File, chain[0])
	k.Certificate, k.Chain, k.Key = chain[0], chain[1:], key
}

// certificates reads one file of certificates and warns of those not valid now.
func (f *finisher) certificates(path, file string) []*x509.Certificate {
	if f.toMake[f.resolve(file)] {
		return nil
	}
	f.reads(file)
	full := f.resolve(file)
	certs, known := f.certs[full]
	if !known {
		var err error
		if certs, err = keys.Certificates(full); err != nil {
			f.fileError(path, full, err)
			return nil
		}
		f.certs[full] = certs
	}
	certs = slices.Clone(certs)
	f.holds(path, certs)
	for _, cert := range certs {
		f.validNow(path, file, cert)
	}
	return certs
}

// validNow warns of a certificate that is not valid now.
func (f *finisher) validNow(path, file string, cert *x509.Certificate) {
	from, to := cert.NotBefore.UTC().Format(time.DateOnly), cert.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case f.now.After(cert.NotAfter):
		f.warn(path, "ask for a new one, or make one if it is ours", "%s: certificate %q expired on %s", file, cert.Subject, to)
	case f.now.Before(cert.NotBefore):
		f.warn(path, "is the clock of this machine right?", "%s: certificate %q is not valid before %s", file, cert.Subject, from)
	}
}

// certificateList reads the files of a list.
func (f *finisher) certificateList(path string, files []string) (all []*x509.Certificate) {
	for i, file := range files {
		all = append(all, f.certificates(fmt.Sprintf("%s[%d]", path, i), file)...)
	}
	return all
}

func (f *finisher) warn(path, hint, format string, args ...any) {
	f.config.Warnings = append(f.config.Warnings, Error{f.file, f.line(path), path, fmt.Sprintf(format, args...), hint})
}

func (f *finisher) fileError(path, file string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		f.report(path, "paths are relative to the folder of the config", "the file %s does not exist", file)
		return
	}
	hint := ""
	if errors.Is(err, keys.ErrPKCS12) && strings.HasPrefix(path, "stations.") {
		hint = "or name it with pkcs12 and password_file"
	}
	f.report(path, hint, "%v", err)
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
