package inbox

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/as2drop/as2drop/as2"
)

// rawAnswer is an answer as it goes over the wire.
func rawAnswer(status int, header []as2.Field, body []byte) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 %d\r\n", status)
	for _, f := range header {
		b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
	}
	return append(append(b, "\r\n"...), body...)
}

// sortFields puts fields in an order that does not change from run to run.
func sortFields(fs []as2.Field) {
	slices.SortStableFunc(fs, func(a, b as2.Field) int { return cmp.Compare(a.Name, b.Name) })
}

// parseHeader reads what http.Header.Write wrote.
func parseHeader(b []byte) (http.Header, error) {
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(b, "\r\n"...)))).ReadMIMEHeader()
	return http.Header(h), err
}
