package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"sync"
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
	Folder       fsx.FS
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
	ReceiptHosts     []string // host[:port] that asynchronous receipts may be posted to
	Credentials      *Credentials
	RequireSigned    bool
	RequireEncrypted bool
	MaxMessage       int64 // bytes of payload
	Limits           bundle.Limits
	Unpack           bool
	KeepBroken       bool // deliver a broken zip whole, with an alarm
	RejectConflict   bool // refuse a name that exists, instead of giving a new key
	FolderPerBatch   bool
	EvidenceUpTo     int64  // bytes of a raw message that is kept
	Reserve          uint64 // bytes to leave free
}

// Credentials are what a partner must show beside his signature.
type Credentials = as2.Credentials

// Deps is what the inbox works with.
type Deps struct {
	Ledger    *ledger.Ledger
	Now       func() time.Time
	Rand      io.Reader
	Log       *slog.Logger
	Config    string // hash
	UserAgent string
}

// Inbox receives for all partners. It is an as2.Backend.
type Inbox struct {
	Deps
	partners map[pair]*Partner
	stations map[string]func(time.Time) *cms.Signer // by AS2 ID, to sign what is said to strangers

	mu      sync.Mutex
	flights map[flight]chan struct{}

	// The steps whose order is everything: tests turn it and see the crash matrix fail.
	commit  func(context.Context, *Partner, *ledger.Received) error // the intent to publish
	deliver func(context.Context, *Partner, *ledger.Received) error // final names
	order   []bool                                                  // of the document among the files: false first
}

// pair selects a partner: station and partner, as the message names them.
type pair struct{ to, from string }

// flight is one message while it is being received.
type flight struct{ from, to, id string }

// New makes an inbox.
func New(d Deps, partners []Partner) *Inbox {
	in := &Inbox{Deps: d, partners: map[pair]*Partner{}, stations: map[string]func(time.Time) *cms.Signer{}, flights: map[flight]chan struct{}{}, order: []bool{false, true}}
	in.commit, in.deliver = in.insert, in.publish
	for i := range partners {
		p := &partners[i]
		in.partners[pair{p.StationAS2ID, p.AS2ID}] = p
		in.stations[p.StationAS2ID] = p.Sign
	}
	return in
}

// Folders of a partner, and the files of ours in them.
const (
	inboxDir    = "inbox"
	incomingDir = ".incoming"
	evidenceDir = ".evidence"

	rawFile     = "raw"
	payloadFile = "payload"
	filesDir    = "files"
	headerFile  = "headers.txt"
	receiptFile = "receipt.mdn"
)

// Folders are those that an inbox needs.
func Folders() []string { return []string{inboxDir, incomingDir, evidenceDir} }

const (
	dirPerm  = 0o750
	filePerm = 0o640
)

// retryAfter is what a sender is asked to wait when a fault is ours.
const retryAfter = time.Minute

// copyWait is how long a copy of a message waits for the one that is being received.
const copyWait = 2 * time.Minute

func (p *Partner) fold(name string) string { return naming.Fold(name, p.FoldCase) }

func incoming(id string) string { return path.Join(incomingDir, id) }

// Receive answers one message (RFC 4130, 7). What its reply states is durable.
func (in *Inbox) Receive(ctx context.Context, m *as2.Message) as2.Reply {
	env, err := as2.ParseEnvelope(m.Header)
	r := &request{Inbox: in, m: m, env: env}
	var f *as2.Fault
	if errors.As(err, &f) {
		return r.refuse(ctx, f)
	}
	r.p = in.partners[pair{env.To, env.From}]
	if r.p == nil {
		return r.refuse(ctx, r.unknownRelationship())
	}
	if env.Receipt.Async != "" {
		return r.refuseAsync(ctx)
	}
	if r.p.Ready != nil {
		if err := r.p.Ready(); err != nil {
			return r.unavailable(err)
		}
	}
	if err := r.enough(); err != nil {
		return r.unavailable(err)
	}
	leave, err := in.enter(ctx, flight{env.From, env.To, as2.StripID(env.MessageID)})
	if err != nil {
		return r.unavailable(err)
	}
	defer leave()
	reply, err := r.receive(ctx)
	if errors.As(err, &f) {
		return r.refuse(ctx, f)
	}
	if err != nil {
		// What was staged and not recorded would lie there until the next start.
		if r.id != "" {
			err = errors.Join(err, in.recoverStaging(context.WithoutCancel(ctx), r.p, r.id))
		}
		return r.unavailable(err)
	}
	return reply
}

// enter waits until no other copy of the message is being received, up to a limit.
func (in *Inbox) enter(ctx context.Context, f flight) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, copyWait)
	defer cancel()
	for {
		in.mu.Lock()
		other := in.flights[f]
		if other == nil {
			done := make(chan struct{})
			in.flights[f] = done
			in.mu.Unlock()
			return func() {
				in.mu.Lock()
				delete(in.flights, f)
				in.mu.Unlock()
				close(done)
			}, nil
		}
		in.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fmt.Errorf("another copy of the message is being received: %w", ctx.Err())
		}
	}
}

// request is one message on its way.
type request struct {
	*Inbox
	m   *as2.Message
	env *as2.Envelope
	p   *Partner // nil = unknown
	id  string   // of the staging folder, once there is one
}

func (r *request) unknownRelationship() *as2.Fault {
	text := fmt.Sprintf("The AS2 identifiers are not agreed upon: AS2-From %q, AS2-To %q.", r.env.From, r.env.To)
	detail := fmt.Sprintf("no partner with as2_id %q at a station with as2_id %q", r.env.From, r.env.To)
	if _, ok := r.stations[r.env.To]; !ok {
		detail = fmt.Sprintf("no station has the as2_id %q", r.env.To)
	}
	// RFC 4130 knows no better word; rfc4130bis has unknown-trading-relationship.
	return as2.NewFault(as2.AuthenticationFailed, text, detail)
}

// unavailable is the answer to a fault of ours.
func (r *request) unavailable(err error) as2.Reply {
	r.Log.Error("message not taken, the sender is asked to try again", "from", r.env.From, "to", r.env.To, "message_id", r.env.MessageID, "remote", r.m.Remote, "error", err)
	return as2.Unavailable("The message cannot be taken at the moment, please try again.", retryAfter)
}

// enough reports whether the volume has room for the message above the reserve: raw,
// opened and unpacked.
func (r *request) enough() error {
	free, err := r.p.Folder.Free()
	if err != nil {
		return err
	}
	if need := 3 * uint64(max(r.m.Length, 0)); free < r.p.Reserve+need {
		return fmt.Errorf("inbox: %s: %d bytes free, %d needed and %d reserved", r.p.Name, free, need, r.p.Reserve)
	}
	return nil
}
