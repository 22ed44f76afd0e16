package card

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/plain"
)

// Bounds of a card from outside.
const (
	maxFile  = 1 << 20 // bytes
	maxItems = 32      // of each list
	maxText  = 2000    // characters of a text
	maxURL   = 2000    // bytes
	maxChain = 16      // certificates behind one another
)

// Read reads a card from a file.
func Read(file string) (*Card, error) {
	b, err := fsx.ReadPath(file, maxFile)
	if err != nil {
		return nil, err
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Parse reads a card. On an error there is none.
func Parse(b []byte) (*Card, error) {
	switch {
	case len(b) > maxFile:
		return nil, fmt.Errorf("longer than %d bytes: a card has a few thousand", maxFile)
	case !utf8.Valid(b):
		return nil, errors.New("not UTF-8: a card is the .json file that as2drop partner card wrote")
	case bytes.HasPrefix(bytes.TrimSpace(b), []byte("<")):
		return nil, errors.New("this is HTML or XML, which is for people: ask for the .json file beside it; CPP and CPA are not read")
	}
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("this is no JSON: %w", err)
	}
	switch {
	case head.Format != Format:
		return nil, fmt.Errorf("its format is %q, not %q: it is no card of a partner", shorten(head.Format), Format)
	case head.Version != Version:
		return nil, fmt.Errorf("it is a card of version %d, and this as2drop reads version %d: ask for one of that version, or update", head.Version, Version)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	c := &Card{}
	if err := dec.Decode(c); err != nil {
		return nil, fmt.Errorf("it is no card of version %d: %s", Version, plain.Line(err.Error()))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something stands behind the card")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// check makes sure that a card says nothing that is too much, unreadable or untrue.
func (c *Card) check() error {
	if len(c.Identities) == 0 || len(c.Identities) > maxItems || len(c.IPs) > maxItems || len(c.Client) > maxItems {
		return fmt.Errorf("identities, client_certificates and ip_addresses have 1 to %d items", maxItems)
	}
	ids := map[string]bool{}
	for i := range c.Identities {
		id := &c.Identities[i]
		if ids[id.AS2ID] {
			return fmt.Errorf("the AS2 ID %q is there twice", shorten(id.AS2ID))
		}
		ids[id.AS2ID] = true
		if err := id.check(); err != nil {
			return fmt.Errorf("identities[%d]: %w", i, err)
		}
	}
	for _, list := range [][]Certificate{c.Server.Certificates, c.Client} {
		if err := checkCertificates(list); err != nil {
			return err
		}
	}
	for _, ip := range c.IPs {
		if _, _, err := net.ParseCIDR(ip); err != nil && net.ParseIP(ip) == nil {
			return fmt.Errorf("%q is no IP address", shorten(ip))
		}
	}
	if c.Sends.ReceiptURL != "" {
		if err := CheckURL(c.Sends.ReceiptURL); err != nil {
			return fmt.Errorf("receipt_url: %w", err)
		}
	}
	if err := checkText("contact", c.Contact); err != nil {
		return err
	}
	return c.checkWords()
}

func (i *Identity) check() error {
	if i.Use != Production && i.Use != Test {
		return fmt.Errorf("use is %q, not %q or %q", shorten(i.Use), Production, Test)
	}
	if err := as2.CheckName(i.AS2ID); err != nil {
		return err
	}
	if len(i.URLs) == 0 || len(i.URLs) > maxItems {
		return fmt.Errorf("it has %d URLs, and 1 to %d make sense", len(i.URLs), maxItems)
	}
	for _, u := range i.URLs {
		if err := CheckURL(u); err != nil {
			return err
		}
	}
	if len(i.Certificates) == 0 {
		return errors.New("it has no certificate")
	}
	return checkCertificates(i.Certificates)
}

// CheckURL reports why a URL from outside is not taken. A host is plain ASCII: letters of
// other alphabets can look like those of another host.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Errorf("a URL has more than %d bytes", maxURL)
	case strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0:
		return fmt.Errorf("the URL %+q has characters other than ASCII, or blanks: letters of other alphabets can look like another host; ask for the URL in ASCII", shorten(text))
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is no URL that begins with https:// or http://", shorten(text))
	case u.User != nil:
		return errors.New("the URL has a user name or password in it; those belong into files of their own")
	case u.Fragment != "":
		return fmt.Errorf("the URL %q has a # in it", shorten(text))
	}
	return nil
}

func checkCertificates(list []Certificate) error {
	if len(list) > maxItems {
		return fmt.Errorf("more than %d certificates", maxItems)
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	return nil
}

// check reads a certificate and holds what is said of it against it.
func (c *Certificate) check() error {
	if strings.Contains(c.PEM, "PRIVATE KEY") {
		return errors.New("there is a private key in it: its owner must not use that key any more, tell him")
	}
	certs, err := keys.ParseCertificates([]byte(c.PEM))
	if err != nil {
		return err
	}
	if len(certs) > maxChain {
		return fmt.Errorf("%d certificates behind one another", len(certs))
	}
	leaf := certs[0]
	sum := sha1.Sum(leaf.Raw)
	for _, f := range []struct{ name, stated, is string }{{"sha256", c.SHA256, keys.Fingerprint(leaf)}, {"sha1", c.SHA1, hex.EncodeToString(sum[:])},
		{"subject", c.Subject, plain.Line(leaf.Subject.String())}, {"valid_until", c.Until, leaf.NotAfter.UTC().Format(time.RFC3339)}} {
		if f.stated != f.is {
			return fmt.Errorf("%s is stated as %q, and that of the certificate is %q: the card was changed, or made by hand", f.name, shorten(f.stated), shorten(f.is))
		}
	}
	if c.From != "" {
		if _, err := time.Parse(time.RFC3339, c.From); err != nil {
			return fmt.Errorf("from is %q, and no moment such as 2027-01-31T00:00:00Z", shorten(c.From))
		}
	}
	if err := within("use", c.Use, "sign", "encrypt", "tls"); err != nil {
		return err
	}
	c.Chain = certs
	return nil
}

// within makes sure that each word of a list is known.
func within(name string, words []string, known ...string) error {
	if len(words) > maxItems {
		return fmt.Errorf("%s has more than %d words", name, maxItems)
	}
	for _, w := range words {
		if !slices.Contains(known, w) {
			return fmt.Errorf("%s says %q, which is none of %s", name, shorten(w), strings.Join(known, ", "))
		}
	}
	return nil
}

func checkText(name, text string) error {
	if utf8.RuneCountInString(text) > maxText {
		return fmt.Errorf("%s is longer than %d characters", name, maxText)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			return fmt.Errorf("%s has the character %U, which is not printed", name, r)
		}
	}
	return nil
}

// shorten makes a text from outside fit for an error.
func shorten(s string) string {
	const most = 100
	s = plain.Line(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
