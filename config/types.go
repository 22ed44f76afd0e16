package config

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is a config.yaml that was read, with everything it names.
type Config struct {
	Path     string // of the file
	Text     string // the file as it is
	Hash     string // SHA-256 of Text, hexadecimal
	Warnings []Error

	DataDir    string
	ZoneName   string
	Location   *time.Location
	Reserve    int64 // bytes to keep free on each volume
	CreateKeys bool
	Retention  Housekeeping
	Access     Access
	Listen     []Listener
	Health     Health
	Log        []Log // in the order of the file; empty = stderr
	Console    Console
	Alarms     Alarms
	Stations   []*Station // in the order of the file
	Partners   []*Partner // in the order of the file

	// Secrets are the files, with absolute or resolved paths, that hold keys and passwords
	// of ours.
	Secrets []string
	// Files are the files that were read, as they were just before: the config itself,
	// certificates, keys, secrets. Who waits for changes looks at them.
	Files map[string]Stamp

	said map[string]said
}

// Partner is the one of a name, nil if there is none.
func (c *Config) Partner(name string) *Partner {
	i := slices.IndexFunc(c.Partners, func(p *Partner) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return c.Partners[i]
}

// Listener is an address where messages are received.
type Listener struct {
	Address         string
	Path            string
	PublicURL       string // as partners reach it
	CertificateFile string
	KeyFile         string
	Certificates    []*x509.Certificate
	Key             crypto.Signer
	BehindProxy     bool
	AuthorityFiles  []string
	Authorities     []*x509.Certificate // of client certificates
}

// Health is where others can ask how the agent is.
type Health struct {
	Address string // empty = nowhere
}

// Error is one mistake in the file.
type Error struct {
	File string
	Line int    // from 1
	Path string // such as partners.acme.url
	Fact string
	Hint string
}

func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Fact)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Errors is every mistake of a file, in the order of its lines.
type Errors []Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}
