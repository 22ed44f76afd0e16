package outbox

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Files of .evidence/<id>, beside message and transfer.json. Of the first two an earlier
// version wrote one for each message; now certificates.pem is there for what transfer.json
// did not know when the message was sealed.
const (
	requestFile      = "request.http"
	certificatesFile = "certificates.pem"
	answerPrefix     = "answer-"
	receiptPrefix    = "receipt-"
	httpSuffix       = ".http"
)

// write writes a file of ours in a folder where nothing counts before a later commit. The
// folder is not synced.
func (o *Outbox) write(name string, content []byte) error {
	return fsx.WriteUnsynced(o.p.Folder, name, filePerm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// keepAnswer writes an answer that settles nothing.
func (o *Outbox) keepAnswer(t *ledger.Transfer, n int, raw []byte) error {
	return o.keep(t, answerName(n), raw)
}

// keep writes a file of the evidence.
func (o *Outbox) keep(t *ledger.Transfer, name string, raw []byte) error {
	if err := o.keepUnsynced(t, name, raw); err != nil {
		return err
	}
	return o.p.Folder.SyncDir(o.evidence(t))
}

// keepUnsynced is keep but for the sync of the folder, which is made where it is not there.
func (o *Outbox) keepUnsynced(t *ledger.Transfer, name string, raw []byte) error {
	dir := o.evidence(t)
	err := fsx.RewriteUnsynced(o.p.Folder, path.Join(dir, name), filePerm, raw)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsx.MkdirAll(o.p.Folder, dir, dirPerm); err != nil {
		return err
	}
	return fsx.RewriteUnsynced(o.p.Folder, path.Join(dir, name), filePerm, raw)
}

func answerName(n int) string { return fmt.Sprintf("%s%d%s", answerPrefix, n, httpSuffix) }

// receiptName is made of the bytes: the same receipt is kept once, however often it
// comes.
func receiptName(raw []byte) string {
	sum := sha256.Sum256(raw)
	return fmt.Sprintf("%s%x%s", receiptPrefix, sum[:6], httpSuffix)
}

// rawAnswer is an answer as it came, but for the order of its header.
func rawAnswer(a *as2.Answer) []byte {
	start := fmt.Sprintf("HTTP/1.1 %d %s", a.Status, http.StatusText(a.Status))
	return rawHTTP(start, a.Header, a.Body)
}

// rawReceipt is a receipt as it came on a connection of its own.
func rawReceipt(header http.Header, body []byte) []byte {
	return rawHTTP("POST / HTTP/1.1", header, body)
}

func rawHTTP(start string, header http.Header, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	_ = header.Write(&b) // a bytes.Buffer takes everything
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// maxStrangers bounds how many receipts of a transfer are kept: of those that the
// partner did not sign anybody could send any number.
const maxStrangers = 16

// errEnough means that a receipt was not kept because there are too many already.
var errEnough = errors.New("no further receipts are kept")

// keepReceipt writes a receipt. The file is durable when it returns.
func (o *Outbox) keepReceipt(t *ledger.Transfer, raw []byte, limited bool) (name string, err error) {
	o.evidenceMu.Lock()
	defer o.evidenceMu.Unlock()
	dir := o.evidence(t)
	name = receiptName(raw)
	there, err := fsx.Exists(o.p.Folder, path.Join(dir, name))
	if err != nil {
		return "", err
	}
	if there {
		return name, o.p.Folder.SyncDir(dir) // the process that wrote it may have been killed before it did
	}
	if limited {
		entries, err := o.p.Folder.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		n := 0
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), receiptPrefix) {
				n++
			}
		}
		if n >= maxStrangers {
			return "", errEnough
		}
	}
	return name, o.keep(t, name, raw)
}

// keepSigner adds the certificate that a receipt was signed with, where it is not among
// those that were known when the message was sealed.
func (o *Outbox) keepSigner(t *ledger.Transfer, signer *x509.Certificate, with *sealing) error {
	if signer == nil {
		return nil
	}
	his := owned{"partner " + o.p.Name, signer}
	if known, err := with.knows(his); err != nil || known {
		return err
	}
	o.evidenceMu.Lock()
	defer o.evidenceMu.Unlock()
	file := path.Join(o.evidence(t), certificatesFile)
	kept, err := fsx.ReadFile(o.p.Folder, file, maxCertificates)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known, err := parseCertificates(kept)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if slices.ContainsFunc(known, his.equal) {
		return nil
	}
	return o.keep(t, certificatesFile, appendCertificates(kept, []owned{his}))
}

// maxCertificates bounds certificates.pem, in bytes.
const maxCertificates = 4 << 20

// owned is a certificate and whose it is: "partner NAME", "authority NAME" (which may
// have issued the partner's), "station NAME".
type owned struct {
	role string
	cert *x509.Certificate
}

func (c owned) equal(other owned) bool { return c.role == other.role && c.cert.Equal(other.cert) }

const rolePrefix = "role: "

// appendCertificates writes certificates as PEM, with a few lines above each that say
// whose it is; tools skip them.
func appendCertificates(b []byte, certs []owned) []byte {
	for _, c := range certs {
		b = fmt.Appendf(b, "%s%s\nsubject: %q\nvalid: %s to %s\nsha-256: %s\n", rolePrefix, c.role, c.cert.Subject.String(),
			c.cert.NotBefore.UTC().Format(time.RFC3339), c.cert.NotAfter.UTC().Format(time.RFC3339), fingerprint(c.cert))
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	return b
}

// parseCertificates reads what appendCertificates wrote.
func parseCertificates(b []byte) (certs []owned, err error) {
	role := ""
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return certs, nil
		}
		for line := range strings.SplitSeq(string(b[:len(b)-len(rest)]), "\n") {
			if r, ok := strings.CutPrefix(line, rolePrefix); ok {
				role = r
			}
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the certificate of %q cannot be read: %w", role, err)
		}
		certs, b = append(certs, owned{role, cert}), rest
	}
}

// certificatesNow are those in use when a message is sealed, each once per role.
func (o *Outbox) certificatesNow(signer *cms.Signer, to []cms.Recipient) (certs []owned) {
	add := func(role string, list ...*x509.Certificate) {
		for _, c := range list {
			if c != nil && !slices.ContainsFunc(certs, owned{role, c}.equal) {
				certs = append(certs, owned{role, c})
			}
		}
	}
	partner, station := "partner "+o.p.Name, "station "+o.p.Station
	add(partner, o.p.Certificates...)
	add(partner, o.p.Trust.Certificates...)
	if len(to) > 0 {
		add(partner, to[0].Certificate)
	}
	add("authority "+o.p.Name, o.p.Trust.Authorities...)
	if signer != nil {
		add(station, signer.Certificate)
		add(station, signer.Chain...)
	}
	add(station, o.p.Own)
	return certs
}

// keepMessage moves the sealed message to the evidence, whose folder has a durable name and
// its record by now: in one that a power cut can undo the message would go with it. What is
// too large to be kept is removed once the record is durable; until then its place says that
// it was sealed. That the message has left the other folder is not durable.
func (o *Outbox) keepMessage(t *ledger.Transfer, dir string) error {
	evidence := o.evidence(t)
	from, kept := path.Join(dir, messageFile), path.Join(evidence, messageFile)
	large, err := o.tooLarge(t, from, kept)
	if err != nil {
		return err
	}
	if !large {
		// Gone is what was too large, when a crash came after it was removed.
		if err := fsx.MoveUnsynced(o.p.Folder, from, kept); err != nil && !errors.Is(err, fsx.ErrGone) {
			return err
		}
	}
	err = o.p.Folder.SyncDir(evidence)
	if err != nil || !large {
		return err
	}
	if err := fsx.RemoveAllUnsynced(o.p.Folder, from); err != nil {
		return err
	}
	return o.removeEach(kept) // of one that had been given up
}

// keepRecord writes the record of the evidence. In a folder that is made for it nothing is
// replaced.
func (o *Outbox) keepRecord(t *ledger.Transfer, evidence string, record []byte) error {
	err := o.p.Folder.Mkdir(evidence, dirPerm)
	if err == nil {
		return o.write(path.Join(evidence, transferFile), record)
	}
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) { // somebody has tidied up
		return err
	}
	if err := o.keepUnsynced(t, transferFile, record); err != nil {
		return err
	}
	return o.sweep(evidence)
}

// tooLarge reports whether a message, in the first of some places where it is, is too large to
// be kept. One that may have to be posted again is kept at any size.
func (o *Outbox) tooLarge(t *ledger.Transfer, places ...string) (bool, error) {
	if t.Verdict == ledger.VerdictGaveUp {
		return false, nil
	}
	for _, name := range places {
		info, err := o.p.Folder.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return err == nil && info.Size() > o.p.EvidenceUpTo, err
	}
	return false, nil
}

// sweep removes what a crash left of answers and receipts that were being written.
func (o *Outbox) sweep(dir string) error {
	o.evidenceMu.Lock() // not what is being written just now
	defer o.evidenceMu.Unlock()
	names, err := o.p.Folder.Names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".part") {
			if err := fsx.RemoveAll(o.p.Folder, path.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
