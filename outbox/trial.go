package outbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Trial is a test message. It is sealed, posted and judged as any document of the partner
// is, and is no transfer: neither ledger nor outbox know it. Its evidence lies where that
// of a transfer would, in a folder that is for trials alone.
type Trial struct {
	ID        string
	MessageID string
	Sealed    as2.Sealed
	Answer    *as2.Answer // nil = none came
	MDN       *as2.MDN    // nil = there is none
	Outcome   TrialOutcome
	Reason    string   // fact
	Hint      string   // what the operator can do
	Notes     []string // what else is odd, with what to do

	o    *Outbox
	t    *ledger.Transfer
	with *sealing
}

// TrialOutcome is what a test message would have become as a document.
type TrialOutcome string

const (
	TrialSealed  TrialOutcome = "sealed"  // not posted yet
	TrialSent    TrialOutcome = "sent"    // its files would be in sent
	TrialWaiting TrialOutcome = "waiting" // for a receipt on a connection of its own
	TrialFailed  TrialOutcome = "failed"  // it would be tried again, or be in failed
)

// NewTrial seals a test message. The folder of the partner is one for trials.
func NewTrial(d Deps, p Partner, name, subject, text string) (*Trial, error) {
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
	p.Subject = subject
	o := New(d, p)
	id, err := ledger.NewID(o.Now(), o.Rand)
	if err != nil {
		return nil, err
	}
	t := &ledger.Transfer{ID: id, Partner: p.Name, Document: name, Created: o.Now().UTC(), MessageID: "<" + id + "@" + host(p.StationAS2ID) + ">", Config: d.Config}
	for _, dir := range []string{workDir, evidenceDir, o.work(t)} {
		if err := fsx.MkdirAll(p.Folder, dir, dirPerm); err != nil {
			return nil, err
		}
	}
	options, blocked := o.sealOptions(t)
	if blocked != "" {
		return nil, fmt.Errorf("no message can be made: %s", blocked)
	}
	file := as2.File{ContentType: "text/plain", Filename: name, Write: func(w io.Writer) error { _, err := io.WriteString(w, text); return err }}
	sealed, err := o.makeMessage(o.work(t), []as2.File{file}, options)
	if err != nil {
		return nil, fmt.Errorf("no message can be made: %w", err)
	}
	if t.Sealed, err = json.Marshal(sealed); err != nil {
		return nil, err
	}
	return &Trial{ID: id, MessageID: t.MessageID, Sealed: *sealed, Outcome: TrialSealed, o: o, t: t, with: o.sealingNow(options)}, nil
}

// Post posts it once, and judges what comes back. The error is a fault of ours; what is
// wrong on the partner's side is in the trial.
func (r *Trial) Post(ctx context.Context) error {
	a := ledger.Attempt{Transfer: r.t.ID, N: 1, Opened: r.o.Now().UTC(), URL: r.o.p.URL}
	r.t.Posts = 1
	answer, err := r.o.Post.Post(ctx, r.o.p.URL, r.Sealed.Header, r.Sealed.Length, func() (io.ReadCloser, error) {
		return r.o.p.Folder.OpenFile(path.Join(r.o.work(r.t), messageFile), fsx.ReadOnly, 0)
	})
	if err != nil {
		r.conclude(r.o.noAnswer(&a, err))
		return nil
	}
	r.Answer = answer
	f := answerFacts{answer: answer}
	if f.mdn, f.mdnErr = as2.ParseMDN(answer.Header, answer.Body, r.o.p.Trust, r.o.Now()); f.mdnErr != nil {
		f.mdn = nil
	}
	r.MDN = f.mdn
	e := r.o.judge(r.t, &r.Sealed, f)
	if f.mdn != nil {
		e.receipt = rawAnswer(answer)
	}
	r.conclude(e)
	return r.o.keepAnswer(r.t, 1, rawAnswer(answer))
}

// Receive judges a receipt that came on a connection of its own.
func (r *Trial) Receive(header http.Header, body []byte) error {
	raw := rawReceipt(header, body)
	if err := r.o.keep(r.t, receiptName(raw), raw); err != nil {
		return err
	}
	m, err := as2.ParseMDN(header, body, r.o.p.Trust, r.o.Now())
	if err != nil {
		r.conclude(event{kind: failed, reason: "what came as a receipt is none: " + bare(err.Error()), hint: "ask the partner what his server sends"})
		return nil
	}
	r.MDN = m
	e := r.o.judge(r.t, &r.Sealed, answerFacts{mdn: m})
	e.receipt = raw
	r.conclude(e)
	return nil
}

// conclude takes over what was judged.
func (r *Trial) conclude(e event) {
	r.Reason, r.Hint = e.reason, alone(e.hint)
	switch {
	case e.kind == settled && e.verdict.Sent():
		r.Outcome = TrialSent
	case e.kind == waits:
		r.Outcome = TrialWaiting
	default:
		r.Outcome = TrialFailed
	}
	for _, n := range e.notes {
		if text := n.text; n.hint != "" {
			r.Notes = append(r.Notes, text+" ("+alone(n.hint)+")")
		} else {
			r.Notes = append(r.Notes, text)
		}
	}
	if e.kind == settled {
		r.t.Verdict, r.t.Settled, r.t.Receipt, r.t.Disposition = e.verdict, r.o.Now().UTC(), e.receipt, e.disposition
	}
	r.t.Reason, r.t.Next = r.Reason, r.Hint
	r.t.State = ledger.StateFiled
}

// Keep completes the evidence, and returns its folder.
func (r *Trial) Keep() (dir string, err error) {
	if r.MDN != nil {
		if err := r.o.keepSigner(r.t, r.MDN.Signer, r.with); err != nil {
			return "", err
		}
	}
	record, err := transferJSON(r.t, r.with)
	if err != nil {
		return "", err
	}
	if err := r.o.keepRecord(r.t, r.o.evidence(r.t), record); err != nil {
		return "", err
	}
	if err := r.o.p.Folder.SyncDir(evidenceDir); err != nil {
		return "", err
	}
	if err := r.o.keepMessage(r.t, r.o.work(r.t)); err != nil {
		return "", err
	}
	return r.o.evidence(r.t), fsx.RemoveAll(r.o.p.Folder, r.o.work(r.t))
}

// alone is a hint for whoever tests: there is no transfer to retry and no queue to release.
// The clause with such a command gives way to testing again.
func alone(hint string) string {
	at := len(hint)
	for _, command := range []string{"as2drop retry ", "as2drop release ", "as2drop dismiss "} {
		if i := strings.Index(hint, command); i >= 0 {
			at = min(at, i)
		}
	}
	what := strings.NewReplacer("; sending goes on by itself when he has", "", ": drop the files again under a new key", "",
		"the partner's server is busy, nothing is wrong here", "the partner's server is busy: test again in a while")
	if at == len(hint) {
		return what.Replace(hint)
	}
	clause := strings.LastIndexAny(hint[:at], ",;")
	if clause < 0 {
		return "test again"
	}
	return what.Replace(hint[:clause]) + "; then test again"
}

// Remedy is what an operator can do about an error of a POST, of Shake or of Knock.
func Remedy(err error) string {
	var pe *as2.PostError
	if !errors.As(err, &pe) {
		return ""
	}
	if pe.Proxy != 0 {
		return "correct client.proxy and client.proxy_login, and test again"
	}
	return alone(faultHints[pe.Fault])
}

// Says is what an answer is that is no receipt, for people.
func Says(a *as2.Answer) string { return words(a) }

const (
	trialsKept = 20 // of a partner, that is their evidence
	// TrialsEnd is when a trial is over in any case: what it left behind when it was killed
	// can go.
	TrialsEnd = 24 * time.Hour
)

// SweepTrials removes the evidence of all but the last twenty trials in a folder, and what
// trials left behind that were killed.
func SweepTrials(folder fsx.FS, now time.Time) error {
	names := map[string][]string{}
	for _, dir := range []string{workDir, evidenceDir} {
		if err := fsx.MkdirAll(folder, dir, dirPerm); err != nil {
			return err
		}
		entries, err := folder.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			names[dir] = append(names[dir], e.Name())
		}
		slices.Sort(names[dir]) // identifiers begin with the time
	}
	for _, name := range names[workDir] {
		if began, err := ledger.PlaceOf(name); err == nil && now.Sub(began) < TrialsEnd {
			continue // it may go on
		}
		if err := fsx.RemoveAll(folder, path.Join(workDir, name)); err != nil {
			return err
		}
	}
	for _, name := range names[evidenceDir][:max(0, len(names[evidenceDir])-trialsKept)] {
		if err := fsx.RemoveAll(folder, path.Join(evidenceDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// RawReceipt writes a receipt as ReadReceipt reads it.
func RawReceipt(header http.Header, body []byte) []byte { return rawReceipt(header, body) }

// ReadReceipt reads a receipt that RawReceipt wrote.
func ReadReceipt(raw []byte) (http.Header, []byte, error) {
	a, err := splitHTTP("receipt", raw)
	return a.Header, a.Body, err
}
