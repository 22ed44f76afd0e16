package as2

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/testdata/keys"
)

// captured is a message that others made: go run ./internal/ci/messagevectors.
type captured struct {
	header http.Header
	body   []byte
	expect struct {
		Layers []string
		MIC    string
		Files  []struct {
			Name, Type, Content string
			Document            bool
		}
		Legacy bool
		Note   string
	}
}

func loadVector(t testing.TB, name string) (v captured) {
	t.Helper()
	read := func(file string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name, file))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(read("headers")))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	v.header, v.body = http.Header(h), read("body")
	if err := json.Unmarshal(read("expect.json"), &v.expect); err != nil {
		t.Fatal(err)
	}
	return v
}

func vectorNames(t testing.TB) (names []string) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("..", "testdata", "vectors", "message-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		names = append(names, filepath.Base(d))
	}
	if len(names) < 20 {
		t.Fatalf("%d vectors: testdata/vectors/message-* is not whole", len(names))
	}
	return names
}

// asUs are the options of the receiver of the vectors.
func asUs(legacy bool) OpenOptions {
	cert, key := keys.Load("us-rsa")
	rsa, _ := keys.Load("partner-rsa")
	ecdsa, _ := keys.Load("partner-ecdsa")
	o := OpenOptions{Identities: []cms.Identity{{Certificate: cert, Key: key}}, Trust: cms.Pinned(rsa, ecdsa), At: moment}
	if legacy {
		o.Digests = []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512}
		o.Ciphers = []cms.Cipher{cms.DESEDE3CBC}
	}
	return o
}

// collector is a sink that keeps every part.
type collector struct{ files []*bytes.Buffer }

func (c *collector) sink(Part) (io.WriteCloser, error) {
	b := &bytes.Buffer{}
	c.files = append(c.files, b)
	return nopCloser{b}, nil
}

// Messages that OpenSSL and Bouncy Castle made open: every order of layers, every form
// of signature. Layers, MIC and files are what they say, however the bytes arrive.
func TestVectorsOpen(t *testing.T) {
	for _, name := range vectorNames(t) {
		t.Run(name, func(t *testing.T) {
			v := loadVector(t, name)
			for _, r := range []io.Reader{bytes.NewReader(v.body), iotest.OneByteReader(bytes.NewReader(v.body)), iotest.DataErrReader(bytes.NewReader(v.body))} {
				e, err := ParseEnvelope(v.header)
				if err != nil {
					t.Fatal(err)
				}
				var c collector
				opened, err := Open(e, r, c.sink, asUs(v.expect.Legacy))
				if err != nil {
					t.Fatal(err)
				}
				v.check(t, opened, c.files)
			}
		})
	}
}

func (v *captured) check(t *testing.T, opened *Opened, files []*bytes.Buffer) {
	t.Helper()
	if got := LayerNames(opened.Layers); !slices.Equal(got, v.expect.Layers) {
		t.Errorf("layers %q, want %q", got, v.expect.Layers)
	}
	if got := opened.MICs[0].String(); got != v.expect.MIC {
		t.Errorf("MIC %q, want %q", got, v.expect.MIC)
	}
	if len(opened.Parts) != len(v.expect.Files) {
		t.Fatalf("%d files, want %d", len(opened.Parts), len(v.expect.Files))
	}
	for i, f := range v.expect.Files {
		content, err := base64.StdEncoding.DecodeString(f.Content)
		if err != nil {
			t.Fatal(err)
		}
		p := opened.Parts[i]
		if p.Filename != f.Name || p.ContentType != f.Type || p.Document != f.Document || p.Size != int64(len(content)) || !bytes.Equal(files[i].Bytes(), content) {
			t.Errorf("file %d: %+v %q, want %+v", i, p, files[i], f)
		}
	}
	switch notes := strings.Join(opened.Notes, "\n"); {
	case v.expect.Note == "" && notes != "":
		t.Errorf("notes %q", notes)
	case !strings.Contains(notes, v.expect.Note):
		t.Errorf("notes %q, want one with %q", notes, v.expect.Note)
	}
	for _, l := range opened.Layers {
		if l.Legacy && !v.expect.Legacy {
			t.Errorf("legacy: %+v", l)
		}
	}
}

// What uses a legacy algorithm is refused until it is agreed upon.
func TestLegacyVectorsAreRefused(t *testing.T) {
	refused := 0
	for _, name := range vectorNames(t) {
		v := loadVector(t, name)
		if !v.expect.Legacy {
			continue
		}
		refused++
		opened, _, err := openBytes(v.header, bytes.NewReader(v.body), asUs(false))
		if modifierOf(err) != InsufficientSecurity || opened != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if refused < 2 {
		t.Error("nothing was tested")
	}
}

// An examination of what others made finds the same MIC by its rule, and the agreement
// it breaks.
func TestVectorsExamined(t *testing.T) {
	for _, name := range vectorNames(t) {
		t.Run(name, func(t *testing.T) {
			v := loadVector(t, name)
			e, err := ParseEnvelope(v.header)
			if err != nil {
				t.Fatal(err)
			}
			x, err := Examine(e, bytes.NewReader(v.body), nil, asUs(false))
			if err != nil {
				t.Fatal(err)
			}
			if v.expect.Legacy != (modifierOf(x.Err) == InsufficientSecurity) {
				t.Errorf("objection %v", x.Err)
			}
			if v.expect.Legacy {
				return
			}
			want, err := ParseMIC(v.expect.MIC)
			if err != nil {
				t.Fatal(err)
			}
			if found, ok := x.Explain(want); !ok || !found.Rule {
				t.Errorf("%+v, %v", found, ok)
			}
			if got, ok := FindMIC(x.Opened.MICs, want.Digest); !ok || !got.Equal(want) || len(x.Opened.MICs) != len(allDigests) {
				t.Errorf("%v of %v", got, x.Opened.MICs)
			}
			if got := LayerNames(x.Opened.Layers); !slices.Equal(got, v.expect.Layers) {
				t.Errorf("layers %q", got)
			}
		})
	}
}

// modifierOf is the disposition that an error answers with; its text if it is no fault.
func modifierOf(err error) string {
	if err == nil {
		return ""
	}
	f, ok := err.(*Fault)
	if !ok {
		return fmt.Sprintf("no fault: %v", err)
	}
	return f.Disposition.Modifier
}
