package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/inbox"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/outbox"
)

// Outcome is what a step came to.
type Outcome string

const (
	Proven  Outcome = "proven"
	Failed  Outcome = "FAILED"  // the evidence contradicts itself
	Missing Outcome = "missing" // it cannot be shown with what was kept
	Shown   Outcome = "shown"   // worth knowing, proves nothing
)

// Step is one link of the chain.
type Step struct {
	What    string  `json:"what"`
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"`
}

// File is one file inside of the message.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Proof is what an evidence folder shows.
type Proof struct {
	ID         string `json:"id"`
	Direction  string `json:"direction"` // "sent" or "received"
	MessageID  string `json:"message_id"`
	Steps      []Step `json:"steps"`
	Files      []File `json:"files"`
	Proven     bool   `json:"proven"`
	Conclusion string `json:"conclusion"`
}

func (p *Proof) step(what string, o Outcome, format string, args ...any) {
	p.Steps = append(p.Steps, Step{what, o, fmt.Sprintf(format, args...)})
}

// failed reports whether any step contradicts the evidence.
func (p *Proof) failed() bool {
	for _, s := range p.Steps {
		if s.Outcome == Failed {
			return true
		}
	}
	return false
}

// ErrNone means that a folder is no evidence of ours.
var ErrNone = errors.New("no evidence of a transfer or received message is here")

// Prove looks at the folder of one transfer or received message: dir is its path in
// folder. keys are ours, to open what is encrypted; Trust of them is not used, the
// certificates come from the folder. temp makes room for the files inside of the message.
//
// The error says that the folder could not be read; what it shows, or does not, is in
// the Proof.
func Prove(folder fsx.FS, dir string, keys inspection.Keys, temp Temp) (*Proof, error) {
	kind, err := kindOf(folder, dir)
	if err != nil {
		return nil, err
	}
	return kind.prove(folder, dir, keys, temp)
}

// kind is one of the two that evidence is of.
type kind struct {
	record  string
	prove   func(fsx.FS, string, inspection.Keys, Temp) (*Proof, error)
	message func(fsx.FS, string) ([]byte, io.ReadCloser, error)
}

// kindOf tells by its record what a folder is evidence of.
func kindOf(folder fsx.FS, dir string) (kind, error) {
	for _, k := range []kind{{outbox.EvidenceTransfer, proveSent, sentMessage}, {inbox.EvidenceRecord, proveReceived, receivedMessage}} {
		there, err := fsx.Exists(folder, path.Join(dir, k.record))
		if err != nil || there {
			return k, err
		}
	}
	return kind{}, ErrNone
}

// Temp makes a file that can be written and then read at any place; its name is of no
// importance. Closing it removes it.
type Temp func() (TempFile, error)

// TempFile is temporary storage for one file of a message.
type TempFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// maxRecord bounds each file but the message, in bytes.
const maxRecord = 16 << 20

// open takes the kept message apart.
func open(header []byte, body io.Reader, k inspection.Keys, c *contents) (*inspection.Message, error) {
	raw, err := inspection.Read(bytes.NewReader(header), body)
	if err != nil {
		return nil, fmt.Errorf("the header of the message: %w", err)
	}
	return inspection.OpenMessage(raw, k, c.sink)
}

// Message opens the message of a transfer or received message as it went over the wire:
// request line and header, and the body. An error wrapping fs.ErrNotExist means that the
// body was not kept.
func Message(folder fsx.FS, dir string) (header []byte, body io.ReadCloser, err error) {
	kind, err := kindOf(folder, dir)
	if err != nil {
		return nil, nil, err
	}
	return kind.message(folder, dir)
}

func sentMessage(folder fsx.FS, dir string) ([]byte, io.ReadCloser, error) {
	e, err := outbox.OpenEvidence(folder, dir)
	if err != nil {
		return nil, nil, err
	}
	body, err := e.Message()
	return e.Head, body, err
}

func receivedMessage(folder fsx.FS, dir string) ([]byte, io.ReadCloser, error) {
	body, err := folder.OpenFile(path.Join(dir, inbox.EvidenceBody), fsx.ReadOnly, 0)
	if err != nil {
		return nil, nil, err
	}
	header, err := receivedHeader(folder, dir)
	if err != nil {
		body.Close()                                                      // opened for reading: nothing can be lost
		return nil, nil, fmt.Errorf("the header of the message: %v", err) // the body was kept: it does not wrap
	}
	return header, body, nil
}

// receivedHeader is in the record, or in a file of its own.
func receivedHeader(folder fsx.FS, dir string) ([]byte, error) {
	b, err := fsx.ReadFile(folder, path.Join(dir, inbox.EvidenceRecord), maxRecord)
	if err != nil {
		return nil, err
	}
	if record, err := inbox.ParseRecord(b); err != nil || record.Header != "" {
		return []byte(record.Header), err
	}
	return fsx.ReadFile(folder, path.Join(dir, inbox.EvidenceHeader), maxRecord)
}

// signature adds the step about the signature of a message.
func (p *Proof) signature(m *inspection.Message, whose string) bool {
	signed := false
	for _, l := range m.Layers {
		if l.Kind != string(as2.Signed) {
			continue
		}
		if l.Verified {
			p.step("signature", Proven, "%s signed the message: %s, %s, certificate %q with SHA-256 %s", whose, l.Digest, l.Scheme, l.Signer, m.SignedBy)
			return true
		}
		signed = true
	}
	switch {
	case !m.Accepted && len(m.Files) == 0:
		p.step("signature", Missing, "the message could not be opened: %s", m.Fault)
	case signed:
		p.step("signature", Failed, "the message's signature does not verify with the certificates in this folder: %s", m.Fault)
	default:
		p.step("signature", Missing, "the message is not signed")
	}
	return false
}

// trustOnly lets k believe these certificates and nobody else's.
func trustOnly(k inspection.Keys, t cms.Trust) inspection.Keys {
	k.Trust = func(string) cms.Trust { return t }
	return k
}
