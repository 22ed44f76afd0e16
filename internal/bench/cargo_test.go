//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// invoice writes a document of about 10 KB as a partner would have it: XML that can be
// compressed, with numbers that differ.
func invoice(w io.Writer, n int) error {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	var text strings.Builder
	fmt.Fprintf(&text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice><ID>%06d</ID>\n", n)
	for text.Len() < 10_100 {
		fmt.Fprintf(&text, "<InvoiceLine><ID>%d</ID><InvoicedQuantity unitCode=\"C62\">%d</InvoicedQuantity><Amount currencyID=\"EUR\">%d.%02d</Amount><Item>bolt %x</Item></InvoiceLine>\n",
			text.Len(), random.IntN(1000), random.IntN(100_000), random.IntN(100), random.Uint64())
	}
	text.WriteString("</Invoice>\n")
	_, err := io.WriteString(w, text.String())
	return err
}

// lines are of an XML document that can be compressed, about so many bytes.
func lines(size int) []byte {
	var all bytes.Buffer
	for n := 0; all.Len() < size; n++ {
		_ = invoice(&all, n) // a buffer takes everything
	}
	return all.Bytes()[:size]
}

// compressible writes so many bytes of XML, the same each time.
func compressible(size int64) func(io.Writer, int) error {
	block := lines(4 << 20)
	return func(w io.Writer, _ int) error {
		for left := size; left > 0; left -= int64(len(block)) {
			if _, err := w.Write(block[:min(left, int64(len(block)))]); err != nil {
				return err
			}
		}
		return nil
	}
}

// incompressible writes so many random bytes, the same each time.
func incompressible(size int64) func(io.Writer, int) error {
	return func(w io.Writer, n int) error {
		seed := [32]byte{byte(n)}
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(rand.NewChaCha8(seed), size), make([]byte, 1<<20))
		return err
	}
}
