package outbox

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/textproto"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Evidence is what .evidence/<id> holds of a filed transfer. It needs neither the ledger
// nor the config: the folder may be copied to whoever has to decide a dispute.
type Evidence struct {
	Transfer ledger.Transfer // as it was filed
	Sealed   as2.Sealed
	Head     []byte              // request line and header of the message as it was posted, without credentials
	Request  http.Header         // the same header
	Answers  []Answered          // answers and receipts, also those that do not count
	Partner  []*x509.Certificate // the partner's, those that signed his receipts among them
	Station  []*x509.Certificate

	folder fsx.FS
	dir    string
}

// Answered is an answer to a POST, or a receipt that came on a connection of its own.
type Answered struct {
	File   string // in the folder of the evidence; "answer N" is the receipt in transfer.json
	Start  string // first line
	Header http.Header
	Body   []byte
}

// maxEvidence bounds each file but the message, in bytes.
const maxEvidence = 16 << 20

// OpenEvidence reads the evidence of a transfer: dir is .evidence/<id> in a partner's
// folder, or wherever it was copied to.
func OpenEvidence(folder fsx.FS, dir string) (*Evidence, error) {
	e := &Evidence{folder: folder, dir: dir}
	if err := e.read(); err != nil {
		return nil, fmt.Errorf("outbox: evidence %s: %w", dir, err)
	}
	return e, nil
}

func (e *Evidence) file(name string) ([]byte, error) {
	return fsx.ReadFile(e.folder, path.Join(e.dir, name), maxEvidence)
}

func (e *Evidence) read() error {
	var r record
	body, err := e.file(transferFile)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if e.Transfer = r.Transfer; err == nil {
		err = json.Unmarshal(e.Transfer.Sealed, &e.Sealed)
	}
	if err != nil {
		return err
	}
	// What an earlier version sealed has these files; of a receipt's signer there may be one.
	optional := r.SealedWith != nil
	if optional {
		e.Head = requestHead(r.SealedWith.URL, &e.Sealed)
		err = e.known(transferFile, []byte(r.SealedWith.Certificates))
	} else {
		e.Head, err = e.file(requestFile)
	}
	if err != nil {
		return err
	}
	request, err := splitHTTP(requestFile, e.Head)
	if err != nil {
		return err
	}
	e.Request = request.Header
	if body, err = e.file(certificatesFile); err == nil {
		err = e.known(certificatesFile, body)
	} else if optional && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	return e.readAnswers()
}

// known takes in certificates as they were written when the message was sealed.
func (e *Evidence) known(file string, pem []byte) error {
	certs, err := parseCertificates(pem)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range certs {
		switch role, _, _ := strings.Cut(c.role, " "); role {
		case "partner":
			e.Partner = append(e.Partner, c.cert)
		case "station":
			e.Station = append(e.Station, c.cert)
		}
	}
	return nil
}

// readAnswers reads the answer that the verdict rests on, which is in transfer.json unless an
// earlier version wrote it to a file, and what else came.
func (e *Evidence) readAnswers() error {
	entries, err := e.folder.ReadDir(e.dir)
	if err != nil {
		return err
	}
	file := answerName(e.Transfer.Posts)
	if !slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == file }) && settledByAnswer(&e.Transfer) {
		a, err := splitHTTP(fmt.Sprintf("answer %d", e.Transfer.Posts), e.Transfer.Receipt)
		if err != nil {
			return err
		}
		e.Answers = append(e.Answers, a)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, httpSuffix) || !strings.HasPrefix(name, answerPrefix) && !strings.HasPrefix(name, receiptPrefix) {
			continue
		}
		raw, err := e.file(name)
		if err != nil {
			return err
		}
		a, err := splitHTTP(name, raw)
		if err != nil {
			return err
		}
		e.Answers = append(e.Answers, a)
	}
	return nil
}

// splitHTTP reads what rawHTTP and rawRequest wrote.
func splitHTTP(name string, raw []byte) (a Answered, err error) {
	a.File = name
	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw)))
	var h textproto.MIMEHeader
	if a.Start, err = r.ReadLine(); err == nil {
		h, err = r.ReadMIMEHeader()
	}
	if err == nil {
		a.Header = http.Header(h)
		a.Body, err = io.ReadAll(r.R)
	}
	if err != nil {
		return Answered{}, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

// Message opens the body of the message as it was posted. An error wrapping
// fs.ErrNotExist means that it was not kept: it was larger than the config allowed.
func (e *Evidence) Message() (fsx.File, error) {
	return e.folder.OpenFile(path.Join(e.dir, messageFile), fsx.ReadOnly, 0)
}

// Proof is what evidence shows.
type Proof struct {
	Message  bool        `json:"message"`  // the message is the one that was sealed, and its MIC was computed from it anew
	Fact     string      `json:"fact"`     // about the message
	MICs     []as2.MIC   `json:"mics"`     // of the message if Message, else as noted when it was sealed
	Receipts []Statement `json:"receipts"` // of each answer and receipt
	Proven   bool        `json:"proven"`   // Message, and the partner signed a receipt that accepts it
}

// Statement is what one answer or receipt is worth.
type Statement struct {
	File    string `json:"file"`
	Accepts bool   `json:"accepts"` // signed by the partner, for this message, with its MIC, and positive
	Signer  string `json:"signer,omitempty"`
	// Certificate is the signer's, as the SHA-256 of its DER.
	Certificate string `json:"certificate,omitempty"`
	Fact        string `json:"fact"`
}

// Verify proves again, from the evidence alone, that the partner received what was sent:
// the message is the one that was sealed, its MIC computed from it is what a receipt
// states, and that receipt is signed by one of the partner's certificates of that time.
// An encrypted message can be opened with the station's identities only; without them
// the MICs are those noted when it was sealed, and Message says so. Of the options
// Identities, Spool (for CCM) and Limits count.
func (e *Evidence) Verify(open as2.OpenOptions) *Proof {
	p := &Proof{MICs: e.Sealed.MICs, Message: true, Fact: "the message is the one that was sealed"}
	s := e.Sealed
	s.MICs = nil
	for _, noted := range e.Sealed.MICs {
		mic, err := e.recompute(noted.Digest, open)
		if err == nil && !mic.Equal(noted) {
			err = fmt.Errorf("its MIC is %s, and %s was noted when it was sealed", mic, noted)
		}
		if err != nil {
			p.Message, p.Fact = false, err.Error()
			break
		}
		s.MICs = append(s.MICs, mic)
	}
	if p.Message {
		p.MICs = s.MICs
	} else {
		s.MICs = e.Sealed.MICs
	}
	for _, a := range e.Answers {
		st := e.state(s, a, open)
		p.Receipts = append(p.Receipts, st)
		p.Proven = p.Proven || p.Message && st.Accepts
	}
	return p
}

// recompute opens the message that was kept.
func (e *Evidence) recompute(d cms.Digest, open as2.OpenOptions) (as2.MIC, error) {
	f, err := e.Message()
	if errors.Is(err, fs.ErrNotExist) {
		return as2.MIC{}, errors.New("the message itself was not kept")
	}
	if err != nil {
		return as2.MIC{}, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	return as2.Recompute(&e.Sealed, f, d, open)
}

// state judges one answer as it was judged when it came, but for what the config
// forgave: that is agreed between two partners, and no proof to others.
func (e *Evidence) state(s as2.Sealed, a Answered, open as2.OpenOptions) Statement {
	st := Statement{File: a.File}
	m, err := as2.ParseMDN(a.Header, a.Body, cms.Pinned(e.Partner...), e.Transfer.Settled)
	if err != nil {
		st.Fact = err.Error()
		return st
	}
	if m.Signer != nil {
		st.Signer, st.Certificate = m.Signer.Subject.String(), fingerprint(m.Signer)
	}
	f := answerFacts{mdn: m}
	judged := judgeReceipt(s, e.Transfer.MessageID, false, f, Policy{})
	if judged.kind == asks && !judged.compare {
		mic, err := e.recompute(judged.asked.Digest, open)
		if f.opened.err = err; err == nil {
			f.opened.mic = &mic
		}
		judged = judgeReceipt(s, e.Transfer.MessageID, false, f, Policy{})
	}
	st.Fact = judged.reason
	switch {
	case judged.kind == asks:
		st.Fact = fmt.Sprintf("it states the MIC %s, which is not the one of the message", judged.asked)
	case !m.Signed:
		st.Fact = "it is not signed, so it proves nothing; " + judged.reason
	default:
		st.Accepts = judged.kind == settled && judged.verdict == ledger.VerdictAccepted
	}
	return st
}
