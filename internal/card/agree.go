package card

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
)

// checkWords makes sure that the algorithms of a card have names that are known.
func (c *Card) checkWords() error {
	digests := []string{}
	for _, d := range []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512} {
		digests = append(digests, d.String())
	}
	s, a := c.Sends, c.Accepts
	one := func(s string) []string { return []string{s} }
	for _, w := range []struct {
		name         string
		words, known []string
	}{
		{"server.tls", one(c.Server.TLS), []string{"1.2", "1.3"}}, {"sends.as2_version", one(s.Version), as2.Versions},
		{"sends.sign", one(s.Sign), append(slices.Clone(digests), "none")}, {"sends.signature", one(s.Signature), []string{"pkcs1", "pss"}},
		{"sends.encrypt", one(s.Encrypt), append(cms.Ciphers(), "none")}, {"sends.key_transport", one(s.KeyTransport), cms.KeyTransports()},
		{"sends.compress", one(s.Compress), []string{"none", "before-sign", "after-sign"}}, {"sends.receipt", one(s.Receipt), []string{"signed", "unsigned", "none"}},
		{"sends.receipt_delivery", one(s.ReceiptDelivery), []string{"sync", "async"}}, {"sends.receipt_micalgs", s.MICs, digests},
		{"accepts.require", a.Require, []string{"signed", "encrypted"}}, {"accepts.digests", a.Digests, digests}, {"accepts.ciphers", a.Ciphers, cms.Ciphers()},
		{"accepts.key_transports", a.KeyTransports, cms.KeyTransports()}, {"accepts.receipts", a.Receipts, []string{"sync", "async", "signed", "unsigned"}},
		{"accepts.credentials", a.Credentials, []string{"basic", "bearer", "client certificate"}},
	} {
		if err := within(w.name, w.words, w.known...); err != nil {
			return err
		}
	}
	return nil
}

// Setting is one key of a partner in the config, such as send.encrypt.
type Setting struct {
	Section, Key string // Section empty = of the partner itself
	Values       []string
	List         bool
}

// Agreement is what a card of somebody else means for our config.
type Agreement struct {
	Settings []Setting
	Weak     []string // what would leave us less protected than our defaults do
	ToDo     []string // what only a person can settle
}

// Agree says what has to be set, beyond our defaults, to talk to whoever made a card.
func (c *Card) Agree(i Identity) Agreement {
	var a Agreement
	c.sendTo(&a)
	c.takeFrom(&a, i)
	for _, u := range i.URLs {
		if strings.HasPrefix(u, "http://") {
			a.Weak = append(a.Weak, "the URL is plain HTTP: AS2 IDs and file names can be read on the way")
			a.set("", "allow_http", false, "true")
			break
		}
	}
	for _, kind := range c.Accepts.Credentials {
		a.ToDo = append(a.ToDo, fmt.Sprintf("they want us to show %s: ask them for it, and set client in the config", kind))
	}
	return a
}

func (a *Agreement) set(section, key string, list bool, values ...string) {
	a.Settings = append(a.Settings, Setting{section, key, values, list})
}

// sendTo chooses how to send, from what they accept.
func (c *Card) sendTo(a *Agreement) {
	if d, ok := best(c.Accepts.Digests, "sha-256", "sha-384", "sha-512", "sha-224", "sha1"); ok && d != "sha-256" {
		a.set("send", "sign", false, d)
		if d == "sha1" {
			a.Weak = append(a.Weak, "they verify no signature but with SHA-1, which is broken")
		}
	}
	if e, ok := best(c.Accepts.Ciphers, append([]string{"aes-256-cbc", "aes-256-gcm", "aes-192-cbc", "aes-128-cbc"}, cms.Ciphers()...)...); ok && e != "aes-256-cbc" {
		a.set("send", "encrypt", false, e)
		if cipher, err := cms.ParseCipher(e); err == nil && cipher.Legacy() {
			a.Weak = append(a.Weak, "they decrypt nothing better than "+e+", an old cipher")
		}
	}
	if t, ok := best(c.Accepts.KeyTransports, append([]string{"rsa"}, cms.KeyTransports()...)...); ok && t != "rsa" {
		a.set("send", "key_transport", false, t)
	}
	if !slices.Contains(c.Accepts.Receipts, "sync") && slices.Contains(c.Accepts.Receipts, "async") {
		a.set("send", "receipt_delivery", false, "async")
	}
	if !slices.Contains(c.Accepts.Receipts, "signed") && len(c.Accepts.Receipts) > 0 {
		a.set("send", "receipt", false, "unsigned")
		a.Weak = append(a.Weak, "they give no signed receipts: anybody on the way could write one")
	}
}

// takeFrom is what must be accepted, from what they send.
func (c *Card) takeFrom(a *Agreement, i Identity) {
	s := c.Sends
	var require []string
	if s.Sign != "none" {
		require = append(require, "signed")
	} else {
		a.Weak = append(a.Weak, "they do not sign: anybody could send in their name")
	}
	if s.Encrypt != "none" {
		require = append(require, "encrypted")
	} else {
		a.Weak = append(a.Weak, "they do not encrypt")
	}
	if len(require) < 2 {
		a.set("receive", "require", true, require...)
	}
	if s.Sign == "sha1" {
		a.Weak = append(a.Weak, "they sign with SHA-1, which is broken")
		a.set("receive", "digests", true, "sha1", "sha-224", "sha-256", "sha-384", "sha-512")
	}
	if cipher, err := cms.ParseCipher(s.Encrypt); err == nil && cipher.Legacy() {
		a.Weak = append(a.Weak, "they encrypt with "+s.Encrypt+", an old cipher")
		a.set("receive", "ciphers", true, s.Encrypt)
	}
	if s.ReceiptURL == "" {
		return
	}
	receipt, rerr := url.Parse(s.ReceiptURL)
	post, perr := url.Parse(i.URLs[0])
	if rerr == nil && perr == nil && receipt.Host != post.Host {
		a.set("receive", "receipt_hosts", true, receipt.Host)
		a.ToDo = append(a.ToDo, fmt.Sprintf("they want receipts at %s, which is another host than that of their URL: ask whether that is right", receipt.Host))
	}
}

// best is the first wish that is offered.
func best(offered []string, wishes ...string) (string, bool) {
	for _, w := range wishes {
		if slices.Contains(offered, w) {
			return w, true
		}
	}
	return "", false
}

// Pinned are the certificates of their web server that no authority vouches for.
func (c *Card) Pinned() (pinned []Certificate) {
	for _, s := range c.Server.Certificates {
		if keys.SelfSigned(s.Chain[0]) {
			pinned = append(pinned, s)
		}
	}
	return pinned
}
