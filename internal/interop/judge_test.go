//go:build interop

package interop

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/ledger"
)

// judge holds what became of a cell against what should have. The note is what the
// table says beside "ok".
func (s *stage) judge(t *testing.T, c cell) (note string, err error) {
	if c.dir == out {
		return s.judgeOut(t, c)
	}
	return s.judgeIn(t, c)
}

// judgeOut: we sent.
func (s *stage) judgeOut(t *testing.T, c cell) (string, error) {
	o := s.agent.outcomeOf(t, c)
	if o == nil {
		return "", errors.New("the transfer is not settled")
	}
	if want := refusalOf(c); want != "" {
		switch {
		case o.sent || o.Verdict != ledger.VerdictRejected:
			return "", fmt.Errorf("filed as sent: %v, %q (%s)", o.sent, o.Verdict, o.Reason)
		case !strings.Contains(strings.ToLower(o.Disposition), want):
			return "", fmt.Errorf("the disposition is %q, want %s", o.Disposition, want)
		case len(s.peer.received(c)) > 0:
			return "", errors.New("the peer delivered it all the same")
		}
		return want, nil
	}
	if c.fault == brokenReceipt || c.peer == openAS2 && c.fault == unknownSender { // which it answers with HTTP 500
		if o.sent || o.Verdict != ledger.VerdictGaveUp {
			return "", fmt.Errorf("filed as sent: %v, %q (%s)", o.sent, o.Verdict, o.Reason)
		}
		return "gave up", nil
	}
	if want := verdictsOf(c); !o.sent || !slices.Contains(want, o.Verdict) {
		return "", fmt.Errorf("filed as sent: %v, %q (%s), want %q", o.sent, o.Verdict, o.Reason, want)
	}
	note := ""
	if o.Verdict != ledger.VerdictAccepted && o.Verdict != ledger.VerdictNoReceipt {
		note = string(o.Verdict)
	}
	if complaint := s.peer.tookOurs(c); complaint != "" {
		return "", fmt.Errorf("the peer says %s", complaint)
	}
	if err := s.delivered(c, s.peer.received(c)); err != nil {
		return "", fmt.Errorf("at the peer: %w", err)
	}
	posts := messagesOnly(s.toPeer.of(c.name))
	if len(posts) == 0 {
		return "", errors.New("nothing went through the proxy")
	}
	for _, p := range posts[1:] {
		if p.Request.Header.Get("Message-ID") != posts[0].Request.Header.Get("Message-ID") || !bytes.Equal(p.Request.Body, posts[0].Request.Body) {
			return "", errors.New("a repeat differs from the first try")
		}
	}
	return note, c.asDescribed(t, posts[0].Request, "partner", "us")
}

// verdictsOf are the verdicts that a message of ours may end with.
func verdictsOf(c cell) []ledger.Verdict {
	switch {
	case c.receipt == "none":
		return []ledger.Verdict{ledger.VerdictNoReceipt}
	case c.fault == answerLost:
		return []ledger.Verdict{ledger.VerdictAccepted, ledger.VerdictReceiptLost}
	case !c.signed(), c.receipt == "unsigned":
		return []ledger.Verdict{ledger.VerdictAccepted, ledger.VerdictUnverified}
	}
	return []ledger.Verdict{ledger.VerdictAccepted}
}

// refusalOf is the disposition that a receiver must answer with; empty = it takes the
// message. The peers have their own ideas about some.
func refusalOf(c cell) string {
	ours := map[fault]string{
		strangerSigns: as2.AuthenticationFailed, strangerOpens: as2.DecryptionFailed, brokenSignature: as2.AuthenticationFailed,
		brokenContent: as2.IntegrityCheckFailed, brokenZlib: as2.DecompressionFailed, unknownSender: as2.AuthenticationFailed, lessProtected: as2.InsufficientSecurity,
	}
	theirs := map[string]map[fault]string{
		openAS2: {unknownSender: "", strangerSigns: as2.IntegrityCheckFailed, brokenSignature: as2.IntegrityCheckFailed, brokenZlib: "decompresion-failed"},
		pyas2:   {brokenContent: as2.AuthenticationFailed},
	}
	if want, ok := theirs[c.peer][c.fault]; ok && c.dir == out {
		return want
	}
	return ours[c.fault]
}

func (c cell) refused() bool { return refusalOf(c) != "" }

// judgeIn: the peer sent.
func (s *stage) judgeIn(t *testing.T, c cell) (string, error) {
	posts := messagesOnly(s.toUs.of(c.name))
	if len(posts) == 0 {
		return "", errors.New("nothing came through the proxy")
	}
	done, complaint := s.peer.sentItsOwn(c)
	if !done {
		return "", errors.New("the peer is not through with it")
	}
	files := list(s.agent.folder(c, "inbox"))
	if want := refusalOf(c); want != "" {
		m, err := s.receiptOf(t, c, posts[len(posts)-1])
		switch {
		case err != nil:
			return "", err
		case m.Disposition != as2.Failed(want):
			return "", fmt.Errorf("we answered %q, want %s", m.DispositionText, want)
		case len(files) > 0:
			return "", fmt.Errorf("delivered all the same: %q", files)
		case complaint == "":
			return "", errors.New("the peer takes it for sent")
		}
		return want, nil
	}
	if complaint != "" {
		return "", fmt.Errorf("the peer says %s", complaint)
	}
	if err := s.delivered(c, files); err != nil {
		return "", err
	}
	if (c.fault == sentTwice || c.fault == answerLost) && (len(posts) < 2 || !bytes.Equal(posts[0].Response.Body, posts[1].Response.Body)) {
		return "", fmt.Errorf("%d posts, or different receipts", len(posts))
	}
	if c.receipt != "none" {
		m, err := s.receiptOf(t, c, posts[0])
		if err != nil {
			return "", err
		}
		if m.Disposition != as2.Processed || m.Signed != (c.receipt == "signed") || m.MIC == nil {
			return "", fmt.Errorf("we answered %q, signed: %v, MIC %v", m.DispositionText, m.Signed, m.MIC)
		}
	}
	return "", c.asDescribed(t, posts[0].Request, "us", "partner")
}

// receiptOf reads the receipt that we gave for a message of the peer.
func (s *stage) receiptOf(t *testing.T, c cell, post exchange) (*as2.MDN, error) {
	m := post.Response
	if c.async {
		posts := s.later.of(c.name)
		if len(posts) != 1 {
			return nil, fmt.Errorf("%d later receipts", len(posts))
		}
		m = posts[0].Request
	}
	return as2.ParseMDN(m.Header, m.Body, cms.Pinned(certificate("us")), time.Now())
}

// asDescribed opens a recorded message by the receiver's key: the case must be what it
// says it is.
func (c cell) asDescribed(t *testing.T, m message, receiver, sender string) error {
	if c.fault == brokenReceipt {
		return nil
	}
	e, err := as2.ParseEnvelope(m.Header)
	if err != nil {
		return err
	}
	opened, err := as2.Open(e, bytes.NewReader(m.Body), func(as2.Part) (io.WriteCloser, error) { return discard{io.Discard}, nil }, as2.OpenOptions{
		Identities: []cms.Identity{identity(receiver)}, Trust: cms.Pinned(certificate(sender), elliptic(sender)),
		At: time.Now(), Ciphers: everyCipher(t), Digests: []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512}, Spool: memorySpool,
	})
	if err != nil {
		return fmt.Errorf("the recorded message: %w", err)
	}
	want := c.layers()
	if got := as2.LayerNames(opened.Layers); !slices.Equal(got, want) {
		return fmt.Errorf("the message has the layers %q, not %q", got, want)
	}
	for _, l := range opened.Layers {
		if l.Kind == as2.Encrypted && l.Transport.String() != strings.Replace(c.transport, "sha-", "sha", 1) {
			return fmt.Errorf("the content key is transported by %s, not %s", l.Transport, c.transport)
		}
		if l.Kind == as2.Signed && ((l.Scheme == cms.SchemePSS) != c.pss || (l.Scheme == cms.SchemeECDSA) != c.ecdsa) {
			return fmt.Errorf("the signature is %s", l.Scheme)
		}
	}
	if r := e.Receipt; r.Wanted != (c.receipt != "none") || r.Signed != (c.receipt == "signed") || (r.Async != "") != c.async {
		return fmt.Errorf("the message asks for the receipt %+v", r)
	}
	return nil
}

// delivered compares what arrived with what was sent, bytes and names: a file as it
// is, a batch as a zip at the peer and unpacked with us.
func (s *stage) delivered(c cell, paths []string) error {
	got := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		if s.peer.nameless(c) != "" {
			name = c.file
		}
		got[name] = content
		if c.attached && c.dir == out {
			unpack := unzipped
			if c.parts {
				unpack = split
			}
			if got, err = unpack(content); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	want := map[string][]byte{c.file: c.payload()}
	if c.attached {
		want[c.attachmentName()] = c.attachment()
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		return fmt.Errorf("%q arrived, want %q with the bytes that were sent", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	return nil
}

func unzipped(content []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// split takes the body of a multipart apart, as the programs behind the peers must: these
// deliver it as one file. Go's own reader finds the parts.
func split(content []byte) (map[string][]byte, error) {
	line, _, _ := bytes.Cut(content, []byte("\r\n"))
	r := multipart.NewReader(bytes.NewReader(content), strings.TrimPrefix(string(line), "--"))
	files := map[string][]byte{}
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		var body io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			body = base64.NewDecoder(base64.StdEncoding, p)
		}
		if files[p.FileName()], err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
}

// messagesOnly leaves out receipts that come later: they have no AS2 message in them.
func messagesOnly(es []exchange) []exchange {
	var ms []exchange
	for _, e := range es {
		if e.Request.Header.Get("Disposition-Notification-To") != "" || !strings.Contains(strings.ToLower(string(e.Request.Head)+string(e.Request.Body[:min(len(e.Request.Body), 400)])), "disposition-notification") {
			ms = append(ms, e)
		}
	}
	return ms
}
