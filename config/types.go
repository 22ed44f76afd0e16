package config

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/naming"
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
	Listen     []Listener
	Stations   []*Station // in the order of the file
	Partners   []*Partner // in the order of the file
}

// Listener is an address where messages are received.
type Listener struct {
	Address         string
	Path            string
	CertificateFile string
	KeyFile         string
	Certificates    []*x509.Certificate
	Key             crypto.Signer
	BehindProxy     bool
}

// KeyPair is one certificate of ours with its key.
type KeyPair struct {
	CertificateFile, KeyFile string
	Certificate              *x509.Certificate
	Key                      crypto.Signer
}

// Station is one of our AS2 identities.
type Station struct {
	Name  string
	AS2ID string
	Keys  []KeyPair // the first one signs; all of them open
}

// Partner is the other side and everything agreed with it.
type Partner struct {
	Name             string
	AS2ID            string
	StationName      string
	Station          *Station
	Folder           string
	URL              string
	AllowHTTP        bool
	CertificateFiles []string
	Certificates     []*x509.Certificate // the first one is encrypted to; all may sign
	ServerFiles      []string
	Server           []*x509.Certificate
	Send             Send
	Receive          Receive
	Naming           naming.Config
	Rules            *naming.Rules
	LateWindow       time.Duration
	Outbox           Outbox
	Inbox            Inbox
	Retry            Retry
	Timeouts         Timeouts
	EvidenceUpTo     int64
	Line             int // of the partner's name
	FolderLine       int
}

// Send is how messages to a partner are made.
type Send struct {
	Sign            cms.Digest // NoDigest = unsigned
	Cipher          cms.Cipher // NoCipher = not encrypted
	Compress        string     // none, before-sign, after-sign
	Receipt         string     // signed, unsigned, none
	AcceptNoMIC     bool
	AcceptDuplicate bool
	Subject         string
	Parallel        int
}

// Receive is what a partner's messages must be.
type Receive struct {
	Signed, Encrypted bool
	MaxMessage        int64
	MaxEntries        int
	MaxUnpacked       int64
	MaxRatio          int64
}

// Outbox is how files are picked up.
type Outbox struct {
	Bundle       string // always, with-attachments, never
	Poll         time.Duration
	Rescan       schedule.Schedule
	Window       schedule.Window
	WaitingAlarm time.Duration
	rescan       string
	window       string
}

// Inbox is how files are delivered.
type Inbox struct {
	Unpack     string // auto, never
	BrokenZip  string // keep, reject
	OnConflict string // rename, reject
	Layout     string // files, batch
}

// Retry is how often and how long a transfer is tried.
type Retry struct {
	Attempts    int
	First, Max  time.Duration
	Factor      float64
	Jitter      float64
	GiveUpAfter time.Duration
}

// Timeouts bound one attempt.
type Timeouts struct {
	Connect, Stall, Answer time.Duration
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
