package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/internal/readable"
	"github.com/as2drop/as2drop/ledger"
)

// record is a transfer.json. The one beside the sealed message and the one of the evidence
// say what the message was sealed with, so that no file has to be written for that before
// there is a verdict; those of sent and failed are the transfer alone.
type record struct {
	ledger.Transfer
	SealedWith *sealing `json:"sealed_with,omitempty"` // nil = by an earlier version, which wrote request.http and certificates.pem
}

// sealing is what was configured when a message was sealed, and is in no ledger.
type sealing struct {
	URL          string `json:"url"`          // of the partner, without credentials
	Certificates string `json:"certificates"` // PEM, as appendCertificates writes it

	certs []owned // the same; nil = not parsed
	laid  []byte  // all of it, as layOut writes it; nil = not written
}

// maxTransfer bounds a transfer.json, in bytes.
const maxTransfer = 16 << 20

func transferJSON(t *ledger.Transfer, with *sealing) ([]byte, error) {
	body, err := readable.JSON(t)
	if err != nil {
		return nil, err
	}
	return recordJSON(body, with)
}

// recordJSON is a record of which the transfer is written already.
func recordJSON(transfer []byte, with *sealing) (b []byte, err error) {
	if with == nil {
		return transfer, nil
	}
	laid := with.laid
	if laid == nil {
		if laid, err = with.layOut(); err != nil {
			return nil, err
		}
	}
	// What is embedded in a record stands in its own braces.
	return slices.Concat(bytes.TrimSuffix(transfer, []byte("\n}\n")), []byte(","), laid), nil
}

// layOut writes what stands in a record behind the transfer, to the end.
func (w *sealing) layOut() ([]byte, error) {
	b, err := readable.JSON(struct {
		SealedWith *sealing `json:"sealed_with"`
	}{w})
	return bytes.TrimPrefix(b, []byte("{")), err
}

// readTransfer reads the transfer.json of a folder.
func (o *Outbox) readTransfer(dir string) (ledger.Transfer, error) {
	r, err := o.readRecord(dir)
	return r.Transfer, err
}

func (o *Outbox) readRecord(dir string) (r record, err error) {
	body, err := fsx.ReadFile(o.p.Folder, path.Join(dir, transferFile), maxTransfer)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	return r, err
}

// sealingNow is what a message is sealed with now. It is written once for all messages that
// are sealed with the same.
func (o *Outbox) sealingNow(options as2.SealOptions) *sealing {
	target := o.p.URL
	if u, err := url.Parse(target); err == nil {
		u.User = nil
		target = u.String()
	}
	certs := o.certificatesNow(options.Sign, options.Recipients)
	if last := o.sealedLast.Load(); last != nil && last.URL == target && slices.EqualFunc(last.certs, certs, owned.equal) {
		return last
	}
	// Several calls may ask what it knows: it never has to be parsed, not even where it is none.
	with := &sealing{URL: target, Certificates: string(appendCertificates(nil, certs)), certs: append([]owned{}, certs...)}
	with.laid, _ = with.layOut() // of two texts: it can
	o.sealedLast.Store(with)
	return with
}

// sealingOf is what a message was sealed with: as the call knows it that is at work on
// the transfer, else as it is in the evidence of what was filed, or beside the message. A
// record of the evidence that was not finished counts for nothing: the other one is
// overwritten after it.
func (o *Outbox) sealingOf(t *ledger.Transfer) (with *sealing, err error) {
	if with := o.memo(t.ID).with; with != nil {
		return with, nil
	}
	for _, dir := range []string{o.evidence(t), o.work(t)} {
		r, rerr := o.readRecord(dir)
		switch {
		case rerr == nil && r.ID == t.ID && r.SealedWith != nil:
			return r.SealedWith, nil
		case rerr != nil && !errors.Is(rerr, fs.ErrNotExist):
			err = errors.Join(err, fmt.Errorf("%s: %w", path.Join(dir, transferFile), rerr))
		}
	}
	return nil, err
}

// knows reports whether a certificate was among those that were known.
func (w *sealing) knows(c owned) (bool, error) {
	if w == nil {
		return false, nil
	}
	if w.certs == nil {
		var err error
		if w.certs, err = parseCertificates([]byte(w.Certificates)); err != nil {
			return false, fmt.Errorf("%s: %w", transferFile, err)
		}
	}
	return slices.ContainsFunc(w.certs, c.equal), nil
}

// requestHead is request line and header of every POST of a message, without credentials.
func requestHead(target string, s *as2.Sealed) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\n", target)
	for _, f := range s.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", s.Length)
	return b.Bytes()
}

// settledByAnswer reports whether the receipt of a verdict is the answer to a POST, which is
// in the record, and not one on a connection of its own, which has a file.
func settledByAnswer(t *ledger.Transfer) bool { return bytes.HasPrefix(t.Receipt, []byte("HTTP/")) }
