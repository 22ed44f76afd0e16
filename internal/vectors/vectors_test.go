package vectors

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/inspection"
	"github.com/as2drop/as2drop/testdata/keys"
)

// moment is when the vectors are read.
var moment = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// vector is one captured request, or answer, of a peer.
type vector struct {
	name   string
	raw    []byte // header fields as they came
	header http.Header
	body   []byte
	expect struct {
		Kind, From, To   string
		Layers           []string
		File, SHA256     string
		Size             int64
		Receipt          string
		Later, Signed    bool
		MIC, Disposition string
		MessageID        string `json:"message_id"`
	}
}

// load reads the vectors of a kind. Too few of them are a fault: somebody lost them.
func load(t *testing.T, kind string, atLeast int) (vs []vector) {
	t.Helper()
	for _, product := range []string{"openas2-*", "pyas2-*"} {
		dirs, err := filepath.Glob(filepath.Join("..", "..", "testdata", "vectors", product))
		if err != nil {
			t.Fatal(err)
		}
		n := len(vs)
		for _, dir := range dirs {
			if v := read(t, dir); v.expect.Kind == kind {
				vs = append(vs, v)
			}
		}
		if len(vs)-n < atLeast {
			t.Fatalf("%d vectors of kind %s in %s, there were at least %d", len(vs)-n, kind, product, atLeast)
		}
	}
	return vs
}

func read(t *testing.T, dir string) (v vector) {
	t.Helper()
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	v.name, v.raw, v.body = filepath.Base(dir), file("headers"), file("body")
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(v.raw))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	v.header = http.Header(h)
	if err := json.Unmarshal(file("expect.json"), &v.expect); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return v
}

// options are those of a receiver who has agreed to what the case names.
func (v *vector) options(t *testing.T) as2.OpenOptions {
	t.Helper()
	us, key := keys.Load("us-rsa")
	partner, _ := keys.Load("partner-rsa")
	o := as2.OpenOptions{
		Identities: []cms.Identity{{Certificate: us, Key: key}}, Trust: cms.Pinned(partner), At: moment,
		Digests: []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512},
	}
	for _, layer := range v.expect.Layers {
		if name, ok := strings.CutPrefix(layer, "encrypted "); ok {
			c, err := cms.ParseCipher(name)
			if err != nil {
				t.Fatal(err)
			}
			o.Ciphers = []cms.Cipher{c}
		}
	}
	return o
}

// content is the payload of a message.
type content struct{ bytes.Buffer }

func (*content) Close() error { return nil }

// receiver opens what the handler gives it.
type receiver struct {
	options  as2.OpenOptions
	envelope *as2.Envelope
	opened   *as2.Opened
	payload  content
	err      error
}

func (r *receiver) Receive(_ context.Context, m *as2.Message) as2.Reply {
	if r.envelope, r.err = as2.ParseEnvelope(m.Header); r.err == nil {
		r.opened, r.err = as2.Open(r.envelope, m.Body, func(as2.Part) (io.WriteCloser, error) { return &r.payload, nil }, r.options)
	}
	return as2.Reply{Status: http.StatusOK}
}

// Every message of a peer comes through the handler and is opened: layers, MIC, name and
// bytes are those of the case, and what must be refused is, with the right modifier.
func TestMessages(t *testing.T) {
	for _, v := range load(t, "message", 25) {
		t.Run(v.name, func(t *testing.T) {
			r := &receiver{options: v.options(t)}
			req := httptest.NewRequest(http.MethodPost, "/as2", bytes.NewReader(v.body))
			req.Header = v.header
			req.ContentLength = int64(len(v.body))
			w := httptest.NewRecorder()
			(&as2.Handler{Backend: r}).ServeHTTP(w, req)
			if w.Code != http.StatusOK || r.envelope == nil {
				t.Fatalf("the handler answers %d %q", w.Code, w.Body)
			}
			v.compareEnvelope(t, r.envelope)
			if want := v.expect.Disposition; want != "" {
				var f *as2.Fault
				if !errors.As(r.err, &f) || f.Disposition != as2.Failed(want) {
					t.Errorf("%v, want %s", r.err, want)
				}
				return
			}
			if r.err != nil {
				t.Fatal(r.err)
			}
			v.compare(t, r)
		})
	}
}

func (v *vector) compareEnvelope(t *testing.T, e *as2.Envelope) {
	t.Helper()
	if e.From != v.expect.From || e.To != v.expect.To {
		t.Errorf("from %q to %q, want %q, %q", e.From, e.To, v.expect.From, v.expect.To)
	}
	asks := "none"
	switch {
	case e.Receipt.Signed:
		asks = "signed"
	case e.Receipt.Wanted:
		asks = "unsigned"
	}
	if asks != v.expect.Receipt || (e.Receipt.Async != "") != v.expect.Later {
		t.Errorf("it asks for the receipt %+v, want %s, later: %v", e.Receipt, v.expect.Receipt, v.expect.Later)
	}
}

func (v *vector) compare(t *testing.T, r *receiver) {
	t.Helper()
	x := v.expect
	if got := as2.LayerNames(r.opened.Layers); !slices.Equal(got, x.Layers) {
		t.Errorf("layers %q, want %q", got, x.Layers)
	}
	sum := sha256.Sum256(r.payload.Bytes())
	if hex.EncodeToString(sum[:]) != x.SHA256 || r.opened.Size != x.Size {
		t.Errorf("payload of %d bytes with sha256 %x, want %d, %s", r.opened.Size, sum, x.Size, x.SHA256)
	}
	if len(r.opened.Parts) != 1 || r.opened.Parts[0].Filename != x.File {
		t.Errorf("parts %+v, want %q", r.opened.Parts, x.File)
	}
	if x.MIC == "" {
		return
	}
	want, err := as2.ParseMIC(x.MIC)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := as2.FindMIC(r.opened.MICs, want.Digest); !ok || !got.Equal(want) {
		t.Errorf("MIC %v, want %v", r.opened.MICs, want)
	}
}

// The inspection says of every message what the opener says.
func TestInspection(t *testing.T) {
	us, key := keys.Load("us-rsa")
	partner, _ := keys.Load("partner-rsa")
	k := inspection.Keys{Identities: []cms.Identity{{Certificate: us, Key: key}}, Trust: func(string) cms.Trust { return cms.Pinned(partner) }, At: moment}
	for _, v := range load(t, "message", 25) {
		raw, err := inspection.Read(bytes.NewReader(v.raw), bytes.NewReader(v.body))
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		report, err := inspection.Inspect(raw, k, nil)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		m := report.Message
		if m == nil {
			t.Errorf("%s: not taken for a message", v.name)
			continue
		}
		if want := v.expect.Disposition; want != "" {
			if m.Accepted || m.Fault == "" {
				t.Errorf("%s: accepted %v, %q, want %s", v.name, m.Accepted, m.Answer, want)
			}
			continue
		}
		if !m.Accepted || len(m.Layers) != len(v.expect.Layers) || len(m.Files) != 1 || m.Files[0].SHA256 != v.expect.SHA256 {
			t.Errorf("%s: accepted %v (%s), layers %+v, files %+v", v.name, m.Accepted, m.Fault, m.Layers, m.Files)
		}
	}
}

// Every receipt of a peer is read: who signed, for which message, with which disposition
// and MIC.
func TestReceipts(t *testing.T) {
	partner, _ := keys.Load("partner-rsa")
	for _, v := range load(t, "receipt", 15) {
		t.Run(v.name, func(t *testing.T) {
			m, err := as2.ParseMDN(v.header, v.body, cms.Pinned(partner), moment)
			if err != nil {
				t.Fatal(err)
			}
			x := v.expect
			if m.Signed != x.Signed || m.Claim != "" {
				t.Errorf("signed: %v (%s), want %v", m.Signed, m.Claim, x.Signed)
			}
			if m.From != x.From || m.To != x.To || as2.StripID(m.OriginalMessageID) != as2.StripID(x.MessageID) {
				t.Errorf("from %q to %q for %q, want %q, %q, %q", m.From, m.To, m.OriginalMessageID, x.From, x.To, x.MessageID)
			}
			if x.Disposition == "processed" {
				if m.Disposition != as2.Processed {
					t.Errorf("disposition %q", m.DispositionText)
				}
			} else if m.Disposition.Accepted() || m.Disposition.Modifier != x.Disposition {
				t.Errorf("disposition %q, want %s", m.DispositionText, x.Disposition)
			}
			if x.MIC == "" {
				return
			}
			if want, err := as2.ParseMIC(x.MIC); err != nil || m.MIC == nil || !m.MIC.Equal(want) {
				t.Errorf("MIC %v, want %v, %v", m.MIC, want, err)
			}
		})
	}
}

// A vector that says something else than its bytes is noticed.
func TestMessagesNotice(t *testing.T) {
	v := read(t, filepath.Join("..", "..", "testdata", "vectors", "openas2-signed-encrypted-signed-receipt"))
	r := &receiver{options: v.options(t)}
	v.body[len(v.body)/2] ^= 1
	r.Receive(t.Context(), &as2.Message{Header: v.header, Body: bytes.NewReader(v.body)})
	if r.err == nil {
		t.Error("a changed body is opened")
	}
}
