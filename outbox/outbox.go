package outbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/pipeline"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Partner is the other side as the outbox sees it.
type Partner struct {
	Name         string
	AS2ID        string
	Station      string // name of our station
	StationAS2ID string
	URL          string // empty = nothing is sent
	Folder       fsx.FS
	WindowsNames bool // some names on shares cannot be opened; always so on Windows

	Ahead     int // batches that are claimed ahead of those who carry them on; 0 = 64
	Unsettled int // no more are claimed while so many are not settled; 0 = 1000

	Rules        *naming.Rules
	LateWindow   time.Duration
	Pickup       Pickup // nil = files are claimed at any time
	Bundle       Bundle
	Sign         func(at time.Time) *cms.Signer // nil = unsigned
	Cipher       cms.Cipher
	EncryptTo    func(at time.Time) *cms.Recipient // the partner; nil = not encrypted
	Own          *x509.Certificate                 // ours, so that what was sent can be opened again
	Identities   []cms.Identity                    // ours: they open it
	Certificates []*x509.Certificate               // of the partner: all that are configured
	Trust        cms.Trust                         // whose receipts count
	Compress     as2.Compression
	Version      string      // AS2-Version
	ContentType  string      // overrides what the extension says; empty = by extension
	Extra        []as2.Field // further HTTP header fields
	Quirks       as2.Quirks
	Receipt      as2.ReceiptRequest
	Subject      string
	EvidenceUpTo int64  // bytes of a sealed message that is kept
	Reserve      uint64 // bytes to leave free
	Policy       Policy

	Strict         bool          // transfers leave one by one, in the order in which they were dropped
	Checks         checks.Rules  // what a batch must be to be sent
	SameContent    SameContent   // what happens to a document that was sent before
	SameContentFor time.Duration // how far that looks back
	Access         fsx.Access    // of what is filed

	BeforeSend  []BeforeSend // hooks that are asked before a batch is sealed, in this order
	AfterSent   []string     // names of hooks that are owed when a transfer is filed in sent
	AfterFailed []string     // or in failed
}

// Poster posts a sealed message; as2.Client is one.
type Poster interface {
	Post(ctx context.Context, url string, header []as2.Field, length int64, body func() (io.ReadCloser, error)) (*as2.Answer, error)
}

// Deps is what the outbox works with.
type Deps struct {
	Ledger  *ledger.Ledger
	Now     func() time.Time
	Rand    io.Reader
	Post    Poster
	Hooked  func(partner string) // called when a hook is owed; nil = nobody wants to know
	Process string               // identifies this run of the agent
	// Turn waits until it is the partner's turn at what all partners share, processor and
	// disk, and is told when that is over. It is asked before every step but the POST.
	// nil = nobody has to wait.
	Turn func(ctx context.Context, partner string) (done func(), err error)
	// Beside calls functions at the same time and returns when all have ended; nil =
	// pipeline.Beside.
	Beside    func(fs ...func())
	Config    string // hash of the config
	UserAgent string
}

// Outbox is one partner's.
type Outbox struct {
	Deps
	p     Partner
	steps map[ledger.State]func(*Outbox, context.Context, *ledger.Transfer) error
	take  func(*Outbox, context.Context, arrival) (as2.Reply, error) // a receipt
	*underway

	filings    filings
	madeDay    atomic.Pointer[string]  // the folder of a day that was made, durably, by this process
	sharedDay  atomic.Pointer[string]  // the folder of a day that has its rights
	foreign    atomic.Bool             // it was told that files of others keep their rights
	sealedLast atomic.Pointer[sealing] // what the last message was sealed with
}

// underway is what is going on for a partner, whatever is configured for it meanwhile.
type underway struct {
	mu     sync.Mutex
	busy   map[string]*memo // transfers that somebody is at work on
	taken  map[string]taken // what Take has moved, and left to Carry
	rest   time.Time        // until when the partner asked to be left alone
	latest time.Time        // that the clock has shown

	evidenceMu sync.Mutex   // one receipt is written at a time
	days       sync.RWMutex // written: the folder of a day may be removed; read: filed in
}

// enter reports whether nobody else is at work on a transfer, and keeps others away.
func (u *underway) enter(id string) (m *memo, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[id] != nil {
		return nil, false
	}
	m = &memo{}
	if t, ok := u.taken[id]; ok {
		m.row, m.moved, m.fresh, m.made = t.row, !t.committed, t.fresh, t.made
		delete(u.taken, id)
	}
	u.busy[id] = m
	return m, true
}

// memo is that of who is at work on a transfer; nobody's is empty.
func (u *underway) memo(id string) *memo {
	u.mu.Lock()
	defer u.mu.Unlock()
	if m := u.busy[id]; m != nil {
		return m
	}
	return &memo{}
}

func (u *underway) leave(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.busy, id)
}

// With is the outbox of the same partner under another config. A Step or receipt that is
// under way goes on with what it began with, and the two keep out of each other's way.
func (o *Outbox) With(d Deps, p Partner) *Outbox {
	next := New(d, p)
	next.underway = o.underway
	return next
}

// steps are what is done for a transfer in each state.
var steps = map[ledger.State]func(*Outbox, context.Context, *ledger.Transfer) error{
	ledger.StateClaiming:  (*Outbox).claim,
	ledger.StateClaimed:   (*Outbox).seal,
	ledger.StateSealed:    (*Outbox).send,
	ledger.StateSending:   (*Outbox).abandoned,
	ledger.StateWaiting:   (*Outbox).overdue,
	ledger.StateSettled:   (*Outbox).file,
	ledger.StateReopening: (*Outbox).reopen,
}

// New makes an outbox.
func New(d Deps, p Partner) *Outbox {
	p.Policy.ReceiptWait = cmp.Or(p.Policy.ReceiptWait, time.Hour)
	p.Ahead, p.Unsettled = cmp.Or(p.Ahead, 64), cmp.Or(p.Unsettled, 1000)
	p.Policy.quirks = p.Quirks
	p.WindowsNames = p.WindowsNames || runtime.GOOS == "windows"
	if d.Beside == nil {
		d.Beside = pipeline.Beside
	}
	return &Outbox{Deps: d, p: p, underway: &underway{busy: map[string]*memo{}}, take: (*Outbox).receive, steps: steps}
}

// Folders of a partner, and the files of ours in them.
const (
	outboxDir   = "outbox"
	sentDir     = "sent"
	failedDir   = "failed"
	workDir     = ".work"
	evidenceDir = ".evidence"

	transferFile = "transfer.json"
	messageFile  = "message"
	receiptFile  = "receipt.mdn"
	whyFile      = "WHY.txt"
	spoolFile    = "spool.part"
)

// Folders are those that an outbox needs.
func Folders() []string { return []string{outboxDir, sentDir, failedDir, workDir, evidenceDir} }

// reserved reports whether a dropped file would collide with one of ours in the
// folder that both are filed in.
func reserved(name string) bool {
	switch naming.Fold(name, true) {
	case transferFile, transferFile + ".part", messageFile, messageFile + ".part", receiptFile, receiptFile + ".part", "why.txt", "why.txt.part", spoolFile, hookPart, changedDir:
		return true
	}
	return false
}

func (o *Outbox) work(t *ledger.Transfer) string     { return path.Join(workDir, t.ID) }
func (o *Outbox) evidence(t *ledger.Transfer) string { return path.Join(evidenceDir, t.ID) }

const (
	dirPerm  = 0o750
	filePerm = 0o640
)

// save commits a transfer with events.
func (o *Outbox) save(ctx context.Context, t *ledger.Transfer, more ...func(*ledger.Tx) error) error {
	// A shutdown must not tear an effect from its record.
	ctx = context.WithoutCancel(ctx)
	return o.Ledger.Update(ctx, func(tx *ledger.Tx) error {
		if err := o.saveIn(tx, t, more); err != nil {
			return err
		}
		return o.wakeFirst(tx)
	})
}

// saveIn saves a transfer with events in a commit of several.
func (o *Outbox) saveIn(tx *ledger.Tx, t *ledger.Transfer, more []func(*ledger.Tx) error) error {
	for _, f := range more {
		if err := f(tx); err != nil {
			return err
		}
	}
	t.DueSet = o.Now().UTC()
	return tx.SaveTransfer(t)
}

// event makes an event about a transfer for save.
func (o *Outbox) event(t *ledger.Transfer, level ledger.Level, code, hint, format string, args ...any) func(*ledger.Tx) error {
	e := ledger.Event{At: o.Now().UTC(), Level: level, Partner: o.p.Name, Subject: t.ID, Code: code, Text: fmt.Sprintf(format, args...), Hint: hint}
	return func(tx *ledger.Tx) error { return tx.AddEvent(e) }
}

// enough reports whether the volume has room for n bytes above the reserve.
func (o *Outbox) enough(n int64) error {
	free, err := o.p.Folder.Free()
	if err != nil {
		return err
	}
	if free < o.p.Reserve+uint64(n) {
		return fmt.Errorf("%w: %d bytes free, %d needed and %d reserved", ErrNoSpace, free, n, o.p.Reserve)
	}
	return nil
}

// ErrNoSpace means that the reserve of the volume would be used up.
var ErrNoSpace = errors.New("not enough space on the volume")

// writeTransfer puts the transfer beside its files, for rebuilding a ledger.
func (o *Outbox) writeTransfer(t *ledger.Transfer, dir string, with *sealing) error {
	body, err := transferJSON(t, with)
	if err != nil {
		return err
	}
	return fsx.Rewrite(o.p.Folder, path.Join(dir, transferFile), filePerm, body)
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// sameFile reports whether the file at name is the member as it was claimed.
func (o *Outbox) sameFile(m ledger.Member, name string) (bool, error) {
	info, err := o.p.Folder.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id, err := o.p.Folder.Identity(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return string(id) == m.Identity && info.Size() == m.Size && info.ModTime().UnixNano() == m.MTime, nil
}
