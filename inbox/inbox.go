package inbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Partner is the other side as the inbox sees it.
type Partner struct {
	Name         string
	AS2ID        string
	Station      string
	StationAS2ID string
	Folder       fsx.FS       // nil as long as Ready says why
	Ready        func() error // why nothing may be delivered now (volume not mounted); nil = always

	Rules            *naming.Rules
	FoldCase         bool
	Identities       []cms.Identity                 // ours, to decrypt
	Trust            cms.Trust                      // whose signatures count
	Ciphers          []cms.Cipher                   // that are accepted; nil = all but the legacy ones
	Digests          []cms.Digest                   // of signatures that are accepted; nil = SHA-224 and better
	Sign             func(at time.Time) *cms.Signer // for receipts
	Version          string                         // AS2-Version of receipts, and which dispositions the partner knows
	Quirks           as2.Quirks
	ReceiptHosts     []string // host[:port] that asynchronous receipts may be posted to; a host alone means every port
	ReceiptHTTP      bool     // also over http://
	Post             Poster   // posts asynchronous receipts; nil = none are given
	ReceiptRetry     ReceiptRetry
	Credentials      *Credentials // that the partner must show beside his signature; nil = none
	RequireSigned    bool
	RequireEncrypted bool
	MaxMessage       int64 // bytes of payload
	Limits           bundle.Limits
	Unpack           bool
	KeepBroken       bool // deliver a broken zip whole, with an alarm
	Several          Rule // for a zip with several documents; keep: it is delivered whole; default split
	Strays           Rule // for files in a zip that pair with no document; keep: it is delivered whole; default split
	NestedZips       Rule // for zips in a zip; keep: they are files like others; default keep
	Extract          bool // write what is embedded in documents out as files, too
	RejectConflict   bool // refuse a name that exists, instead of giving a new key
	FolderPerBatch   bool
	EvidenceUpTo     int64      // bytes of a raw message that is kept
	Reserve          uint64     // bytes to leave free
	Access           fsx.Access // of what is published
	AfterReceived    []string   // names of hooks that are owed when a message is in the inbox
}

// Credentials are what a partner must show beside his signature.
type Credentials = as2.Credentials

// Poster posts a receipt; as2.Client is one. It must be one without credentials: the
// URL came from the sender.
type Poster interface {
	Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error)
}

// Deps is what the inbox works with.
type Deps struct {
	Ledger    *ledger.Ledger
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger
	Wake      func(partner string) // called when there is something for Work to do; nil = nobody
	Hooked    func(partner string) // called when a hook is owed; nil = nobody wants to know
	Process   string               // identifies this run of the agent
	Config    string               // hash
	UserAgent string
}

// Inbox receives for all partners. It is an as2.Backend.
type Inbox struct {
	Deps
	partners map[pair]*Partner
	names    map[string]*Partner
	stations map[string]func(time.Time) *cms.Signer // by AS2 ID, to sign what is said to strangers

	*underway

	// The steps whose order is everything: tests turn it and see the crash matrix fail.
	admit   func(context.Context, *ledger.Stored) error                   // before a 2xx without receipt
	commit  func(context.Context, *request, *ledger.Received) error       // the intent to publish
	deliver func(context.Context, *Partner, *ledger.Received, bool) error // final names
	attempt func(context.Context, *ledger.OwedMDN) (ledger.Attempt, error)
	order   []bool // of the document among the files: false first

	mostHeld int // maxHeld, or less in tests
}

// pair selects a partner: station and partner, as the message names them.
type pair struct{ to, from string }

// New makes an inbox.
func New(d Deps, partners []Partner) *Inbox {
	in := &Inbox{Deps: d, partners: map[pair]*Partner{}, names: map[string]*Partner{}, stations: map[string]func(time.Time) *cms.Signer{},
		underway: &underway{flights: map[flight]chan struct{}{}, busy: map[string]bool{}, arrives: map[string]bool{}}, order: []bool{false, true}, mostHeld: maxHeld}
	in.admit, in.commit, in.deliver, in.attempt = in.insertStored, in.insert, in.publish, in.openAttempt
	for i := range partners {
		p := &partners[i]
		p.ReceiptRetry = p.ReceiptRetry.withDefaults()
		p.Several, p.Strays, p.NestedZips = cmp.Or(p.Several, Split), cmp.Or(p.Strays, Split), cmp.Or(p.NestedZips, Keep)
		in.partners[pair{p.StationAS2ID, p.AS2ID}] = p
		in.names[p.Name] = p
		in.stations[p.StationAS2ID] = p.Sign
	}
	return in
}

// With is the inbox under another config, which partners and d.Config are of. What is
// under way goes on with what it began with, and the two keep out of each other's way.
func (in *Inbox) With(d Deps, partners []Partner) *Inbox {
	next := New(d, partners)
	next.underway = in.underway
	return next
}

// Folders of a partner, and the files of ours in them.
const (
	inboxDir    = "inbox"
	incomingDir = ".incoming"
	evidenceDir = ".evidence"

	headerFile  = "headers.txt"
	rawFile     = "raw"
	fileName    = "file-"
	filesDir    = "files" // of earlier versions
	payloadName = "payload-"
	spoolName   = "spool-"
	batchDir    = "batch"
	receiptFile = "receipt.mdn"
	recordFile  = "message.json"
	answerName  = "answer-"
	partName    = ".part"
)

// Folders are those that an inbox needs.
func Folders() []string { return []string{inboxDir, incomingDir, evidenceDir} }

const (
	dirPerm  = 0o750
	filePerm = 0o640
)

// retryAfter is what a sender is asked to wait when a fault is ours, and how long we
// wait ourselves.
const retryAfter = time.Minute

func (p *Partner) fold(name string) string { return naming.Fold(name, p.FoldCase) }

// revised reports whether the partner speaks the revision of RFC 4130 (rfc4130bis).
func (p *Partner) revised() bool { return p.Version == "1.3" }

// ready reports why nothing may be delivered to the partner's folder now.
func (p *Partner) ready() error {
	if p.Ready == nil {
		return nil
	}
	return p.Ready()
}

// enough reports whether the volume has room for n bytes above the reserve.
func (p *Partner) enough(n uint64) error {
	free, err := p.Folder.Free()
	if err != nil {
		return err
	}
	if free < p.Reserve || free-p.Reserve < n { // a sum may be too large for a number
		return fmt.Errorf("inbox: %s: %d bytes free, %d needed and %d reserved", p.Name, free, n, p.Reserve)
	}
	return nil
}

func incoming(id string) string { return path.Join(incomingDir, id) }

func evidence(id string) string { return path.Join(evidenceDir, id) }
