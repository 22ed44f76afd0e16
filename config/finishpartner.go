package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/naming"
)

func (f *finisher) partner(p *Partner) {
	c, path := f.config, "partners."+p.Name
	p.Location = f.zone(path+".time_zone", p.ZoneName, c.Location)
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
	f.partnerCertificates(p, path)
	f.receipts(p, path)
	f.client(p, path)
	if p.Send.AcceptNoMIC && p.Send.Sign != cms.NoDigest && p.Send.Receipt == "signed" {
		f.report(path+".send.accept_missing_mic", "remove it, or set sign: none, or receipt: unsigned", "does not work where both message and receipt are signed")
	}
	f.naming(p, path+".naming")
	f.schedules(p, path)
	f.retention(p, path)
	f.access(p, path)
	f.order(p, path)
	f.checks(p, path+".outbox.checks")
	f.bundle(p, path)
	f.hooks(p, path+".hooks")
	f.expected(p, path+".expect")
}

// bundle refuses to hide the names by which document and attachments are known to belong
// together.
func (f *finisher) bundle(p *Partner, path string) {
	if p.Outbox.Bundle == "multipart" && p.Quirks.NoFilename {
		f.report(path+".quirks.no_filename", "remove it, or choose another form for outbox.bundle", "with bundle: multipart the partner would get attachments without names, and could not tell which is which")
	}
}

// order refuses several transfers at once where one must be settled before the next.
func (f *finisher) order(p *Partner, path string) {
	if p.Outbox.Order != "strict" {
		return
	}
	if at := path + ".send.parallel"; f.lines[at] > 0 && p.Send.Parallel > 1 {
		f.report(at, "remove it, or set order: free", "%d transfers cannot be under way at once where outbox.order is strict", p.Send.Parallel)
	}
	p.Send.Parallel = 1
}

// partnerCertificates checks what there is to verify with and to encrypt to.
func (f *finisher) partnerCertificates(p *Partner, path string) {
	at := path + ".certificates"
	var sign, encrypt bool
	for i, c := range p.Certificates {
		item := fmt.Sprintf("%s[%d]", at, i)
		if c.File == "" {
			f.report(item+".file", "", "is missing")
		}
		c.EncryptFrom, c.Until = f.moment(item+".encrypt_from", c.encryptFrom, p.Location), f.moment(item+".until", c.until, p.Location)
		if !c.Until.IsZero() && !c.EncryptFrom.Before(c.Until) {
			f.report(item+".until", "", "is not after encrypt_from")
		}
		sign, encrypt = sign || c.Sign, encrypt || c.Encrypt
	}
	authorities := len(p.Trust.AuthorityFiles) > 0
	encrypts := p.URL != "" && p.Send.Cipher != cms.NoCipher
	switch {
	case len(p.Certificates) == 0 && (!authorities || encrypts):
		f.report(at, "ask the partner for the certificate it signs and decrypts with", "it has none")
	case !encrypt && encrypts:
		f.report(at, "one of them must be for encrypt", "none of them is encrypted to")
	case !sign && !authorities:
		f.report(at, "one of them must be for sign, or trust.authorities must name who may issue one", "none of them may sign")
	}
	switch {
	case authorities && p.Trust.Subject == "":
		f.report(path+".trust.subject", "write the common name, or the whole subject, of the partner's certificates", "is missing: any customer of the authority could sign")
	case !authorities && p.Trust.Subject != "":
		f.report(path+".trust.subject", "list the authorities, or remove it", "is of no use without authorities")
	}
}

func (f *finisher) url(p *Partner, path string) {
	if p.URL == "" {
		return
	}
	if u := f.httpURL(path, p.URL, "https://as2.example.com/as2"); u != nil && u.Scheme == "http" && !p.AllowHTTP {
		f.report(path, "use https, or set allow_http: true", "plain HTTP shows AS2 IDs and file names to everybody on the way")
	}
}

// httpURL reads a URL without credentials; nil after a mistake.
func (f *finisher) httpURL(path, text, example string) *url.URL {
	u, err := url.Parse(text)
	switch {
	case err == nil && u.User != nil:
		f.report(path, "the text of this file is kept in the ledger", "must not contain a user name or password")
	case err != nil || u.Hostname() == "":
		f.report(path, "write for example "+example, "%q is no URL", text)
	case u.Scheme != "http" && u.Scheme != "https":
		f.report(path, "", "must begin with https:// or http://, is %q", text)
	default:
		return u
	}
	return nil
}

// namingFields are the keys of the file for the fields that package naming names.
var namingFields = map[string]string{
	"Documents": "documents", "Attachments": "attachments", "DocumentExpr": "document_regexp", "AttachmentExpr": "attachment_regexp",
	"Ignore": "ignore", "Complete": "complete", "Quiet": "quiet", "Marker": "marker", "Resend": "resend",
}

func (f *finisher) naming(p *Partner, path string) {
	same := fmt.Sprintf("%#v", p.Naming)
	if p.Rules = f.rules[same]; p.Rules != nil {
		return
	}
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
	p.Rules, f.rules[same] = rules, rules
}
