package outbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// remains is what .evidence/<id> tells of a transfer without the ledger.
type remains struct {
	there    bool             // the folder is
	message  bool             // so is a message
	request  bool             // it was sealed, by an earlier version
	filed    *ledger.Transfer // as it was filed; nil = it never was
	answers  map[int]Answered // by attempt
	at       map[int]time.Time
	receipts []Answered
	last     int // the highest attempt that was answered
}

// remainsOf reads the evidence of a transfer. Files that cannot be read as what they are
// called count for nothing.
func (o *Outbox) remainsOf(id string) (r remains, err error) {
	dir := path.Join(evidenceDir, id)
	r.answers, r.at = map[int]Answered{}, map[int]time.Time{}
	entries, err := o.p.Folder.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.there = true
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == messageFile:
			r.message = true
		case name == requestFile:
			r.request = true
		case name == transferFile:
			t, err := o.readTransfer(dir)
			if err == nil && t.ID == id && t.Verdict != ledger.VerdictNone {
				r.filed = &t
			}
		case strings.HasSuffix(name, httpSuffix) && (strings.HasPrefix(name, answerPrefix) || strings.HasPrefix(name, receiptPrefix)):
			raw, err := fsx.ReadFile(o.p.Folder, path.Join(dir, name), maxEvidence)
			if err != nil {
				return r, err
			}
			a, err := splitHTTP(name, raw)
			if err != nil {
				continue
			}
			n, numbered := answerNumber(name)
			if !numbered {
				r.receipts = append(r.receipts, a)
				continue
			}
			info, err := e.Info()
			if err != nil {
				return r, err
			}
			r.answers[n], r.at[n], r.last = a, info.ModTime().UTC(), max(r.last, n)
		}
	}
	r.filedWithFirst()
	return r, nil
}

// filedWithFirst puts the receipt first that the transfer was filed with. Of several that
// settle it the first one counts, and it is to be the one that lies in its folder.
func (r *remains) filedWithFirst() {
	if r.filed == nil {
		return
	}
	i := slices.IndexFunc(r.receipts, func(a Answered) bool { return bytes.Equal(rawReceipt(a.Header, a.Body), r.filed.Receipt) })
	if i > 0 {
		r.receipts[0], r.receipts[i] = r.receipts[i], r.receipts[0]
	}
}

// answerNumber reads "answer-3.http".
func answerNumber(name string) (int, bool) {
	text, ok := strings.CutPrefix(strings.TrimSuffix(name, httpSuffix), answerPrefix)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0
}

// status is that of an answer, 0 if its first line is none of HTTP.
func (a Answered) status() int {
	fields := strings.Fields(a.Start)
	if len(fields) < 2 || !strings.HasPrefix(fields[0], "HTTP/") {
		return 0
	}
	n, _ := strconv.Atoi(fields[1]) // not a number: none
	return n
}

// attempt is the n-th one as far as the evidence knows it.
func (r remains) attempt(t *ledger.Transfer, n int) ledger.Attempt {
	a := ledger.Attempt{Transfer: t.ID, N: n, Opened: t.Created, Closed: t.Created, Process: repairProcess, Config: t.Config, Counted: true,
		Outcome: ledger.OutcomeUnknown, Text: "read back: what came of it is not known"}
	if answer, ok := r.answers[n]; ok {
		a.Outcome, a.Status, a.Opened, a.Closed, a.Text = ledger.OutcomeAnswered, answer.status(), r.at[n], r.at[n], "read back from "+answerName(n)
	}
	return a
}

// gap reports whether an attempt before the n-th has no answer: the partner may have had
// the message before.
func (r remains) gap(n int) bool {
	for i := 1; i < n; i++ {
		if _, ok := r.answers[i]; !ok {
			return true
		}
	}
	return false
}

// findings are what the answers and receipts of a transfer mean, those that settle it or
// ask for somebody to look; the first one counts.
func (o *Outbox) concluded(t *ledger.Transfer, r remains) (does effect, e event, n int, err error) {
	var s as2.Sealed
	if len(t.Sealed) == 0 || t.Verdict != ledger.VerdictNone && t.Verdict != ledger.VerdictGaveUp {
		return ignored, event{}, 0, nil
	}
	if err := json.Unmarshal(t.Sealed, &s); err != nil {
		return ignored, event{}, 0, fmt.Errorf("the sealed header cannot be read: %w", err)
	}
	judged := *t
	// What the answers to the attempts meant was weighed when it was given up.
	if t.Verdict == ledger.VerdictNone {
		for n := 1; n <= r.last; n++ {
			a, ok := r.answers[n]
			if !ok || a.status() == 0 {
				continue
			}
			answer := &as2.Answer{Status: a.status(), Header: a.Header, Body: a.Body}
			judged.Unknown = t.Unknown || r.gap(n)
			if does, e = o.weigh(&judged, &s, answerFacts{answer: answer}, a, rawAnswer(answer)); does != ignored {
				return does, e, n, nil
			}
		}
	}
	judged.Unknown = t.Unknown || r.gap(r.last+1)
	for _, a := range r.receipts {
		if does, e = o.weigh(&judged, &s, answerFacts{}, a, rawReceipt(a.Header, a.Body)); does != ignored {
			return does, e, 0, nil
		}
	}
	return ignored, event{}, 0, nil
}

// weigh judges one answer or receipt as when it came.
func (o *Outbox) weigh(t *ledger.Transfer, s *as2.Sealed, f answerFacts, a Answered, raw []byte) (effect, event) {
	f.mdn, f.mdnErr = as2.ParseMDN(a.Header, a.Body, o.p.Trust, o.Now())
	if f.mdnErr != nil {
		f.mdn = nil
		if f.answer == nil {
			return ignored, event{}
		}
	}
	e := o.judge(t, s, f)
	does := meet(t, e)
	switch does {
	case settles, supersedes, holds:
	default:
		return ignored, event{}
	}
	if f.mdn != nil {
		e.receipt, e.disposition = raw, f.mdn.DispositionText
	}
	e.reason += "; read back from " + a.File
	return does, e
}

// sameMessage reports whether the sealed message in a folder is the one that was sealed.
func (o *Outbox) sameMessage(t *ledger.Transfer, dir string) (bool, error) {
	var s as2.Sealed
	if err := json.Unmarshal(t.Sealed, &s); err != nil {
		return false, nil
	}
	f, err := o.p.Folder.OpenFile(path.Join(dir, messageFile), fsx.ReadOnly, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == s.SHA256, nil
}

// adopt gives the members of a transfer the identities of the files that have their
// names, sizes and times now: a folder that was copied back has others. changed tells
// whether any is another one.
func (o *Outbox) adopt(t *ledger.Transfer, places ...string) (changed bool, err error) {
	t.Members = slices.Clone(t.Members)
	for i := range t.Members {
		m := &t.Members[i]
		for _, place := range places {
			fresh, err := o.member(place, m.Name, m.Role)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return changed, err
			}
			if fresh.Size == m.Size && fresh.MTime == m.MTime {
				changed = changed || fresh.Identity != m.Identity
				m.Identity = fresh.Identity
				break
			}
		}
	}
	return changed, nil
}
