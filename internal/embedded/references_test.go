package embedded

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

const invoiceHead = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">`

const ciiHead = `<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100">`

// inInvoice is an invoice with one reference per attachment.
func inInvoice(attachments ...string) string {
	var b strings.Builder
	b.WriteString(invoiceHead + "<cbc:ID>INV-1</cbc:ID>\n")
	for i, a := range attachments {
		fmt.Fprintf(&b, "<cac:AdditionalDocumentReference><cbc:ID>R-%d</cbc:ID><cac:Attachment>%s</cac:Attachment></cac:AdditionalDocumentReference>\n", i+1, a)
	}
	return b.String() + "</Invoice>"
}

func at(uri string) string {
	return "<cac:ExternalReference><cbc:URI>" + uri + "</cbc:URI></cac:ExternalReference>"
}

func named(file, content string) string {
	return `<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="` + file + `">` + content + `</cbc:EmbeddedDocumentBinaryObject>`
}

func inCII(references ...string) string {
	var b strings.Builder
	b.WriteString(ciiHead + "<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeAgreement>")
	for _, r := range references {
		b.WriteString("<ram:AdditionalReferencedDocument>" + r + "</ram:AdditionalReferencedDocument>\n")
	}
	return b.String() + "</ram:ApplicableHeaderTradeAgreement></rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>"
}

// said is what References returns, short: an embedded one in brackets.
func said(refs []Reference) string {
	var all []string
	for _, r := range refs {
		name := r.Name
		if r.Embedded {
			name = "[" + name + "]"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func TestReferences(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"none", inInvoice(), ""},
		{"a file name", inInvoice(at("INV-1_a.pdf")), "INV-1_a.pdf"},
		{"in lines", inInvoice(at("\n  INV-1_a.pdf\n ")), "INV-1_a.pdf"},
		{"in pieces", inInvoice(at("INV<!-- x -->-1&amp;<![CDATA[2]]>.pdf")), "INV-1&2.pdf"},
		{"in a folder", inInvoice(at("scans/INV-1_a.pdf"), at(`.\scans\b.pdf`), at(`C:\export\c.pdf`), at(`\\server\share\d.pdf`), at("./e.pdf")), "INV-1_a.pdf b.pdf c.pdf d.pdf e.pdf"},
		{"a file URI", inInvoice(at("file:///export/INV-1_a.pdf"), at("FILE:b%20c.pdf"), at("file://server/d.pdf?x#page=2")), "INV-1_a.pdf b%20c.pdf d.pdf"},
		{"elsewhere", inInvoice(at("https://example.com/a.pdf"), at("http://example.com/a.pdf"), at("urn:x:a.pdf"), at("cid:a.pdf"), at("mailto:a@b.example"), at("data:,a.pdf"), at("ftp://h/a.pdf")), ""},
		{"remarks", inInvoice(at("see attached"), at(""), at("#a.pdf"), at("Timesheet"), at(".pdf"), at(".."), at("scans/"), at("v1.2 of the drawing"), at("drawing 7.")), ""},
		{"a place in the file", inInvoice(at("a.pdf#page=2")), "a.pdf"},
		{"a file name beside", inInvoice("<cac:ExternalReference><cbc:FileName>a.pdf</cbc:FileName></cac:ExternalReference>"), "a.pdf"},
		{"a file name of what is elsewhere", inInvoice("<cac:ExternalReference><cbc:URI>https://example.com/x</cbc:URI><cbc:FileName>a.pdf</cbc:FileName></cac:ExternalReference>"), ""},
		{"embedded", inInvoice(named("a.pdf", "QUJD")), "[a.pdf]"},
		{"embedded in lines", inInvoice(named("a.pdf", "\n  QUJD\n  ")), "[a.pdf]"},
		{"an object without content", inInvoice(named("a.pdf", ""), named("b.pdf", " \n "), `<cbc:EmbeddedDocumentBinaryObject filename="c.pdf"/>`), "a.pdf b.pdf c.pdf"},
		{"an object without a name", inInvoice(`<cbc:EmbeddedDocumentBinaryObject mimeCode="a/b">QUJD</cbc:EmbeddedDocumentBinaryObject>`), ""},
		{"both, the same", inInvoice(named("a.pdf", "") + at("a.pdf")), "a.pdf"},
		{"both, embedded under another name", inInvoice(named("a.pdf", "QUJD") + at("INV-1_a.pdf")), "[a.pdf] [INV-1_a.pdf]"},
		{"an object with a folder", inInvoice(named(`C:\scans\a.pdf`, "")), "a.pdf"},
		{"of a line", invoiceHead + "<cac:InvoiceLine><cac:DocumentReference><cbc:ID>1</cbc:ID><cac:Attachment>" + at("a.pdf") + "</cac:Attachment></cac:DocumentReference></cac:InvoiceLine></Invoice>", "a.pdf"},
		{"another element of that name", invoiceHead + "<Attachment>" + at("a.pdf") + "</Attachment><cac:X>" + at("b.pdf") + "</cac:X></Invoice>", ""},
		{"other prefixes", `<x:CreditNote xmlns:x="urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"><AdditionalDocumentReference xmlns="` + cac + `"><Attachment><ExternalReference><y:URI xmlns:y="` + cbc + `">a.pdf</y:URI></ExternalReference></Attachment></AdditionalDocumentReference></x:CreditNote>`, "a.pdf"},
		{"CII", inCII("<ram:IssuerAssignedID>1</ram:IssuerAssignedID><ram:URIID>a.pdf</ram:URIID>", "<ram:URIID>https://example.com/b.pdf</ram:URIID>",
			`<ram:AttachmentBinaryObject filename="c.pdf"/><ram:AttachmentBinaryObject filename="d.pdf">QUJD</ram:AttachmentBinaryObject>`), "a.pdf c.pdf [d.pdf]"},
		{"CII, not of a document", ciiHead + "<ram:SellerTradeParty><ram:URIUniversalCommunication><ram:URIID>a.pdf</ram:URIID></ram:URIUniversalCommunication></ram:SellerTradeParty></rsm:CrossIndustryInvoice>", ""},
	} {
		kind, refs, err := References(strings.NewReader(c.doc))
		if err != nil || kind == Unknown || said(refs) != c.want {
			t.Errorf("%s: %v %s, %v, want %s", c.name, kind, said(refs), err, c.want)
		}
	}
}

// Which files a reference names: as it is written, and decoded.
func TestReferenceIs(t *testing.T) {
	for _, c := range []struct {
		written string
		files   string // with | between them
		not     string
	}{
		{"a.pdf", "a.pdf", "A.pdf|b.pdf|a.pdf.pdf"},
		{"a%20b.pdf", "a%20b.pdf|a b.pdf", "a+b.pdf"},
		{"file:///x/a%C3%A4.pdf", "aä.pdf|aa\u0308.pdf", "a.pdf"},
		{"a\u0308.pdf", "ä.pdf|a\u0308.pdf", "a.pdf"},
		{"x/50%.pdf", "50%.pdf", "50.pdf"},
		{"a#1.pdf", "a#1.pdf", "a.pdf|a"},
		{"a.pdf#2.5", "a.pdf|a.pdf#2.5", "a"},
		{"a%2Fb.pdf", "a%2Fb.pdf|b.pdf", "a"},
	} {
		_, refs, err := References(strings.NewReader(inInvoice(at(c.written))))
		if err != nil || len(refs) != 1 {
			t.Errorf("%s: %v, %v", c.written, refs, err)
			continue
		}
		for file := range strings.SplitSeq(c.files, "|") {
			if !refs[0].Is(file) {
				t.Errorf("%s does not name %s, but %q", c.written, file, refs[0].names)
			}
		}
		for file := range strings.SplitSeq(c.not, "|") {
			if refs[0].Is(file) {
				t.Errorf("%s names %s", c.written, file)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for root, want := range map[string]Kind{
		"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2 Invoice":                           Invoice,
		"urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2 CreditNote":                     CreditNote,
		"urn:oasis:names:specification:ubl:schema:xsd:Order-2 Order":                               Order,
		"urn:oasis:names:specification:ubl:schema:xsd:DespatchAdvice-2 DespatchAdvice":             DespatchAdvice,
		"urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100 CrossIndustryInvoice":        CrossIndustryInvoice,
		"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2 CreditNote":                        Unknown,
		"urn:oasis:names:specification:ubl:schema:xsd:Catalogue-2 Catalogue":                       Unknown,
		"urn:oasis:names:specification:ubl:schema:xsd:Invoice-1.0 Invoice":                         Unknown,
		"urn:ferd:CrossIndustryDocument:invoice:1p0 CrossIndustryDocument":                         Unknown,
		"urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100 SupplyChainTradeTransaction": Unknown,
		" Invoice": Unknown,
	} {
		space, local, _ := strings.Cut(root, " ")
		doc := fmt.Sprintf(`<%s xmlns="%s"/>`, local, space)
		if kind, refs, err := References(strings.NewReader(doc)); kind != want || len(refs) != 0 || err != nil {
			t.Errorf("%s: %v, %v, %v", doc, kind, refs, err)
		}
	}
}

// A document of another kind is not read any further than to its root: it may be long.
func TestUnknownDocumentIsNotRead(t *testing.T) {
	broken := errors.New("read too far")
	src := io.MultiReader(strings.NewReader(`<cXML version="1.2">`+strings.Repeat(" ", 64<<10)), failing{broken})
	if kind, _, err := References(src); kind != Unknown || err != nil {
		t.Errorf("%v, %v", kind, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBrokenDocuments(t *testing.T) {
	for doc, want := range map[string]string{
		"":                             "line 1, column 1: the document is empty",
		"UNB+UNOC:3":                   "line 1, column 1: text before the root element",
		inInvoice(at("a&b.pdf")):       "line 2, column 103: & begins no reference: write &amp;",
		inInvoice(named("a", "<b/>")):  "line 2, column 144: an element stands inside of an embedded object, where only base64 belongs",
		invoiceHead + "<cbc:ID>1":      "line 1, column 248: the document ends inside of <cbc:ID>, which was opened in line 1",
		invoiceHead + "</Invoice><a/>": "line 1, column 249: a second element behind the end of the root element",
	} {
		_, refs, err := References(strings.NewReader(doc))
		var e *Error
		if !errors.As(err, &e) || err.Error() != want || e.Next == "" || refs != nil {
			t.Errorf("%s\ngot  %v\nwant %s", doc, err, want)
		}
	}
	gone := errors.New("the disk is gone")
	_, _, err := References(io.MultiReader(strings.NewReader(invoiceHead), failing{gone}))
	if err != gone {
		t.Errorf("%v", err)
	}
}

// So many references are none of a business document, and they are held in memory.
func TestTooManyReferences(t *testing.T) {
	doc := invoiceHead + strings.Repeat("<cac:Attachment>"+at("a.pdf")+"</cac:Attachment>", maxSlots+1) + "</Invoice>"
	if _, _, err := References(strings.NewReader(doc)); err == nil || !strings.Contains(err.Error(), "too many attachments") {
		t.Error(err)
	}
	doc = inCII(strings.Repeat("<ram:AttachmentBinaryObject/>", maxSlots+1))
	if _, _, err := References(strings.NewReader(doc)); err == nil || !strings.Contains(err.Error(), "too many embedded objects") {
		t.Error(err)
	}
}
