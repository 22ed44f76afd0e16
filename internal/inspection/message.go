package inspection

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
)

// peek is how much of a body decides whether it is a receipt, in bytes.
const peek = 16 << 10

// Inspect takes a capture apart. save makes the place for each file of a message; nil =
// they are only counted. The error says that the capture could not be read or a file
// not be written.
func Inspect(raw *Raw, k Keys, save as2.Sink) (*Report, error) {
	r := &Report{Start: raw.Start}
	body := bufio.NewReaderSize(raw.Body, peek)
	start, err := body.Peek(peek)
	if err != nil && err != io.EOF {
		return nil, err
	}
	raw = &Raw{Start: raw.Start, Header: raw.Header, Body: body}
	if as2.IsReceipt(raw.Header, start) {
		r.Receipt, err = OpenReceipt(raw, k)
	} else {
		r.Message, err = OpenMessage(raw, k, save)
	}
	return r, err
}

// OpenMessage takes a message apart.
func OpenMessage(raw *Raw, k Keys, save as2.Sink) (*Message, error) {
	env, bad := as2.ParseEnvelope(raw.Header)
	files := &files{save: save}
	every := make([]cms.Cipher, 0, len(cms.Ciphers()))
	for _, name := range cms.Ciphers() {
		c, err := cms.ParseCipher(name)
		if err != nil {
			return nil, err
		}
		every = append(every, c)
	}
	x, err := as2.Examine(env, raw.Body, files.sink, as2.OpenOptions{
		Identities: k.Identities, Trust: k.trust(env.From), Ciphers: every, Spool: k.Spool, At: k.At,
		Digests: []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512},
	})
	if err != nil {
		return nil, err
	}
	m := &Message{
		From: env.From, To: env.To, MessageID: env.MessageID, Version: env.Version, Subject: env.Subject,
		UserAgent: raw.Header.Get("User-Agent"), Type: env.ContentType, Wants: wants(env.Receipt),
		Layers: layers(x.Opened.Layers), Files: []File{}, MICs: []MIC{}, examined: x,
	}
	if x.Opened.Signer != nil {
		m.SignedBy = fingerprint(x.Opened.Signer)
	}
	var f *as2.Fault
	if errors.As(x.Err, &f) && f.Disposition.Modifier == as2.DecryptionFailed {
		// What a wrong key decrypts to is noise: nothing can be said of it.
		m.Layers[len(m.Layers)-1].Transport = ""
	} else {
		m.Files, m.Notes = files.found(x.Opened.Parts), x.Opened.Notes
		for _, v := range x.Variations {
			m.MICs = append(m.MICs, MIC{Over: v.Name, Digest: v.MIC.Digest.String(), Base64: encode(v.MIC), Rule: v.Rule})
		}
	}
	if slices.ContainsFunc(m.Layers, func(l Layer) bool { return l.Kind == string(as2.Signed) && !l.Verified }) {
		m.Notes = append(m.Notes, k.noTrust(env.From)...)
	}
	m.answer(errors.Join(bad, x.Err), env.Version)
	return m, nil
}

// answer is what a station would say.
func (m *Message) answer(refusal error, version string) {
	var f *as2.Fault
	if !errors.As(refusal, &f) {
		m.Accepted, m.Answer = true, as2.Processed.String()
		return
	}
	m.Answer = f.Disposition.For(version).String()
	m.Fault = f.Text
	if f.Detail != "" {
		m.Fault += " (" + f.Detail + ")"
	}
}

func layers(ls []as2.Layer) []Layer {
	rows := make([]Layer, 0, len(ls))
	for _, l := range ls {
		row := Layer{Kind: string(l.Kind), Legacy: l.Legacy}
		switch l.Kind {
		case as2.Encrypted:
			row.Cipher, row.Transport, row.Recipients = l.Cipher.String(), l.Transport.String(), l.Recipients
		case as2.Signed:
			row.Digest, row.Scheme, row.Attributes, row.Opaque = l.Digest.String(), l.Scheme.String(), l.Attributes, l.Opaque
			row.Signer, row.Verified = l.Signer, l.Signer != ""
		}
		rows = append(rows, row)
	}
	return rows
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// wants puts a request for a receipt into words.
func wants(r as2.ReceiptRequest) string {
	if !r.Wanted {
		return "none"
	}
	words := []string{"unsigned"}
	if r.Signed {
		words[0] = "signed"
	}
	if len(r.Digests) > 0 {
		names := make([]string, len(r.Digests))
		for i, d := range r.Digests {
			names[i] = d.String()
		}
		words = append(words, "MIC in "+strings.Join(names, " or "))
	}
	if r.Async != "" {
		return strings.Join(append(words, "posted later to "+r.Async), ", ")
	}
	return strings.Join(append(words, "in the answer"), ", ")
}

// files counts, digests and hands on what comes out of a message.
type files struct {
	save as2.Sink
	all  []*file
}

type file struct {
	w      io.WriteCloser // nil = thrown away
	digest hash.Hash
}

func (f *files) sink(p as2.Part) (io.WriteCloser, error) {
	out := &file{digest: sha256.New()}
	if f.save != nil {
		var err error
		if out.w, err = f.save(p); err != nil {
			return nil, err
		}
	}
	f.all = append(f.all, out)
	return out, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.digest.Write(p)
	if f.w == nil {
		return len(p), nil
	}
	return f.w.Write(p)
}

func (f *file) Close() error {
	if f.w == nil {
		return nil
	}
	return f.w.Close()
}

func (f *files) found(parts []as2.Part) []File {
	rows := make([]File, 0, len(parts))
	for _, p := range parts {
		row := File{Name: p.Filename, Type: p.ContentType, Size: p.Size, Document: p.Document}
		if p.Index < len(f.all) {
			row.SHA256 = hex.EncodeToString(f.all[p.Index].digest.Sum(nil))
		}
		rows = append(rows, row)
	}
	return rows
}

// describe is a layer on one line.
func (l Layer) describe() string {
	switch {
	case l.Kind == string(as2.Encrypted):
		s := "encrypted  " + l.Cipher
		if l.Transport != "" {
			s += ", key transport " + l.Transport
		}
		for _, r := range l.Recipients {
			s += "\n             for " + r
		}
		return s
	case l.Kind == string(as2.Signed):
		s := fmt.Sprintf("signed     %s, %s", l.Digest, l.Scheme)
		if l.Opaque {
			s += ", opaque"
		}
		if !l.Attributes {
			s += ", without signed attributes"
		}
		if l.Verified {
			return s + "\n             verified: " + l.Signer
		}
		return s + "\n             not verified"
	}
	return l.Kind
}
