package filetype

import (
	"bytes"
	"encoding/base64"
)

// signedData ends the object identifier 1.2.840.113549.1.7.2.
const signedData = "\x02"

// cms reports whether the content is a ContentInfo (RFC 5652, 3) in DER, BER, PEM, or the
// base64 that mails have; with kind of that kind only.
func cms(kind string) func(*Sniffer) bool {
	return func(s *Sniffer) bool {
		b := s.head
		if armour := []byte("-----BEGIN "); bytes.HasPrefix(b, armour) {
			line, rest, _ := bytes.Cut(b[len(armour):], []byte("\n"))
			if !bytes.HasPrefix(line, []byte("PKCS7")) && !bytes.HasPrefix(line, []byte("PKCS #7")) && !bytes.HasPrefix(line, []byte("CMS")) {
				return false
			}
			b = rest
		}
		if der := unarmoured(b); der != nil {
			b = der
		}
		return contentInfo(b, kind)
	}
}

// unarmoured decodes as much base64 as a ContentInfo begins with; nil if it is none.
func unarmoured(b []byte) []byte {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) < 48 {
		return nil
	}
	der := make([]byte, 36)
	if _, err := base64.StdEncoding.Decode(der, b[:48]); err != nil {
		return nil
	}
	return der
}

// contentInfo reports whether DER or BER begins as one.
func contentInfo(b []byte, kind string) bool {
	if len(b) < 16 || b[0] != 0x30 {
		return false
	}
	length := 0 // how many bytes the length has behind its first one
	if b[1] > 0x80 {
		length = int(b[1] & 0x7f)
	}
	if length > 8 || len(b) < 2+length+13 {
		return false
	}
	b = b[2+length:]
	if bytes.HasPrefix(b, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07")) { // PKCS #7
		return kind == "" && b[10] >= 1 && b[10] <= 6 || string(b[10:11]) == kind
	}
	return kind == "" && bytes.HasPrefix(b, []byte("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01")) // S/MIME
}
