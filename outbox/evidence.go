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
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// Files of .evidence/<id>, beside message and transfer.json.
const (
	requestFile      = "request.http"
	certificatesFile = "certificates.pem"
	answerPrefix     = "answer-"
	receiptPrefix    = "receipt-"
	httpSuffix       = ".http"
)

// keepRequest writes what the message was sent with: its header and the certificates
// that it, and the receipt for it, are to be held against.
func (o *Outbox) keepRequest(t *ledger.Transfer, s *as2.Sealed, certs []owned) error {
	dir := o.evidence(t)
	if err := fsx.Mkdir(o.p.Folder, dir, dirPerm); err != nil {
		return err
	}
	// Until the sealed message is committed the folder counts for nothing, and sealing
	// begins with removing it.
	if err := o.write(path.Join(dir, requestFile), rawRequest(o.p.URL, s)); err != nil {
		return err
	}
	if err := o.write(path.Join(dir, certificatesFile), appendCertificates(nil, certs)); err != nil {
		return err
	}
	o.memo(t.ID).certs = certs
	return o.p.Folder.SyncDir(dir)
}

// write writes a file of ours in a folder where nothing counts before a later commit. The
// folder is not synced.
func (o *Outbox) write(name string, content []byte) error {
	return fsx.WriteUnsynced(o.p.Folder, name, filePerm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// rawRequest is the header of every POST of a message, without credentials.
func rawRequest(target string, s *as2.Sealed) []byte {
	if u, err := url.Parse(target); err == nil {
		u.User = nil
		target = u.String()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\n", target)
	for _, f := range s.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", s.Length)
	return b.Bytes()
}

// keepAnswer writes an answer beside the request.
func (o *Outbox) keepAnswer(t *ledger.Transfer, n int, raw []byte) error {
	return o.keep(t, answerName(n), raw)
}

// keep writes a file of the evidence. Its folder was made when the message was sealed.
func (o *Outbox) keep(t *ledger.Transfer, name string, raw []byte) error {
	if err := o.keepUnsynced(t, name, raw); err != nil {
		return err
	}
	return o.p.Folder.SyncDir(o.evidence(t))
}

// keepUnsynced is keep but for the sync of the folder.
func (o *Outbox) keepUnsynced(t *ledger.Transfer, name string, raw []byte) error {
	dir := o.evidence(t)
	err := fsx.RewriteUnsynced(o.p.Folder, path.Join(dir, name), filePerm, raw)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Somebody removed it, or the message was sealed by an earlier version.
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

// verdictName is the file of the receipt that a verdict rests on.
func verdictName(t *ledger.Transfer) string {
	if bytes.HasPrefix(t.Receipt, []byte("HTTP/")) {
		return answerName(t.Posts)
	}
	return receiptName(t.Receipt)
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
// those that were known when the message was sealed. sealed are those if the caller knows.
func (o *Outbox) keepSigner(t *ledger.Transfer, signer *x509.Certificate, sealed []owned) error {
	role := "partner " + o.p.Name
	isHis := func(k owned) bool { return k.role == role && k.cert.Equal(signer) }
	if signer == nil || slices.ContainsFunc(sealed, isHis) {
		return nil
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
	if slices.ContainsFunc(known, isHis) {
		return nil
	}
	return o.keep(t, certificatesFile, appendCertificates(kept, []owned{{role, signer}}))
}

// maxCertificates bounds certificates.pem, in bytes.
const maxCertificates = 4 << 20

// owned is a certificate and whose it is: "partner NAME", "authority NAME" (which may
// have issued the partner's), "station NAME".
type owned struct {
	role string
	cert *x509.Certificate
}

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
			if c != nil && !slices.ContainsFunc(certs, func(k owned) bool { return k.role == role && k.cert.Equal(c) }) {
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

// keepEvidence puts the transfer and, up to a size, the sealed message to the rest of
// the evidence. A message that may have to be posted again is kept at any size. Both
// folders are synced once, when all is in its place: the evidence first, as the message
// leaves the other one.
func (o *Outbox) keepEvidence(t *ledger.Transfer, dir string, record []byte) error {
	if len(t.Sealed) == 0 {
		return o.p.Folder.SyncDir(dir) // nothing was ever made
	}
	evidence := o.evidence(t)
	if err := o.keepUnsynced(t, transferFile, record); err != nil {
		return err
	}
	names, err := o.sweep(evidence)
	if err != nil {
		return err
	}
	// An answer that settles is in the ledger with the verdict and becomes evidence here.
	if name := verdictName(t); len(t.Receipt) > 0 && !slices.Contains(names, name) {
		if err := o.keepUnsynced(t, name, t.Receipt); err != nil {
			return err
		}
	}
	kept := path.Join(evidence, messageFile)
	err = fsx.Move(o.p.Folder, path.Join(dir, messageFile), kept)
	if errors.Is(err, fsx.ErrGone) {
		// It was too big, and a crash came after it was removed.
		return errors.Join(o.p.Folder.SyncDir(evidence), o.p.Folder.SyncDir(dir))
	}
	if err != nil {
		return err
	}
	info, err := o.p.Folder.Lstat(kept)
	if err != nil {
		return err
	}
	if t.Verdict != ledger.VerdictGaveUp && info.Size() > o.p.EvidenceUpTo {
		return fsx.RemoveAll(o.p.Folder, kept)
	}
	return nil
}

// sweep removes what a crash left of answers and receipts that were being written, and
// says what else is there.
func (o *Outbox) sweep(dir string) (names []string, err error) {
	o.evidenceMu.Lock() // not what is being written just now
	defer o.evidenceMu.Unlock()
	names, err = o.p.Folder.Names(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".part") {
			if err := fsx.RemoveAll(o.p.Folder, path.Join(dir, name)); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}
