package card

import (
	"bytes"
	_ "embed" // for the template
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// JSON is the card for machines.
func (c *Card) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(c)
	return b.Bytes(), err
}

// fact is a line of the card for people.
type fact struct{ Name, Value string }

// HTML is the card as a page for people: one file, which asks no other for anything.
func (c *Card) HTML() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"pairs": Pairs, "day": day}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		*Card
		Title                   string
		SendFacts, AcceptFacts  []fact
		Changes                 []string
		ServerText, AddressText string
	}{c, c.Identities[0].AS2ID, c.sendFacts(), c.acceptFacts(), c.Changes(), c.serverText(), strings.Join(c.IPs, ", ")})
	return b.Bytes(), err
}

// Text is the card as plain text, without the certificates themselves.
func (c *Card) Text() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("AS2 connection details")
	p("======================")
	for _, line := range c.Changes() {
		p("\n%s", line)
	}
	for _, i := range c.Identities {
		p("\n%s\n", strings.ToUpper(i.Use))
		p("  AS2 ID         %s", i.AS2ID)
		for _, u := range i.URLs {
			p("  URL            %s", u)
		}
		for _, cert := range i.Certificates {
			cert.text(&b)
		}
	}
	p("\nWEB SERVER\n\n  %s", c.serverText())
	for _, cert := range c.Server.Certificates {
		cert.text(&b)
	}
	for _, cert := range c.Client {
		p("\n  Our client certificate, for servers that ask for one:")
		cert.text(&b)
	}
	if len(c.IPs) > 0 {
		p("\n  We connect from %s", strings.Join(c.IPs, ", "))
	}
	for _, part := range []struct {
		title string
		facts []fact
	}{{"WHAT WE SEND", c.sendFacts()}, {"WHAT WE ACCEPT", c.acceptFacts()}} {
		p("\n%s\n", part.title)
		for _, f := range part.facts {
			p("  %-14s %s", f.Name, f.Value)
		}
	}
	if c.Contact != "" {
		p("\nCONTACT\n\n  %s", strings.ReplaceAll(c.Contact, "\n", "\n  "))
	}
	p("\nCompare the fingerprints with us over the telephone before you trust them.")
	return b.Bytes()
}

func (c *Certificate) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n  Certificate    %s, for %s\n", c.Subject, c.Purpose())
	if c.From != "" {
		fmt.Fprintf(b, "  used from      %s\n", day(c.From))
	}
	fmt.Fprintf(b, "  valid until    %s\n  SHA-256        %s\n  SHA-1          %s\n", day(c.Until), Pairs(c.SHA256), Pairs(c.SHA1))
}

// Purpose says what a certificate is for.
func (c Certificate) Purpose() string {
	var words []string
	for _, use := range c.Use {
		words = append(words, map[string]string{"sign": "signatures", "encrypt": "encryption to it", "tls": "TLS"}[use])
	}
	return strings.Join(words, " and ")
}

// Changes announce certificates that come into use later.
func (c *Card) Changes() (lines []string) {
	for _, i := range c.Identities {
		for _, cert := range i.Certificates {
			if cert.From != "" {
				lines = append(lines, fmt.Sprintf("CHANGE OF CERTIFICATE: %s signs with the certificate of SHA-256 %s from %s on. Until then the present one stays in use. Please trust both for signatures from now on, and encrypt to the new one from that moment on; we open what is encrypted to either.",
					i.AS2ID, Pairs(cert.SHA256), day(cert.From)))
			}
		}
	}
	return lines
}

func (c *Card) serverText() string {
	switch {
	case len(c.Server.Certificates) == 0:
		return "TLS " + c.Server.TLS + " or higher."
	case c.Server.SelfSigned:
		return "TLS " + c.Server.TLS + " or higher. Its certificate is self-signed: please trust exactly this one."
	}
	return "TLS " + c.Server.TLS + " or higher. An authority vouches for its certificate, which may change without notice."
}

func (c *Card) sendFacts() []fact {
	s := c.Sends
	delivery := s.ReceiptDelivery
	if s.ReceiptURL != "" {
		delivery += ", to " + s.ReceiptURL
	}
	signature := s.Sign
	if s.Sign != "none" {
		signature += map[string]string{"pkcs1": ", RSA PKCS#1 v1.5 (or ECDSA with such a key)", "pss": ", RSASSA-PSS"}[s.Signature]
	}
	encryption := s.Encrypt
	if encryption != "none" {
		encryption += ", key transport " + s.KeyTransport
	}
	return []fact{{"AS2 version", s.Version}, {"Signature", signature}, {"Encryption", encryption}, {"Compression", s.Compress},
		{"Receipt (MDN)", s.Receipt}, {"MDN delivery", delivery}, {"MIC digests", strings.Join(s.MICs, ", ")}}
}

func (c *Card) acceptFacts() []fact {
	a := c.Accepts
	orNone := func(list []string) string {
		if len(list) == 0 {
			return "nothing"
		}
		return strings.Join(list, ", ")
	}
	facts := []fact{{"Required", orNone(a.Require)}, {"Signatures", strings.Join(a.Digests, ", ")}, {"Encryption", strings.Join(a.Ciphers, ", ")},
		{"Key transport", strings.Join(a.KeyTransports, ", ")}, {"Compression", map[bool]string{true: "accepted", false: "not accepted"}[a.Compression]},
		{"Receipts", strings.Join(a.Receipts, ", ")}, {"Size", fmt.Sprintf("up to %d MiB", a.MaxMessage>>20)}}
	if len(a.Credentials) > 0 {
		facts = append(facts, fact{"Credentials", strings.Join(a.Credentials, ", ")})
	}
	return facts
}

// Pairs writes a fingerprint as people read it aloud.
func Pairs(hex string) string {
	var b strings.Builder
	for i := 0; i+1 < len(hex); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex[i : i+2]))
	}
	return b.String()
}

// day writes a moment of a card for people.
func day(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text // a card was checked before
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
