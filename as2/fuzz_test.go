package as2

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/as2drop/as2drop/cms"
)

// outcome is everything that Open says, to compare.
type outcome struct {
	modifier string
	files    []string
	mics     []string
	layers   []string
	notes    []string
}

func openForFuzz(t *testing.T, h http.Header, r io.Reader, o OpenOptions) outcome {
	t.Helper()
	e, err := ParseEnvelope(h)
	if err != nil {
		t.Fatal(err)
	}
	var c collector
	opened, err := Open(e, r, c.sink, o)
	if err != nil {
		if opened != nil {
			t.Errorf("%+v beside %v", opened, err)
		}
		if strings.HasPrefix(modifierOf(err), "no fault") {
			t.Errorf("memory does not fail, but: %v", err)
		}
		return outcome{modifier: modifierOf(err)}
	}
	out := outcome{layers: LayerNames(opened.Layers), notes: opened.Notes}
	size, documents := int64(0), 0
	for i, p := range opened.Parts {
		out.files = append(out.files, p.Filename+"\x00"+c.files[i].String())
		size += p.Size
		if p.Document {
			documents++
		}
		if !utf8.ValidString(p.Filename) || p.Index != i || p.Size != int64(c.files[i].Len()) {
			t.Errorf("part %d: %+v", i, p)
		}
	}
	if size != opened.Size || documents != 1 || len(opened.MICs) == 0 || opened.Signed != (opened.Signer != nil) || len(opened.Layers) > maxLayers {
		t.Errorf("%+v", opened)
	}
	for _, m := range opened.MICs {
		out.mics = append(out.mics, m.String())
	}
	return out
}

func (o outcome) equal(p outcome) bool {
	return o.modifier == p.modifier && slices.Equal(o.files, p.files) && slices.Equal(o.mics, p.mics) && slices.Equal(o.layers, p.layers) && slices.Equal(o.notes, p.notes)
}

// Whatever arrives: no panic, nothing beside an error, the same outcome in whatever
// pieces it comes, and an examination that agrees.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		h := http.Header{"As2-From": {"A"}, "As2-To": {"B"}, "Message-Id": {"x"}, "Content-Type": {contentType}, "Content-Transfer-Encoding": {encoding}}
		o := asUs(true)
		o.MaxPayload, o.MaxParts = 1<<20, 20
		out := openForFuzz(t, h, bytes.NewReader(body), o)
		for _, r := range []io.Reader{iotest.HalfReader(bytes.NewReader(body)), iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(body)))} {
			if again := openForFuzz(t, h, r, o); !again.equal(out) {
				t.Errorf("%+v, in pieces %+v", out, again)
			}
		}
		x := examineBytes(t, h, body, o)
		if modifierOf(x.Err) != out.modifier {
			t.Errorf("opened: %s, examined: %v", out.modifier, x.Err)
		}
		if out.modifier == "" {
			want, err := ParseMIC(out.mics[0])
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := x.Explain(want); !ok || !v.Rule && !slices.ContainsFunc(x.Variations, func(r Variation) bool { return r.Rule && r.MIC.Equal(want) }) {
				t.Errorf("the MIC %v is not the one by the rule: %+v", want, v)
			}
		}
	})
}

// The HTTP header of a message: what is wrong is a fault, what is taken is within the
// limits and comes out of a header of ours the same.
func FuzzEnvelope(f *testing.F) {
	f.Fuzz(func(t *testing.T, from, to, id, options, delivery, disposition string) {
		e, err := ParseEnvelope(http.Header{"As2-From": {from}, "As2-To": {to}, "Message-Id": {id}, "Disposition-Notification-To": {"x"},
			"Disposition-Notification-Options": {options}, "Receipt-Delivery-Option": {delivery}, "Content-Disposition": {disposition}})
		if e == nil {
			t.Fatal("no envelope")
		}
		if !utf8.ValidString(e.Filename) {
			t.Errorf("%q", e.Filename)
		}
		for _, d := range e.Receipt.Digests {
			if d == cms.NoDigest {
				t.Errorf("%+v", e.Receipt)
			}
		}
		if err != nil {
			if modifierOf(err) == "" || strings.HasPrefix(modifierOf(err), "no fault") {
				t.Error(err)
			}
			return
		}
		if len(e.From) > maxName || len(e.To) > maxName || len(e.MessageID) > maxMessageID || StripID(e.MessageID) == "" {
			t.Errorf("%+v", e)
		}
		again, err := ParseEnvelope(http.Header{"As2-From": {QuoteName(e.From)}, "As2-To": {QuoteName(e.To)}, "Message-Id": {e.MessageID}})
		if err != nil || again.From != e.From || again.To != e.To || again.MessageID != e.MessageID {
			t.Errorf("%+v becomes %+v, %v", e, again, err)
		}
	})
}

// Every AS2 name survives the way through a header (RFC 4130, 6.2).
func FuzzNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		if unquoted := UnquoteName(name); len(unquoted) > len(name) {
			t.Errorf("%q grows to %q", name, unquoted)
		}
		if CheckName(name) != nil {
			return
		}
		quoted := QuoteName(name)
		if got := UnquoteName(quoted); got != name {
			t.Errorf("%q is written %q and read %q", name, quoted, got)
		}
		if needed := strings.ContainsAny(name, ` "\`); needed != (quoted != name) {
			t.Errorf("%q is written %q: quotes if and only if needed", name, quoted)
		}
		if !asWritten.MatchString(quoted) {
			t.Errorf("%q is no AS2-name", quoted)
		}
	})
}

// asWritten is AS2-name of RFC 4130, 6.2.
var asWritten = regexp.MustCompile(`^(?:[!#-\[\]-~]{1,128}|"(?:[ !#-\[\]-~]|\\["\\]){1,128}")$`)

// Multipart bodies: the same parts in whatever pieces they come, no part with a
// boundary in it, nothing lost between them.
func FuzzMultipart(f *testing.F) {
	split := func(r io.Reader, boundary string) (parts []string, more bool, err error) {
		ps, err := newParts(r, boundary)
		if err != nil {
			return nil, false, err
		}
		for {
			if err := ps.next(); err == io.EOF {
				more, err := ps.epilogue()
				return parts, more, err
			} else if err != nil {
				return parts, false, err
			}
			b, err := io.ReadAll(ps)
			if err != nil {
				return parts, false, err
			}
			parts = append(parts, string(b))
		}
	}
	f.Fuzz(func(t *testing.T, boundary string, body []byte) {
		parts, more, err := split(bytes.NewReader(body), boundary)
		again, moreAgain, errAgain := split(iotest.OneByteReader(bytes.NewReader(body)), boundary)
		if !slices.Equal(parts, again) || more != moreAgain || (err == nil) != (errAgain == nil) {
			t.Errorf("%q %v %v, byte by byte %q %v %v", parts, more, err, again, moreAgain, errAgain)
		}
		total := 0
		for _, p := range parts {
			total += len(p)
			if strings.Contains(p, "\n--"+boundary+"\r\n") {
				t.Errorf("a boundary in %q", p)
			}
		}
		if total > len(body) {
			t.Errorf("%d bytes out of %d", total, len(body))
		}
	})
}

// MIME headers: taken byte for byte up to their empty line, and read like the standard
// library reads those that it writes.
func FuzzMIMEHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, header []byte, name, value string) {
		r := bufio.NewReader(iotest.HalfReader(bytes.NewReader(header)))
		raw, h, err := readMIMEHeader(r)
		rest, rerr := io.ReadAll(r)
		if rerr != nil || string(raw)+string(rest) != string(header) {
			t.Errorf("%q and %q of %q", raw, rest, header)
		}
		if err == nil && !bytes.HasSuffix(raw, []byte("\n")) || err != nil && h != nil || len(raw) > maxHeader+1<<16 {
			t.Errorf("%q, %v, %v", raw, h, err)
		}
		for key := range h {
			if key != textproto.CanonicalMIMEHeaderKey(key) {
				t.Errorf("%q", key)
			}
		}
		if !utf8.ValidString(fileName(h)) {
			t.Errorf("%q", fileName(h))
		}
		if !utf8.ValidString(value) || strings.Contains(name, "*") { // RFC 2231, 7: the asterisk means something
			return
		}
		written := mime.FormatMediaType("a/b", map[string]string{name: value})
		if _, params := mediaType(written); written != "" && params[strings.ToLower(name)] != value {
			t.Errorf("%q is read as %q", written, params)
		}
	})
}

// A fuzz target without seeds tests nothing.
func TestSeedsAreThere(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	targets := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Fuzz\w+)`).FindAllSubmatch(source, -1) {
			targets++
			if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", string(m[1]))); err != nil || len(seeds) == 0 {
				t.Errorf("%s: %d seeds, %v", m[1], len(seeds), err)
			}
		}
	}
	if targets < 8 {
		t.Errorf("%d fuzz targets", targets)
	}
}
