package config

import (
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// algorithms refuses old algorithms for partners of version 1.3, and warns of them for
// all others (draft rfc4130bis: weak algorithms must not be generated between 1.3
// partners).
func (f *finisher) algorithms(p *Partner) {
	path := "partners." + p.Name
	old := func(at, name, remedy string) {
		if p.Version == "1.3" {
			f.report(at, remedy+", or say as2_version: \"1.2\"", "%s is too old for AS2 1.3", name)
			return
		}
		f.warn(at, "for old partners only; "+remedy+" as soon as they can", "%s is no longer secure", name)
	}
	if p.Send.Sign == cms.SHA1 {
		old(path+".send.sign", "SHA-1", "use sha-256")
	}
	if p.Send.Cipher.Legacy() {
		old(path+".send.encrypt", p.Send.Cipher.String(), "use aes-256-cbc")
	}
	for i, d := range p.Send.MICDigests {
		if d == cms.SHA1 {
			old(item(path+".send.receipt_micalgs", i), "SHA-1", "remove it")
		}
	}
	for i, c := range p.Receive.Legacy {
		old(item(path+".receive.ciphers", i), c.String(), "remove it")
	}
	for i, d := range p.Receive.Digests {
		if d == cms.SHA1 {
			old(item(path+".receive.digests", i), "SHA-1", "remove it")
		}
	}
	if p.Version == "1.0" && p.Send.Compress != "none" {
		f.report(path+".send.compress", "remove it, or say as2_version: \"1.1\"", "AS2 1.0 knows no compression")
	}
	if len(p.Receive.Digests) == 0 {
		f.report(path+".receive.digests", "leave it out for the default", "no digest is accepted")
	}
}

// stationOverTime checks the keys of a station, when they have been read.
func (f *finisher) stationOverTime(s *Station) {
	if len(s.Keys) == 0 {
		return
	}
	paths := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		if k.Certificate == nil {
			return // that was said
		}
		paths[i] = fmt.Sprintf("stations.%s.keys[%d]", s.Name, i)
	}
	f.expiry(paths, s.candidates(), "signs", "make the next one, give its certificate to the partners and add it to the list")
	if s.Recipient() == nil {
		f.warn("stations."+s.Name+".keys", "add a pair with an RSA key", "no key of the station is an RSA key, nothing can be decrypted")
	}
}

// forms are the values of outbox.bundle in a few words.
var forms = map[string]string{
	"always": "in a zip", "with-attachments": "with attachments in a zip", "never": "without attachments", "multipart": "attachments as parts of a multipart",
	"embedded": "attachments inside of the document",
}

// Summary says in one line how messages to and from the partner are protected.
func (p *Partner) Summary() string {
	s := p.Send
	out := []string{"AS2 " + p.Version}
	add := func(yes bool, format string, args ...any) {
		if yes {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(p.URL == "", "nothing is sent")
	if p.URL != "" {
		add(true, "%s", forms[p.Outbox.Bundle])
		add(s.Sign == cms.NoDigest, "unsigned")
		add(s.Sign != cms.NoDigest, "signed with %v", s.Sign)
		add(s.Cipher == cms.NoCipher, "not encrypted")
		add(s.Cipher != cms.NoCipher, "encrypted with %v", s.Cipher)
		add(s.Compress != "none", "compressed %s", s.Compress)
		delivery := "at once"
		if s.Async {
			delivery = "later at " + s.ReceiptURL
		}
		add(s.Receipt == "none", "no receipt")
		add(s.Receipt != "none", "%s receipt %s", s.Receipt, delivery)
	}
	var demands []string
	for _, d := range []struct {
		wanted bool
		word   string
	}{{p.Receive.Signed, "signed"}, {p.Receive.Encrypted, "encrypted"}} {
		if d.wanted {
			demands = append(demands, d.word)
		}
	}
	takes := "anything"
	if len(demands) > 0 {
		takes = "what is " + strings.Join(demands, " and ")
	}
	for _, c := range p.Receive.Legacy {
		takes += ", also " + c.String()
	}
	return strings.Join(out, ", ") + "; takes " + takes
}
