package filetype

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Type is a kind of file as the config names it.
type Type string

const (
	PDF        Type = "pdf"
	JPEG       Type = "jpeg"
	TIFF       Type = "tiff"
	GIF        Type = "gif"
	BMP        Type = "bmp"
	PNG        Type = "png"
	SVG        Type = "svg"
	PostScript Type = "postscript"
	Office     Type = "office"
	RTF        Type = "rtf"
	Text       Type = "txt"
	CSV        Type = "csv"
	EML        Type = "eml"
	XML        Type = "xml"
	HTML       Type = "html"
	Zip        Type = "zip"
	P7M        Type = "p7m"
	P7B        Type = "p7b"
	P7S        Type = "p7s"
)

// format is one way in which files of a type are written.
type format struct {
	typ        Type
	called     string // with its article
	extensions string // blanks between them
	is         func(*Sniffer) bool
}

// formats are in the order in which a content is given a name: the first one that fits.
func formats() []format { return slices.Concat(binaries, texts) }

// binaries begin in a way of their own, though some of them go on as text.
var binaries = []format{
	{PDF, "PDF", "pdf", begins("%PDF-")},
	{JPEG, "JPEG", "jpg jpeg jpe jfif", begins("\xff\xd8\xff")},
	{PNG, "PNG", "png", begins("\x89PNG\r\n\x1a\n")},
	{GIF, "GIF", "gif", begins("GIF87a", "GIF89a")},
	{TIFF, "TIFF", "tif tiff", begins("II*\x00", "MM\x00*", "II+\x00", "MM\x00+")},
	{BMP, "BMP", "bmp dib", (*Sniffer).bmp},
	{PostScript, "PostScript", "ps eps", begins("%!PS", "\x04%!PS", "\xc5\xd0\xd3\xc6")},
	{RTF, "RTF", "rtf", begins(`{\rtf`)},
	{Office, "a Word document", "docx docm dotx dotm", ooxml("word/")},
	{Office, "an Excel workbook", "xlsx xlsm xltx xltm xlsb", ooxml("xl/")},
	{Office, "a PowerPoint presentation", "pptx pptm potx potm ppsx ppsm", ooxml("ppt/")},
	{Office, "an OpenDocument text", "odt ott", odf("text")},
	{Office, "an OpenDocument spreadsheet", "ods ots", odf("spreadsheet")},
	{Office, "an OpenDocument presentation", "odp otp", odf("presentation")},
	{Office, "an OpenDocument drawing", "odg otg", odf("graphics")},
	{Office, "an old Office document (OLE)", "doc dot xls xlt ppt pps", begins("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")},
	{Zip, "a zip", "zip", begins("PK\x03\x04", "PK\x05\x06", "PK\x07\x08PK\x03\x04")},
	{P7B, "signed data or certificates (PKCS #7)", "p7b p7c", cms(signedData)},
	{P7S, "signed data or certificates (PKCS #7)", "p7s", cms(signedData)},
	{P7M, "a CMS message (PKCS #7)", "p7m", cms("")},
}

// texts may have any first byte.
var texts = []format{
	{SVG, "SVG", "svg", func(s *Sniffer) bool { return s.text() == "" && s.root() == "svg" }},
	{HTML, "HTML", "html htm", func(s *Sniffer) bool { return s.text() == "" && s.html() }},
	{XML, "XML", "xml", func(s *Sniffer) bool { return s.text() == "" && s.xml() }},
	{EML, "a mail", "eml", func(s *Sniffer) bool { return s.text() == "" && s.mail() }},
	{CSV, "text", "csv", func(s *Sniffer) bool { return s.text() == "" && !s.binary() && !s.html() && !s.xml() }},
	{Text, "text", "txt", func(s *Sniffer) bool { return s.text() == "" && !s.binary() }},
}

// foreign are contents that are told by name, and that no type has.
var foreign = []struct{ start, called string }{
	{"MZ", "a Windows program"}, {"\x7fELF", "a Linux program"}, {"#!", "a script"}, {"Rar!", "a RAR archive"}, {"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
	{"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ", "xz"}, {"RIFF", "RIFF (WebP, sound or video)"}, {"SQLite format 3\x00", "a database"},
	{"\x00\x00\x00\x20ftyp", "a video or a HEIC picture"}, {"\x00\x00\x00\x18ftyp", "a video or a HEIC picture"}, {"8BPS", "a Photoshop picture"}, {"AC10", "an AutoCAD drawing"},
}

// Types are all that there are, each once.
func Types() (all []Type) {
	for _, f := range formats() {
		if !slices.Contains(all, f.typ) {
			all = append(all, f.typ)
		}
	}
	return all
}

// Extensions are those that stand for a type, without their dot.
func Extensions(t Type) (all []string) {
	for _, f := range formats() {
		if f.typ == t {
			all = append(all, strings.Fields(f.extensions)...)
		}
	}
	return all
}

// Extension is that of a name: lower case, without the dot.
func Extension(name string) string {
	return strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
}

// named is the format that a name stands for; nil for none.
func named(name string) *format {
	ext := Extension(name)
	for _, f := range formats() {
		if ext != "" && slices.Contains(strings.Fields(f.extensions), ext) {
			return &f
		}
	}
	return nil
}

// Of is the type that a name stands for, and none if its extension is not known.
func Of(name string) (t Type, ok bool) {
	if f := named(name); f != nil {
		return f.typ, true
	}
	return "", false
}

// Contradiction is what speaks against a file's being what its name says; empty for
// nothing, or if the name says nothing.
func (s *Sniffer) Contradiction(name string) string {
	f := named(name)
	switch {
	case f == nil || f.is(s), f.typ == PDF && s.latePDF():
		return ""
	case s.size == 0:
		return fmt.Sprintf("it is empty, and its name says %s", f.called)
	case f.text() && s.text() != "" && s.stranger() == "" && !s.binary():
		return fmt.Sprintf("its name says %s, and it has %s", f.called, s.text())
	}
	is := s.Called()
	if f.typ == Office && s.begins("\xd0\xcf\x11\xe0") {
		is = "an old Office document (OLE), or one with a password"
	}
	return fmt.Sprintf("its name says %s, and its content is %s", f.called, is)
}

// Whole reports whether all of a file counts, and not only its beginning: of texts, and
// of what is a zip.
func Whole(name string) bool {
	f := named(name)
	return f != nil && (f.text() || f.typ == Zip || f.typ == Office)
}

// text reports whether files of the format are texts.
func (f *format) text() bool {
	return slices.ContainsFunc(texts, func(t format) bool { return t.typ == f.typ })
}

// Called is what the content is, for people.
func (s *Sniffer) Called() string {
	if called := s.stranger(); called != "" {
		return called
	}
	for _, f := range formats() {
		if f.is(s) {
			return f.called
		}
	}
	return fmt.Sprintf("nothing that is known; it begins with %q", s.head[:min(len(s.head), 8)])
}

// stranger is what a content is called that is of no type; empty for none of those. All
// but scripts have bytes that no text has.
func (s *Sniffer) stranger() string {
	for _, f := range foreign {
		if s.begins(f.start) && (s.text() != "" || f.start == "#!") {
			return f.called
		}
	}
	return ""
}

// binary reports whether the content begins like a type that is no text.
func (s *Sniffer) binary() bool {
	return slices.ContainsFunc(binaries, func(f format) bool { return f.is(s) })
}
