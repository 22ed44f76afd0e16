package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// maxKept bounds the files that are read back from the evidence, in bytes.
const maxKept = 16 << 20

// remains is what a folder tells of a message without the ledger. One of received and
// refused is there, or none.
type remains struct {
	received *ledger.Received
	refused  *ledger.Refusal
	receipt  json.RawMessage
	envelope *as2.Envelope // nil = there is no header
	arrived  time.Time     // when the header was written
	answers  map[int]kept  // to POSTs of the receipt
	last     int           // the highest of them
}

// kept is an answer to a receipt.
type kept struct {
	status int
	at     time.Time
}

// remainsOf reads what a folder of the evidence, or one that is about to become one, says.
func (p *Partner) remainsOf(dir string) (r remains, err error) {
	r.answers = map[int]kept{}
	entries, err := p.Folder.ReadDir(dir)
	if err != nil {
		return r, err
	}
	for _, e := range entries {
		read := func() []byte {
			var b []byte
			if err == nil {
				b, err = fsx.ReadFile(p.Folder, path.Join(dir, e.Name()), maxKept)
			}
			return b
		}
		info, ierr := e.Info()
		if ierr != nil {
			return r, ierr
		}
		n, answer := answerNumber(e.Name())
		switch {
		case e.Name() == recordFile:
			if b := read(); err == nil {
				err = r.record(b)
			}
		case e.Name() == receiptFile:
			if b := read(); err == nil {
				r.receipt, err = readReply(b)
			}
		case e.Name() == headerFile:
			if b := read(); err == nil {
				r.header(b)
				r.arrived = info.ModTime().UTC()
			}
		case answer:
			reply, rerr := splitReply(read())
			if err == nil && rerr == nil {
				r.answers[n], r.last = kept{reply.Status, info.ModTime().UTC()}, max(r.last, n)
			}
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", path.Join(dir, e.Name()), err)
		}
	}
	return r, nil
}

// record reads message.json: a received message has a state, a refusal has none.
func (r *remains) record(b []byte) error {
	record, err := ParseRecord(b)
	if err != nil {
		return err
	}
	if record.State == "" {
		r.refused = &ledger.Refusal{}
		return json.Unmarshal(b, r.refused)
	}
	r.received = &record.Received
	if len(record.Receipt) > 0 {
		r.receipt = record.Receipt
	}
	if record.Header != "" {
		r.header([]byte(record.Header))
	}
	return nil
}

// header reads that of the request, as far as it can be read.
func (r *remains) header(b []byte) {
	if h, err := parseHeader(b); err == nil {
		r.envelope, _ = as2.ParseEnvelope(h) // as far as it goes
	}
}

// answerNumber reads "answer-3.http".
func answerNumber(name string) (int, bool) {
	text, ok := strings.CutPrefix(strings.TrimSuffix(name, ".http"), answerName)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0
}

var errNoReply = errors.New("it is no answer of HTTP")

// readReply reads back what rawAnswer wrote, as the ledger keeps it.
func readReply(raw []byte) (json.RawMessage, error) {
	reply, err := splitReply(raw)
	if err != nil {
		return nil, err
	}
	return json.Marshal(reply)
}

// splitReply keeps fields in their order and lines that are folded: the receipt must come
// out byte for byte.
func splitReply(raw []byte) (as2.Reply, error) {
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		return as2.Reply{}, errNoReply
	}
	lines := strings.Split(string(head), "\r\n")
	var r as2.Reply
	if _, err := fmt.Sscanf(lines[0], "HTTP/1.1 %d", &r.Status); err != nil {
		return as2.Reply{}, errNoReply
	}
	for _, line := range lines[1:] {
		if n := len(r.Header); n > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			r.Header[n-1].Value += "\r\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return as2.Reply{}, errNoReply
		}
		r.Header = append(r.Header, as2.Field{Name: name, Value: value})
	}
	if len(body) > 0 {
		r.Body = body
	}
	return r, nil
}

// async reports whether the receipt is, or was, to be posted.
func (r remains) async() bool {
	return r.envelope != nil && r.envelope.Receipt.Wanted && r.envelope.Receipt.Async != ""
}

// owed is the receipt that the folder tells of, and the attempts to post it.
func (r remains) owed(p *Partner, id string, receipt json.RawMessage, at, now time.Time) (ledger.OwedMDN, []ledger.Attempt) {
	m := ledger.OwedMDN{Received: id, Partner: p.Name, URL: r.envelope.Receipt.Async, Receipt: receipt, Open: true, Asked: 1,
		Posts: r.last, Attempts: r.last, Due: now, Deadline: at.Add(p.ReceiptRetry.GiveUp)}
	var attempts []ledger.Attempt
	for n := 1; n <= r.last; n++ {
		a := ledger.Attempt{Transfer: id, N: n, Opened: at, Closed: at, Process: repairProcess, URL: m.URL, Outcome: ledger.OutcomeUnknown, Counted: true, Text: "read back: what came of it is not known"}
		if answer, ok := r.answers[n]; ok {
			a.Outcome, a.Status, a.Opened, a.Closed, a.Text = ledger.OutcomeAnswered, answer.status, answer.at, answer.at, fmt.Sprintf("read back from %s%d.http", answerName, n)
			if answer.status/100 == 2 {
				m.Open, m.Outcome, m.Done, m.Reason = false, delivered, answer.at, ""
			}
		}
		attempts = append(attempts, a)
	}
	if m.Open && now.After(m.Deadline) {
		m.Open, m.Outcome, m.Done, m.Reason = false, gaveUp, now, "read back from the evidence after its deadline"
	}
	return m, attempts
}

// storedRow is the row of a message whose sender was told that we have it.
func (r remains) storedRow(p *Partner, id string, now time.Time) ledger.Stored {
	return ledger.Stored{ID: id, Partner: p.Name, From: r.envelope.From, To: r.envelope.To, MessageID: as2.StripID(r.envelope.MessageID),
		URL: r.envelope.Receipt.Async, At: r.arrived, Open: true, Due: now}
}
