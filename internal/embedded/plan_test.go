package embedded

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// file is one in memory.
type file struct {
	name string
	data []byte
}

func (f file) write(w io.Writer) error {
	_, err := w.Write(f.data)
	return err
}

// embed puts files into a document, and holds the length against what was announced.
func embed(t interface{ Fatalf(string, ...any) }, doc []byte, files ...file) ([]byte, *Plan, error) {
	var names []string
	var sources []Source
	var sizes []int64
	for _, f := range files {
		names, sources, sizes = append(names, f.name), append(sources, f.write), append(sizes, int64(len(f.data)))
	}
	plan, err := NewPlan(bytes.NewReader(doc), names)
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	if err := plan.Write(&out, file{"", doc}.write, sources); err != nil {
		t.Fatalf("planned, and then: %v", err)
	}
	if got, want := int64(out.Len()), plan.Size(int64(len(doc)), sizes); got != want {
		t.Fatalf("%d bytes, announced were %d", got, want)
	}
	return out.Bytes(), plan, nil
}

// cut takes what the plan has put in out again.
func cut(t interface{ Fatalf(string, ...any) }, result, doc []byte, plan *Plan, files []file) []byte {
	var back []byte
	at, in := 0, int64(0) // in result and in doc
	for _, e := range plan.edits {
		keep := int(e.at - in)
		back = append(back, result[at:at+keep]...)
		at, in = at+keep, e.at
		inserted := string(e.before) + base64.StdEncoding.EncodeToString(files[e.attachment].data) + string(e.after)
		if !bytes.HasPrefix(result[at:], []byte(inserted)) {
			t.Fatalf("at %d is %.300q, not %.300q", at, result[at:], inserted)
		}
		at += len(inserted)
		back = append(back, doc[in:in+e.remove]...)
		in += e.remove
	}
	return append(back, result[at:]...)
}

// taken is what Extract finds, by name and in order.
func taken(doc []byte) (objects []Object, files []file, err error) {
	_, objects, err = Extract(bytes.NewReader(doc), Limits{}, func(i int, o Object) (io.WriteCloser, error) {
		if i != len(files) {
			return nil, fmt.Errorf("file %d behind %d", i, len(files))
		}
		files = append(files, file{name: o.Name})
		return &collected{&files, i}, nil
	})
	return objects, files, err
}

type collected struct {
	files *[]file
	i     int
}

func (c *collected) Write(b []byte) (int, error) {
	f := &(*c.files)[c.i]
	f.data = append(f.data, b...)
	return len(b), nil
}

func (c *collected) Close() error { return nil }

// samples are documents as they are in the trade, by their path.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, pattern := range []string{"../../testdata/ubl/*.xml", "../../testdata/samples/*/*.xml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			if all[p], err = os.ReadFile(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all) < 13 {
		t.Fatalf("%d documents under testdata", len(all))
	}
	return all
}

// Where attachments go, shown by what is new in the document.
func TestWhereAttachmentsGo(t *testing.T) {
	abc := []byte("abc") // YWJj
	const reference = `<cac:AdditionalDocumentReference><cbc:ID>a.pdf</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>`
	const lines = "</cac:AdditionalDocumentReference>\n<cac:AdditionalDocumentReference>\n<cbc:ID>a.pdf</cbc:ID>\n<cac:Attachment>\n<cbc:EmbeddedDocumentBinaryObject mimeCode"
	for _, c := range []struct{ name, doc, want string }{
		{"the last place of a bare document", invoiceHead + "<cbc:ID>1</cbc:ID></Invoice>", "<cbc:ID>1</cbc:ID>" + reference + "</Invoice>"},
		{"a document of white space", invoiceHead + "\n</Invoice>", invoiceHead + reference + "\n</Invoice>"},
		{"between its neighbours", invoiceHead + "<cac:OrderReference/><cac:ContractDocumentReference/><!-- c --><cac:Signature/></Invoice>",
			"<cac:ContractDocumentReference/>" + reference + "<!-- c --><cac:Signature/>"},
		{"behind those that are there", invoiceHead + "<cac:AdditionalDocumentReference/>\n\t<cac:AdditionalDocumentReference/>\n\t<cac:ProjectReference/></Invoice>",
			"<cac:AdditionalDocumentReference/>\n\t<cac:AdditionalDocumentReference>\n\t\t<cbc:ID>a.pdf</cbc:ID>\n\t\t<cac:Attachment>\n\t\t\t<cbc:EmbeddedDocumentBinaryObject mimeCode=\"application/pdf\" filename=\"a.pdf\">YWJj</cbc:EmbeddedDocumentBinaryObject>\n\t\t</cac:Attachment>\n\t</cac:AdditionalDocumentReference>\n\t<cac:ProjectReference/>"},
		{"before the first that comes behind, whatever follows", invoiceHead + "<cac:ProjectReference/><cac:OrderReference/></Invoice>", invoiceHead + reference + "<cac:ProjectReference/>"},
		{"an identifier that is taken", invoiceHead + "<cac:AdditionalDocumentReference><cbc:ID>a.pdf</cbc:ID></cac:AdditionalDocumentReference><cac:Signature><cbc:ID>a.pdf~2</cbc:ID></cac:Signature></Invoice>",
			"<cac:AdditionalDocumentReference><cbc:ID>a.pdf~3</cbc:ID>"},
		{"into the slot that names it", inInvoice(at("a.pdf")), `<cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj</cbc:EmbeddedDocumentBinaryObject><cac:ExternalReference><cbc:URI>a.pdf`},
		{"into the slot that names it, indented", inInvoice("\r\n  " + at("x/a.pdf")), "<cac:Attachment>\r\n  <cbc:EmbeddedDocumentBinaryObject mimeCode=\"application/pdf\" filename=\"a.pdf\">YWJj</cbc:EmbeddedDocumentBinaryObject>\r\n  <cac:ExternalReference>"},
		{"into the first slot of two", inInvoice(at("a.pdf"), at("a.pdf")), `R-1</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject`},
		{"into an empty object", inInvoice(named("a.pdf", "")), `filename="a.pdf">YWJj</cbc:EmbeddedDocumentBinaryObject>`},
		{"into an object of white space", inInvoice(named("a.pdf", "\n  ")), "filename=\"a.pdf\">YWJj\n  </cbc:EmbeddedDocumentBinaryObject>"},
		{"into an object without end tag", inInvoice(`<cbc:EmbeddedDocumentBinaryObject filename="a.pdf" />`), `<cbc:EmbeddedDocumentBinaryObject filename="a.pdf"  mimeCode="application/pdf">YWJj</cbc:EmbeddedDocumentBinaryObject>`},
		{"into an object beside the place", inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="x/y"/>` + at("a.pdf")), `<cbc:EmbeddedDocumentBinaryObject mimeCode="x/y" filename="a.pdf">YWJj</cbc:EmbeddedDocumentBinaryObject><cac:ExternalReference>`},
		{"an empty object before a place", inInvoice(at("a.pdf"), named("a.pdf", "")), `R-2</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj<`},
		{"beside an object of another name", inInvoice(named("b.pdf", "QUJD") + at("a.pdf")), lines},
		{"not where it is on the web", inInvoice(at("https://example.com/a.pdf")), lines},
		{"CII", inCII("<ram:IssuerAssignedID>1</ram:IssuerAssignedID>"),
			`</ram:AdditionalReferencedDocument><ram:AdditionalReferencedDocument><ram:IssuerAssignedID>a.pdf</ram:IssuerAssignedID><ram:TypeCode>916</ram:TypeCode><ram:Name>a.pdf</ram:Name><ram:AttachmentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj</ram:AttachmentBinaryObject></ram:AdditionalReferencedDocument>`},
		{"CII, into the slot", inCII("<ram:URIID>a.pdf</ram:URIID><ram:TypeCode>916</ram:TypeCode><ram:Name>n</ram:Name><ram:FormattedIssueDateTime/>"),
			`<ram:Name>n</ram:Name><ram:AttachmentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj</ram:AttachmentBinaryObject><ram:FormattedIssueDateTime/>`},
		{"CII, nothing there", ciiHead + "<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement/></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>",
			"<ram:ApplicableHeaderTradeAgreement><ram:AdditionalReferencedDocument>"},
		{"CII, closed again", ciiHead + "<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement/></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>",
			"</ram:AdditionalReferencedDocument></ram:ApplicableHeaderTradeAgreement></rsm:SupplyChainTradeTransaction>"},
		{"no prefix in scope", `<Order xmlns="` + ubl + `Order-2"><x:ID xmlns:x="` + cbc + `">1</x:ID></Order>`,
			`</x:ID><cac:AdditionalDocumentReference xmlns:cac="` + cac + `"><cbc:ID xmlns:cbc="` + cbc + `">a.pdf</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject xmlns:cbc="` + cbc + `" mimeCode=`},
		{"a prefix that is something else there", `<Order xmlns="` + ubl + `Order-2" xmlns:cac="` + cbc + `"><cac:ID>1</cac:ID></Order>`,
			`<cac:AdditionalDocumentReference xmlns:cac="` + cac + `"><cbc:ID xmlns:cbc=`},
		{"aggregates as the default", `<x:DespatchAdvice xmlns:x="` + ubl + `DespatchAdvice-2" xmlns="` + cac + `" xmlns:y="` + cbc + `"><OrderReference/><Signature/></x:DespatchAdvice>`,
			`<OrderReference/><AdditionalDocumentReference><y:ID>a.pdf</y:ID><Attachment><y:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="a.pdf">YWJj</y:EmbeddedDocumentBinaryObject></Attachment></AdditionalDocumentReference><Signature/>`},
	} {
		got, _, err := embed(t, []byte(c.doc), file{"a.pdf", abc})
		if err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.name, got, err, c.want)
			continue
		}
		if _, files, err := taken(got); err != nil || !slices.ContainsFunc(files, func(f file) bool { return f.name == "a.pdf" && string(f.data) == "abc" }) {
			t.Errorf("%s: taken out again: %v, %v", c.name, files, err)
		}
	}
}

// File names are written so that they come out the same, whatever the encoding.
func TestNamesInTheDocument(t *testing.T) {
	for _, c := range []struct{ encoding, name, want string }{
		{"UTF-8", `R&D "Maße" <1> 📎.pdf`, `R&amp;D &quot;Maße&quot; &lt;1&gt; 📎.pdf`},
		{"US-ASCII", "Maße.pdf", "Ma&#223;e.pdf"},
		{"ISO-8859-1", "Maße 5€.pdf", "Ma\xdfe 5&#8364;.pdf"},
		{"windows-1252", "Maße 5€ 検.pdf", "Ma\xdfe 5\x80 &#26908;.pdf"},
	} {
		doc := "<?xml version='1.0' encoding='" + c.encoding + "'?>" + inInvoice()
		got, _, err := embed(t, []byte(doc), file{c.name, []byte("abc")})
		if err != nil || !bytes.Contains(got, []byte(`filename="`+c.want+`"`)) || !bytes.Contains(got, []byte("<cbc:ID>"+c.want+"</cbc:ID>")) {
			t.Errorf("%s: %s, %v", c.encoding, got, err)
		}
		if objects, _, err := taken(got); err != nil || len(objects) != 1 || objects[0].Name != c.name || objects[0].ID != c.name {
			t.Errorf("%s: %+v, %v", c.encoding, objects, err)
		}
	}
}

func TestWhatCannotBeEmbedded(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{"<a/>", `line 1, column 1: the document is <a> in the namespace "": attachments can be embedded in`},
		{`<x:Catalogue xmlns:x="urn:x"/>`, `line 1, column 1: the document is <x:Catalogue> in the namespace "urn:x"`},
		{"UNA:+.? '", "line 1, column 1: text before the root element"},
		{invoiceHead + "\n<cac:X></Invoice>", "line 2, column 8: </Invoice> stands where <cac:X> has to be closed, which was opened in line 2"},
		{invoiceHead + `<x><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></x></Invoice>`, "line 1, column 242: the document is signed (ds:Signature)"},
		{inInvoice(at("b.pdf"), named("a.pdf", "QUJD")), `line 3, column 70: the document has "a.pdf" embedded already`},
		{inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="a/b">QUJD</cbc:EmbeddedDocumentBinaryObject>` + at("a.pdf")), `the document has "a.pdf" embedded already`},
		{inCII(`<ram:AttachmentBinaryObject filename="a.pdf">QUJD</ram:AttachmentBinaryObject>`), `the document has "a.pdf" embedded already`},
		{ciiHead + "</rsm:CrossIndustryInvoice>", "the invoice has no ram:ApplicableHeaderTradeAgreement"},
		{`<Order xmlns="` + ubl + `Order-2"/>`, "line 1, column 1: the document has nothing in it"},
	} {
		_, _, err := embed(t, []byte(c.doc), file{"a.pdf", nil})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || e.Next == "" {
			t.Errorf("%.400s\ngot  %v\nwant %s", c.doc, err, c.want)
		}
	}
	for _, names := range [][]string{{"a\x01.pdf"}, {"a\xff.pdf"}, {"ä.pdf", "a\u0308.pdf"}} {
		var files []file
		for _, n := range names {
			files = append(files, file{n, nil})
		}
		var e *Error
		if _, _, err := embed(t, []byte(inInvoice()), files...); !errors.As(err, &e) || e.Next == "" {
			t.Errorf("%q: %v", names, err)
		}
	}
}

// A document that is not the one of the plan is noticed if it ends too early; that it has
// other bytes is for its owner to see.
func TestDocumentThatGotShorter(t *testing.T) {
	doc := []byte(inInvoice())
	plan, err := NewPlan(bytes.NewReader(doc), []string{"a.pdf"})
	if err != nil {
		t.Fatal(err)
	}
	err = plan.Write(io.Discard, file{"", doc[:20]}.write, []Source{file{}.write})
	if err == nil || !strings.Contains(err.Error(), "ends at byte 20") {
		t.Error(err)
	}
	gone := errors.New("the disk is gone")
	if err := plan.Write(io.Discard, file{"", doc}.write, []Source{func(io.Writer) error { return gone }}); err != gone {
		t.Error(err)
	}
}

// Whatever goes in comes out the same, and the document is what it was but for what was
// put in.
func TestEmbedThenExtract(t *testing.T) {
	all := samples(t)
	var paths []string
	for p := range all {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(paths).Draw(t, "document")
		doc := all[p]
		name := rapid.OneOf(
			rapid.SampledFrom([]string{"INV-2026-3002_log.csv", "INV-2026-3002_photo.png", "INV-2026-1001_photo.png", "INV-2026-3012_log.csv"}),
			rapid.StringMatching(`[A-Za-z0-9 &'"<>;%#~äß€検-]{1,12}\.(pdf|png|csv|xlsx|bin|)`))
		names := rapid.SliceOfNDistinct(name, 0, 5, rapid.ID).Draw(t, "names")
		var files []file
		for _, n := range names {
			files = append(files, file{n, rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "data")})
		}
		got, plan, err := embed(t, doc, files...)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if back := cut(t, got, doc, plan, files); !bytes.Equal(back, doc) {
			t.Fatalf("%s is not what it was\n%s", p, back)
		}
		_, before, err := taken(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, after, err := taken(got)
		if err != nil || len(after) != len(before)+len(files) {
			t.Fatalf("%d files before, %d after, %v", len(before), len(after), err)
		}
		for _, f := range append(files, before...) {
			if !slices.ContainsFunc(after, func(g file) bool { return g.name == f.name && bytes.Equal(g.data, f.data) }) {
				t.Fatalf("%s: %q is not in it", p, f.name)
			}
		}
	})
}
