package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/failpoint"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// request is one message on its way.
type request struct {
	*Inbox
	m      *as2.Message
	env    *as2.Envelope
	p      *Partner       // nil = unknown
	at     time.Time      // when it came
	id     string         // of the staging folder, once there is one
	stored *ledger.Stored // nil = the sender waits for the receipt
	opened *as2.Opened    // nil until it is verified

	payload    []*payload
	held       int          // bytes of the payload in memory
	unasked    atomic.Int64 // bytes written since the last look at the free space
	unsynced   []fsx.File   // what settle has to sync
	headerKept bool         // in headers.txt
	tooLong    bool         // it was stored, with a body that does not become evidence
	reply      as2.Reply    // to an accepted message
	receiptBy  []byte       // the certificate that signed it
}

// Receive answers one message (RFC 4130, 7). What its reply states is durable.
func (in *Inbox) Receive(ctx context.Context, m *as2.Message) as2.Reply {
	env, err := as2.ParseEnvelope(m.Header)
	r := &request{Inbox: in, m: m, env: env, p: in.partners[pair{env.To, env.From}], at: in.Now()}
	// A sender that hangs up must not tear an effect from its record.
	durable := context.WithoutCancel(ctx)
	var f *as2.Fault
	switch {
	case r.p == nil && errors.As(err, &f):
		return r.refuse(durable, f)
	case r.p == nil:
		return r.refuse(durable, r.unknownRelationship())
	}
	if reply, refused := r.checkCredentials(durable); refused {
		return reply
	}
	if err := r.p.ready(); err != nil {
		return r.unavailable(err)
	}
	if err := r.p.enough(r.room()); err != nil {
		return r.unavailable(err)
	}
	if r.async() {
		return r.store(durable)
	}
	if errors.As(err, &f) {
		return r.refuse(durable, f)
	}
	leave, err := in.enter(ctx, r.flight())
	if err != nil {
		return r.unavailable(err)
	}
	defer leave()
	return r.answer(durable)
}

// room is how many bytes a message is sure to need: what is in it, and itself where it is kept
// or stored. What more there is when that is unpacked is asked for as it is written, see stagedFile;
// what lies loose in a zip is written once.
func (r *request) room() uint64 {
	n := uint64(max(r.m.Length, 0))
	if r.async() || r.m.Length <= r.p.EvidenceUpTo {
		return 2 * n
	}
	return n
}

// async reports whether the receipt is wanted on a connection of its own (RFC 4130, 7.3:
// it is Disposition-Notification-To that asks for one at all).
func (r *request) async() bool { return r.env.Receipt.Wanted && r.env.Receipt.Async != "" }

// answer takes a message while its sender waits for the receipt.
func (r *request) answer(ctx context.Context) as2.Reply {
	id, err := ledger.NewID(r.Now(), r.Rand)
	if err != nil {
		return r.unavailable(err)
	}
	r.id = id
	defer r.stages(id)()
	defer r.letGo()
	reply, err := r.take(ctx)
	var f *as2.Fault
	if errors.As(err, &f) {
		return r.refuse(ctx, f)
	}
	if err != nil {
		r.letGo()
		// What was staged and not recorded would lie there until the next start.
		return r.unavailable(errors.Join(err, r.recoverStaging(ctx, r.p, r.id)))
	}
	return reply
}

// take opens a message and delivers it. An error that is an *as2.Fault is the sender's;
// what is left in .incoming is then the caller's to refuse or remove.
func (r *request) take(ctx context.Context) (as2.Reply, error) {
	defer r.letGoPayload() // of a message that is refused: its files are going to be removed
	opened, err := r.stage()
	if err != nil {
		return as2.Reply{}, err
	}
	r.opened = opened
	if f := r.demands(); f != nil {
		return as2.Reply{}, f
	}
	known, err := r.known(ctx)
	if err != nil {
		return as2.Reply{}, err
	}
	if known != nil {
		r.letGoPayload() // it is removed there
		return r.repeat(ctx, known)
	}
	row, err := r.unpack()
	if err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("after stage")
	if err := r.record(ctx, row); err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("after received")
	if err := r.deliver(ctx, r.p, row, !r.tooLong); err != nil {
		return as2.Reply{}, err
	}
	failpoint.Hit("before answer")
	r.Log.Info("received", "partner", r.p.Name, "received", row.ID, "message_id", row.MessageID, "key", row.Key, "files", len(row.Files))
	return r.reply, nil
}

// demands is what stands against the message itself, whatever is in it.
func (r *request) demands() *as2.Fault {
	if f := r.env.Receipt.Fault(r.p.Version, r.p.Digests); f != nil {
		return f // RFC 4130, 7.5.3
	}
	malformed := func(c rune) bool { return c <= ' ' || c == 0x7f }
	if r.p.revised() && strings.ContainsFunc(as2.StripID(r.env.MessageID), malformed) {
		// rfc4130bis, 7.3.4: blanks and control characters; older partners get away with it.
		return as2.NewFault(as2.InvalidMessageID, "", fmt.Sprintf("Message-ID %q", r.env.MessageID))
	}
	return nil
}

func (r *request) unknownRelationship() *as2.Fault {
	text := fmt.Sprintf("The AS2 identifiers are not agreed upon: AS2-From %q, AS2-To %q.", r.env.From, r.env.To)
	detail := fmt.Sprintf("no partner with as2_id %q at a station with as2_id %q", r.env.From, r.env.To)
	if _, ok := r.stations[r.env.To]; !ok {
		detail = fmt.Sprintf("no station has the as2_id %q", r.env.To)
	}
	return as2.NewFault(as2.UnknownRelationship, text, detail)
}

// unavailable is the answer to a fault of ours.
func (r *request) unavailable(err error) as2.Reply {
	if r.p != nil && r.Wake != nil {
		r.Wake(r.p.Name) // it may be accepted already, and only not published
	}
	r.Log.Error("message not taken, the sender is asked to try again", "from", r.env.From, "to", r.env.To, "message_id", r.env.MessageID, "remote", r.m.Remote, "error", err)
	return as2.Unavailable("The message cannot be taken at the moment, please try again.", retryAfter)
}

func (r *request) event(subject string, level ledger.Level, code, hint, format string, args ...any) ledger.Event {
	name := ""
	if r.p != nil {
		name = r.p.Name
	}
	return ledger.Event{At: r.Now().UTC(), Level: level, Partner: name, Subject: subject, Code: code, Hint: hint, Text: fmt.Sprintf(format, args...)}
}
