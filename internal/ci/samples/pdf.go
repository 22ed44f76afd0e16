package main

import (
	"bytes"
	"fmt"
	"strings"
)

// pdf sets lines of ASCII text on one A4 page: PDF 1.4, the built-in fonts,
// nothing compressed. The same lines give the same bytes.
func pdf(lines []string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "BT /F1 18 Tf 72 760 Td (%s) Tj /F2 11 Tf 0 -36 Td 16 TL\n", escape(lines[0]))
	for _, line := range lines[1:] {
		fmt.Fprintf(&text, "(%s) Tj T*\n", escape(line))
	}
	text.WriteString("ET")

	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R" +
			" /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
	}

	var out bytes.Buffer
	// Four bytes above 127 in a comment tell file transfer programs that this is binary: ISO 32000-1, 7.5.2.
	out.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, object := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := out.Len()
	// Each entry of the table is exactly 20 bytes: ISO 32000-1, 7.5.4.
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return out.Bytes()
}

// escape makes text safe inside the round brackets of a PDF string.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `(`, `\(`, `)`, `\)`).Replace(s)
}
