package config

import (
	"crypto/x509"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/naming"
)

// Partner is the other side and everything agreed with it.
type Partner struct {
	Name         string
	ZoneName     string
	Location     *time.Location // of schedules and moments
	Preset       string         // whose values are the defaults; empty = none
	AS2ID        string
	Version      string // AS2-Version: 1.0, 1.1, 1.2 or 1.3
	StationName  string
	Station      *Station
	Folder       string
	URL          string
	AllowHTTP    bool
	Certificates []*Certificate
	Trust        Trust
	ServerFiles  []string
	Server       []*x509.Certificate
	Client       Client
	Send         Send
	Receive      Receive
	Quirks       Quirks
	Naming       naming.Config
	Rules        *naming.Rules
	LateWindow   time.Duration
	Outbox       Outbox
	Inbox        Inbox
	Retry        Retry
	Timeouts     Timeouts
	Hooks        Hooks
	Expect       Expected
	EvidenceUpTo int64
	Retention    Retention // completed by what is said for all
	Access       Access    // the same
	Line         int       // of the partner's name
	FolderLine   int
}

// Trust is who may sign beside the partner's certificates themselves.
type Trust struct {
	AuthorityFiles []string
	Authorities    []*x509.Certificate
	Subject        string // of the signer's certificate
	Strict         bool   // expired certificates do not count
}

// Client is how we show who we are to a partner's web server, and the way there.
type Client struct {
	Identity   *KeyPair // client certificate; nil = none
	Login      Login    // basic authentication
	BearerFile string
	Bearer     string
	Proxy      string // URL, "none", or empty for what the environment says
	ProxyLogin Login
}

// Login is a user with the password from a file.
type Login struct {
	User         string
	PasswordFile string
	Password     string
}

// Send is how messages to a partner are made.
type Send struct {
	Sign            cms.Digest // NoDigest = unsigned
	PSS             bool
	Cipher          cms.Cipher // NoCipher = not encrypted
	Transport       cms.KeyTransport
	ByKeyID         bool
	Compress        string // none, before-sign, after-sign
	Receipt         string // signed, unsigned, none
	Async           bool
	ReceiptURL      string        // ours, for asynchronous receipts
	ReceiptWait     time.Duration // for an asynchronous receipt
	MICDigests      []cms.Digest  // offered for the receipt's MIC, the preferred first
	AcceptNoMIC     bool
	AcceptDuplicate bool
	Subject         string
	ContentType     string      // empty = by the extension
	Headers         []as2.Field // further HTTP header fields
	Parallel        int
}

// Receive is what a partner's messages must be.
type Receive struct {
	Signed, Encrypted bool
	Legacy            []cms.Cipher // old ciphers that are accepted beside the modern ones
	Digests           []cms.Digest // of signatures that are accepted
	ReceiptHosts      []string     // host[:port] that asynchronous receipts may be posted to
	ReceiptRetry      ReceiptRetry // of asynchronous receipts
	Credentials       Credentials
	MaxMessage        int64
	MaxEntries        int
	MaxUnpacked       int64
	MaxRatio          int64
}

// Ciphers are all that are accepted from the partner.
func (r Receive) Ciphers() []cms.Cipher {
	var cs []cms.Cipher
	for _, name := range cms.Ciphers() {
		if c, err := cms.ParseCipher(name); err == nil && !c.Legacy() {
			cs = append(cs, c)
		}
	}
	return append(cs, r.Legacy...)
}

// Credentials are what a partner must show beside his signature; empty = nothing.
type Credentials struct {
	Login       Login
	BearerFile  string
	Bearer      string
	ClientFiles []string
	Client      []*x509.Certificate // client certificates, or authorities of them
}

// Quirks are liberties that single partners need; the zero value is right for all
// others.
type Quirks struct {
	as2.Quirks
	Chunked        bool
	ExpectContinue bool
}

// Outbox is how files are picked up.
type Outbox struct {
	Bundle       string // always, with-attachments, never, multipart, embedded
	Poll         time.Duration
	Watch        string // auto, events, poll
	Rescan       schedule.Schedule
	Window       schedule.Window // of sending
	Pickup       schedule.Pickup // of claiming
	ReadyAlarm   time.Duration
	WaitingAlarm time.Duration
	Order        string // free, strict
	SameContent  string // off, warn, hold
	SameDays     int    // how far same_content looks back
	Checks       Checks
	rescan       []string
	window       []string
	pickup       []string
}

// Checks are what a batch must be to be sent: the effect of each rule (off, warn,
// refuse), and its bounds.
type Checks struct {
	All            string // the effect of the rules that say nothing themselves
	Types          string
	AllowedTypes   []string
	OtherTypes     []string
	AttachmentSize string
	MaxAttachment  int64
	TotalSize      string
	MaxTotal       int64
	Names          string
	Characters     string
	MaxName        int
	UniqueNames    string
	OneDocument    string
	WellFormedXML  string
	Envelopes      string
	Rules          checks.Rules // what follows from it
}

// Inbox is how files are delivered.
type Inbox struct {
	Unpack     string // auto, never
	BrokenZip  string // keep, reject
	Several    string // split, keep, reject
	Strays     string // split, keep, reject
	NestedZips string // split, keep, reject
	Extract    bool
	OnConflict string // rename, reject
	Layout     string // files, batch
}

// ReceiptRetry is how often and how long an asynchronous receipt is posted.
type ReceiptRetry struct {
	Attempts    int
	First, Max  time.Duration // waits; each is twice as long as the one before
	GiveUpAfter time.Duration
}

// Retry is how often and how long a transfer is tried. The next attempt comes at a
// moment of Schedule, or after the n-th of Delays, or else after waits that grow.
type Retry struct {
	Attempts    int
	Schedule    schedule.Schedule
	Delays      []time.Duration // the last one goes on
	First, Max  time.Duration
	Factor      float64
	Jitter      float64
	GiveUpAfter time.Duration
	schedule    []string
}

// Timeouts bound one attempt.
type Timeouts struct {
	Connect, Stall, Answer time.Duration
}
