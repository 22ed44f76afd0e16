package as2

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"

	"github.com/as2drop/as2drop/cms"
)

// peekReceipt is how much of a body IsReceipt wants to see, in bytes.
const peekReceipt = 8 << 10

// IsReceipt reports whether a POST is a receipt and no message: multipart/report,
// message/disposition-notification, or one of them signed. start is the beginning of
// the body, 8 KiB or all there is. Nothing is verified.
func IsReceipt(h http.Header, start []byte) bool {
	header := textproto.MIMEHeader(h)
	if isReport(header) {
		return true
	}
	typ, params := mediaType(header.Get("Content-Type"))
	switch typ {
	case "multipart/signed":
		return isReport(firstHeader(start, params["boundary"]))
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return isReport(signedHeader(decodeTransfer(bytes.NewReader(start), header)))
	}
	return false
}

// mayBeReceipt reports whether the beginning of the body decides. smime-type is wrong
// often enough to be no help.
func mayBeReceipt(h http.Header) bool {
	typ, _ := mediaType(h.Get("Content-Type"))
	return typ == "multipart/signed" || typ == "application/pkcs7-mime" || typ == "application/x-pkcs7-mime"
}

// isReport decides by a MIME header. report-type, which some products leave out, is not
// looked at: nothing but receipts is reported over AS2, and ParseMDN names what else it
// may be.
func isReport(h textproto.MIMEHeader) bool {
	typ, _ := mediaType(h.Get("Content-Type"))
	return typ == "message/disposition-notification" || typ == "multipart/report"
}

// firstHeader is the header of the first part of a multipart body that may be cut off.
func firstHeader(start []byte, boundary string) textproto.MIMEHeader {
	ps, err := newParts(bytes.NewReader(start), boundary)
	if err != nil || ps.next() != nil {
		return nil
	}
	_, h, err := readMIMEHeader(bufio.NewReader(ps))
	if err != nil {
		return nil
	}
	return h
}

// signedHeader is the header of the entity inside of a SignedData that may be cut off.
func signedHeader(r io.Reader) textproto.MIMEHeader {
	br := bufio.NewReader(r)
	if cms.Sniff(br) != cms.Signed {
		return nil
	}
	s, err := cms.OpenSigned(br, cms.Limits{})
	if err != nil || !s.Opaque() {
		return nil
	}
	content, _ := io.ReadAll(s) // it ends where start does
	_, h, err := readMIMEHeader(bufio.NewReader(bytes.NewReader(content)))
	if err != nil {
		return nil
	}
	return h
}

// ReceiptFor says which message a receipt is for, as written, without verifying
// anything: enough to find out whose receipt it claims to be, and no more. The error
// wraps ErrNotMDN.
func ReceiptFor(h http.Header, body []byte) (originalMessageID string, err error) {
	r := &mdnReader{m: &MDN{}}
	if err := r.read(h, body); err != nil {
		return "", err
	}
	id := Get(r.report, "Original-Message-ID")
	if StripID(id) == "" {
		return "", notMDN("it names no message")
	}
	return id, nil
}
