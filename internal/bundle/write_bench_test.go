package bundle

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// What the bundle of one document costs, by its size.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		text := []byte(strings.Repeat("<Line><Item>bolt</Item><Quantity>12</Quantity></Line>\n", size/54+1))[:size]
		members := []Member{{Name: "INV-1.xml", Size: int64(size), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}}
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := Write(io.Discard, members); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
