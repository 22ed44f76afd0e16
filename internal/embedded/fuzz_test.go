package embedded

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz target anew")

// seeds are documents with every kind of slot.
var seeds = map[string]string{
	"bare":     inInvoice(),
	"place":    inInvoice(at("x/a.pdf"), at("https://example.com/b.pdf")),
	"empty":    inInvoice(named("a.pdf", ""), `<cbc:EmbeddedDocumentBinaryObject filename="a.pdf"/>`),
	"content":  inInvoice(named("b.pdf", "YW\r\nJj"), named("c.pdf", "YQ==")),
	"cii":      inCII("<ram:IssuerAssignedID>1</ram:IssuerAssignedID><ram:URIID>a.pdf</ram:URIID>", `<ram:AttachmentBinaryObject filename="d.pdf">YWJj</ram:AttachmentBinaryObject>`),
	"cii-none": ciiHead + "<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement/></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>",
	"latin":    "<?xml version='1.0' encoding='ISO-8859-1'?>\r\n<Order xmlns='" + ubl + "Order-2' xmlns:cac='" + cbc + "'>\r\n <cac:ID>\xe4</cac:ID>\r\n</Order>",
	"default":  `<x:DespatchAdvice xmlns:x="` + ubl + `DespatchAdvice-2" xmlns="` + cac + `" xmlns:y="` + cbc + `"><OrderReference/><Signature/></x:DespatchAdvice>`,
}

// The seeds are there, and each of them takes an attachment: a target that starts from
// noise finds nothing. go test ./internal/embedded -run Seeds -update writes them anew.
func TestSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzEmbed")
	for name, doc := range seeds {
		file, want := filepath.Join(dir, name), fmt.Sprintf("go test fuzz v1\n[]byte(%q)\nstring(%q)\n[]byte(%q)\n", doc, "a.pdf", "%PDF")
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
		if _, _, err := embed(t, []byte(doc), memory("a.pdf", "%PDF")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func memory(name, data string) file { return file{name, []byte(data)} }

// Whatever document takes whatever file is well-formed with it, gives it back, and is what
// it was without it.
func FuzzEmbed(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc []byte, name string, data []byte) {
		in := file{name, data}
		got, plan, err := embed(t, doc, in)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Next == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if err := xmlstream.Check(bytes.NewReader(got), xmlstream.Limits{Attributes: 257}); err != nil {
			t.Fatalf("%q\n%v", got, err)
		}
		if back := cut(t, got, doc, plan, []file{in}); !bytes.Equal(back, doc) {
			t.Fatalf("%q is not what it was: %q", doc, back)
		}
		_, before, err := taken(doc)
		if err != nil || len(data) == 0 || base(name) != name || name == "" {
			return
		}
		_, after, err := taken(got)
		if err != nil || len(after) != len(before)+1 {
			t.Fatalf("%q: %d files before, %d after, %v", got, len(before), len(after), err)
		}
		if !slices.ContainsFunc(after, func(g file) bool { return g.name == name && bytes.Equal(g.data, data) }) {
			t.Fatalf("%q is not in %q, but %q", name, strings.ToValidUTF8(string(got), "?"), after)
		}
	})
}
