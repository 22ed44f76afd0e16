package filetype

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

func sniff(content string) *Sniffer {
	s := &Sniffer{}
	_, _ = io.Copy(s, struct{ io.Reader }{strings.NewReader(content)}) // neither fails
	return s
}

// zipOf is a zip with entries of some bytes each, in this order.
func zipOf(names ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		name, content, _ := strings.Cut(name, "=")
		method := zip.Deflate
		if content != "" {
			method = zip.Store
		}
		e, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			panic(err)
		}
		if content == "" {
			content = strings.Repeat(name, 100)
		}
		if _, err := io.WriteString(e, content); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

// wide is a text in UTF-16 with its mark.
func wide(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

const oid = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"

var (
	signed   = "\x30\x82\x01\x00" + oid + "\x02\xa0\x82\x00\xf1\x30" + strings.Repeat("x", 200)
	enclosed = "\x30\x80" + oid + "\x03\xa0\x80" + strings.Repeat("x", 200)
	authEnv  = "\x30\x81\xf0\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17\xa0" + strings.Repeat("x", 200)
	docx     = zipOf("[Content_Types].xml", "_rels/.rels", "word/document.xml")
	xlsx     = zipOf("xl/workbook.xml", "docProps/app.xml", "[Content_Types].xml")
	odt      = zipOf("mimetype=application/vnd.oasis.opendocument.text", "content.xml")
	ods      = zipOf("mimetype=application/vnd.oasis.opendocument.spreadsheet", "content.xml")
	ole      = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 500)
	exe      = "MZ\x90\x00\x03\x00\x00\x00"
	pdf      = "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\x00"
	jpeg     = "\xff\xd8\xff\xe0\x00\x10JFIF\x00"
)

var agreeing = []struct{ name, content string }{
	{"a.pdf", pdf}, {"A.PDF", "\r\njunk " + pdf}, {"a.jpg", jpeg}, {"a.JPEG", jpeg}, {"a.png", "\x89PNG\r\n\x1a\n\x00"}, {"a.gif", "GIF89a\x01\x00"},
	{"a.tif", "II*\x00\x08\x00\x00\x00"}, {"a.tiff", "MM\x00*\x00"}, {"a.bmp", "BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"},
	{"a.ps", "%!PS-Adobe-3.0\n"}, {"a.eps", "\xc5\xd0\xd3\xc6\x20\x00"}, {"a.rtf", `{\rtf1\ansi}`},
	{"a.docx", docx}, {"a.xlsx", xlsx}, {"a.odt", odt}, {"a.ods", ods}, {"a.doc", ole}, {"a.xls", ole}, {"a.zip", zipOf("x")}, {"a.zip", docx}, {"a.zip", "PK\x05\x06" + strings.Repeat("\x00", 18)},
	{"a.odt", zipOf("content.xml", "META-INF/manifest.xml")},
	{"a.p7b", signed}, {"a.p7s", signed}, {"a.p7m", signed}, {"a.p7m", enclosed}, {"a.p7m", authEnv}, {"a.p7s", base64.StdEncoding.EncodeToString([]byte(signed))},
	{"a.p7b", string(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: []byte(signed)}))},
	{"a.svg", "<?xml version=\"1.0\"?>\n<!-- drawn -->\n<!DOCTYPE svg PUBLIC \"x\" [<!ENTITY a \"b\">]>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"}, {"a.svg", "<!-- a > b --><svg/>"}, {"a.svg", "<svg:svg xmlns:svg='x'></svg:svg>"},
	{"a.xml", "\xef\xbb\xbf<Invoice/>"}, {"a.xml", "<?xml version='1.0'?><a/>"}, {"a.xml", wide("<?xml version='1.0' encoding='UTF-16'?><a/>")}, {"a.xml", " <a/>"}, {"a.xml", "<svg/>"}, {"a.xml", "<html xmlns='http://www.w3.org/1999/xhtml'/>"},
	{"a.html", "<!DOCTYPE html>\n<html>"}, {"a.htm", "<!-- saved --><HTML lang=de>"}, {"a.html", "<table border=1><tr>"}, {"a.xml", "<table/>"}, {"a.html", "<?xml version='1.0'?><html xmlns='x'/>"},
	{"a.eml", "Received: from a\r\n\tby b\r\nSubject: x\r\n\r\nbody < with anything"}, {"a.eml", "From a@b Mon Nov 23\nFrom: a\n\nx"}, {"a.eml", "X-Long: " + strings.Repeat("a", 3000) + "\nTo: b\n" + strings.Repeat("X: y\n", 1000)},
	{"a.csv", "a;b\r\n1;2\r\n"}, {"a.csv", "Stra\xdfe;\xe4\n"}, {"a.csv", wide("a;b\n")}, {"a.txt", "Straße\f\n\x1a"}, {"a.txt", "<html> is text, too"}, {"a.txt", "UNA:+.? 'UNB"}, {"a.txt", "\x1b$)C\x0e1G\x0f"}, {"a.txt", "a file that begins with %PDF-"},
	{"a.dwg", exe}, {"noextension", exe}, {"a.", exe},
}

// What programs write is what its name says.
func TestAgrees(t *testing.T) {
	for _, c := range agreeing {
		for how, s := range map[string]*Sniffer{"whole": sniff(c.content), "byte by byte": {}} {
			if s.size == 0 {
				if _, err := io.Copy(s, iotest.OneByteReader(strings.NewReader(c.content))); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.Contradiction(c.name); got != "" {
				t.Errorf("%s, %.20q, %s: %s", c.name, c.content, how, got)
			}
		}
	}
}

var contradicting = []struct{ name, content, want string }{
	{"a.pdf", exe, "its name says PDF, and its content is a Windows program"},
	{"a.pdf", signed[:40] + pdf, "its name says PDF, and its content is signed data or certificates (PKCS #7)"},
	{"a.pdf", "#!/bin/sh\nrm", "its name says PDF, and its content is a script"},
	{"a.pdf", "<html><body>404", "its name says PDF, and its content is HTML"},
	{"a.pdf", "", "it is empty, and its name says PDF"},
	{"a.pdf", "\x01\x02\x03", `its name says PDF, and its content is nothing that is known; it begins with "\x01\x02\x03"`},
	{"a.pdf", "see the attached", "its name says PDF, and its content is text"},
	{"a.jpg", "\x89PNG\r\n\x1a\n\x00", "its name says JPEG, and its content is PNG"},
	{"a.bmp", "BMW is a car\x00\x00\x00\x00\x00\x00", `its name says BMP, and its content is nothing that is known; it begins with "BMW is a"`},
	{"a.docx", xlsx, "its name says a Word document, and its content is an Excel workbook"},
	{"a.docx", ole, "its name says a Word document, and its content is an old Office document (OLE), or one with a password"},
	{"a.docx", zipOf("x"), "its name says a Word document, and its content is a zip"},
	{"a.ods", odt, "its name says an OpenDocument spreadsheet, and its content is an OpenDocument text"},
	{"a.doc", `{\rtf1}`, "its name says an old Office document (OLE), and its content is RTF"},
	{"a.xls", "<html><table>", "its name says an old Office document (OLE), and its content is HTML"},
	{"a.txt", "abc\x00def", "its name says text, and it has a byte 00 at byte 3, which no text has"},
	{"a.txt", strings.Repeat("a", 100_000) + "\x07", "its name says text, and it has a byte 07 at byte 100000, which no text has"},
	{"a.txt", "%PDF-1.4 without any other byte", "its name says text, and its content is PDF"},
	{"a.txt", exe, "its name says text, and its content is a Windows program"},
	{"a.csv", "<html><body>Session expired", "its name says text, and its content is HTML"},
	{"a.csv", "PK\x03\x04\x00", "its name says text, and its content is a zip"},
	{"a.xml", "Invoice 1", "its name says XML, and its content is text"},
	{"a.svg", "<Invoice/>", "its name says SVG, and its content is XML"},
	{"a.html", "<Invoice/>", "its name says HTML, and its content is XML"},
	{"a.eml", "Dear all: hello\n", "its name says a mail, and its content is text"},
	{"a.eml", "Key: value\n\n", "its name says a mail, and its content is text"},
	{"a.zip", "Rar!\x1a\x07\x00", "its name says a zip, and its content is a RAR archive"},
	{"a.p7s", enclosed, "its name says signed data or certificates (PKCS #7), and its content is a CMS message (PKCS #7)"},
	{"a.p7m", "\x30\x82\x01\x00\x02\x01\x03" + strings.Repeat("x", 20), `its name says a CMS message (PKCS #7), and its content is nothing that is known; it begins with "0\x82\x01\x00\x02\x01\x03x"`},
}

func TestContradicts(t *testing.T) {
	for _, c := range contradicting {
		if got := sniff(c.content).Contradiction(c.name); got != c.want {
			t.Errorf("%s, %.20q:\n got %s\nwant %s", c.name, c.content, got, c.want)
		}
	}
}

// A document with so many pictures that its directory is longer than what is kept of it is
// still known, by its first entry or by those at the end.
func TestOfficeWithALongDirectory(t *testing.T) {
	names := []string{"[Content_Types].xml", "word/document.xml"}
	for i := range 2000 {
		names = append(names, fmt.Sprintf("customXml/%0100d.xml", i))
	}
	if got := sniff(zipOf(names...)).Contradiction("a.docx"); got != "" {
		t.Error(got)
	}
	other := append([]string{"xl/workbook.xml"}, names[2:]...)
	if got := sniff(zipOf(append(other, "[Content_Types].xml")...)).Contradiction("a.docx"); got != "its name says a Word document, and its content is an Excel workbook" {
		t.Error(got)
	}
}

// What lies in a zip stored does not make an Office document of it.
func TestDocumentWithinAZip(t *testing.T) {
	if got := sniff(zipOf("inner.docx=" + docx)).Contradiction("a.docx"); got != "its name says a Word document, and its content is a zip" {
		t.Error(got)
	}
}

func TestTypes(t *testing.T) {
	if got := fmt.Sprint(Types()); got != "[pdf jpeg png gif tiff bmp postscript rtf office zip p7b p7s p7m svg html xml eml csv txt]" {
		t.Error(got)
	}
	seen := map[string]Type{}
	for _, typ := range Types() {
		for _, e := range Extensions(typ) {
			if other, ok := seen[e]; ok {
				t.Errorf("%s is %s and %s", e, other, typ)
			}
			seen[e] = typ
			if got, ok := Of("INV-1_x." + strings.ToUpper(e)); !ok || got != typ {
				t.Errorf("%s: %q", e, got)
			}
		}
	}
	if _, ok := Of("a.exe"); ok {
		t.Error("a program is a type")
	}
}

// Memory is bounded whatever is written.
func TestBoundedMemory(t *testing.T) {
	s := &Sniffer{}
	chunk := bytes.Repeat([]byte("PK\x03\x04 abcdefghijklm"), 10_000)
	for range 50 {
		if _, err := s.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if cap(s.head) > 2*maxHead || cap(s.tail) > 4*maxTail {
		t.Errorf("%d and %d bytes are kept", cap(s.head), cap(s.tail))
	}
}
