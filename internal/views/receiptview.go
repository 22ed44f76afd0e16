package views

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// Limits of what is told of a receipt.
const (
	maxReceiptText   = 64 << 10 // bytes
	maxReceiptFields = 200
	maxReceiptDepth  = 5 // of parts within parts
)

// receipt is the MDN of a transfer for people; nil if there is none. Whether it counts was
// decided when it came, and is the verdict.
func receipt(t *ledger.Transfer) *Receipt {
	if len(t.Receipt) == 0 {
		return nil
	}
	head, body, _ := cutHeader(t.Receipt)
	if bytes.HasPrefix(head, []byte("HTTP/")) {
		_, head, _ = bytes.Cut(head, []byte("\n"))
	}
	r := &Receipt{Disposition: t.Disposition, Header: open(fields(head)), Bytes: len(t.Receipt)}
	contentType := as2.Get(r.Header, "Content-Type")
	r.Signed = strings.HasPrefix(strings.ToLower(contentType), "multipart/signed")
	r.Text = strings.TrimSpace(textOf(contentType, as2.Get(r.Header, "Content-Transfer-Encoding"), body, 0))
	return r
}

// cutHeader cuts an entity at the empty line behind its header.
func cutHeader(b []byte) (header, body []byte, found bool) {
	crlf, lf := bytes.Index(b, []byte("\r\n\r\n")), bytes.Index(b, []byte("\n\n"))
	switch {
	case crlf >= 0 && (lf < 0 || crlf < lf):
		return b[:crlf], b[crlf+4:], true
	case lf >= 0:
		return b[:lf], b[lf+2:], true
	}
	return b, nil, false
}

// fields reads a header; folded lines are one.
func fields(header []byte) (list []as2.Field) {
	for line := range bytes.Lines(header) {
		text := strings.TrimRight(string(line), "\r\n")
		if (strings.HasPrefix(text, " ") || strings.HasPrefix(text, "\t")) && len(list) > 0 {
			list[len(list)-1].Value += " " + strings.TrimSpace(text)
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if ok && len(list) < maxReceiptFields {
			list = append(list, as2.Field{Name: name, Value: strings.TrimSpace(value)})
		}
	}
	return list
}

// textOf is the first text for people in an entity.
func textOf(contentType, encoding string, body []byte, depth int) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || depth > maxReceiptDepth {
		return ""
	}
	if kind == "text/plain" {
		var r io.Reader = bytes.NewReader(body)
		switch strings.ToLower(encoding) {
		case "base64":
			r = base64.NewDecoder(base64.StdEncoding, r)
		case "quoted-printable":
			r = quotedprintable.NewReader(r)
		}
		text, _ := io.ReadAll(io.LimitReader(r, maxReceiptText)) // what could be read is told
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return ""
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err != nil {
			return ""
		}
		content, _ := io.ReadAll(p) // the receipt is in memory already
		if text := textOf(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), content, depth+1); text != "" {
			return text
		}
	}
}
