package xmlstream

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// What reading costs beside copying the bytes, and beside the standard library, which
// gathers a whole text in memory: over an attachment in base64, and over markup.
func BenchmarkRead(b *testing.B) {
	for name, doc := range map[string]string{
		"base64":          "<a>" + strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", 480_000) + "</a>",
		"base64 in lines": "<a>" + strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 210_000) + "</a>",
		"markup":          "<a xmlns:c='u'>" + strings.Repeat("<c:Line>\n  <c:Amount currency=\"EUR\">86.00</c:Amount>\n  <c:Note>Gerätesatz</c:Note>\n</c:Line>\n", 40_000) + "</a>",
	} {
		for reader, read := range map[string]func(io.Reader) error{
			"copy": func(r io.Reader) error {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, windowBytes))
				return err
			},
			"xmlstream": func(r io.Reader) error { return Check(r, Limits{}) },
			"standard": func(r io.Reader) error {
				d := xml.NewDecoder(r)
				for {
					if _, err := d.RawToken(); err == io.EOF {
						return nil
					} else if err != nil {
						return err
					}
				}
			},
		} {
			b.Run(name+"/"+reader, func(b *testing.B) {
				b.SetBytes(int64(len(doc)))
				b.ReportAllocs()
				for range b.N {
					if err := read(strings.NewReader(doc)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
