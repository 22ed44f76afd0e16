package as2

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"go.mozilla.org/pkcs7"

	"github.com/as2drop/as2drop/cms"
)

// opinion opens a message with nothing of ours: go.mozilla.org/pkcs7, compress/zlib,
// and boundaries found by eye. It follows RFC 4130 and RFC 5402 to the letter.
type opinion struct {
	layers  []string
	mic     []byte // what the MIC is over
	payload []byte
	header  textproto.MIMEHeader // of the payload
}

func secondOpinion(t testing.TB, h http.Header, body []byte) (o opinion) {
	t.Helper()
	header := textproto.MIMEHeader{"Content-Type": h["Content-Type"], "Content-Disposition": h["Content-Disposition"]}
	signed := false
	o.mic = body // plain: without the header
	for {
		contentType := header.Get("Content-Type")
		var entity []byte
		switch {
		case strings.Contains(contentType, "multipart/signed"):
			o.layers = append(o.layers, "signed")
			entity = verifyDetached(t, contentType, body)
			if !signed {
				o.mic, signed = entity, true
			}
		case strings.Contains(contentType, "smime-type=signed-data"):
			o.layers = append(o.layers, "signed")
			p := parsePKCS7(t, body)
			if err := p.Verify(); err != nil {
				t.Fatal("opaque:", err)
			}
			entity = p.Content
			if !signed {
				o.mic, signed = entity, true
			}
		case strings.Contains(contentType, "smime-type=enveloped-data"):
			o.layers = append(o.layers, "encrypted")
			content, err := parsePKCS7(t, body).Decrypt(partners().Certificate, partners().Key)
			if err != nil {
				t.Fatal("decrypt:", err)
			}
			entity = content
		case strings.Contains(contentType, "smime-type=compressed-data"):
			o.layers = append(o.layers, "compressed")
			entity = inflate(t, body)
		default:
			o.payload, o.header = body, header
			if header.Get("Content-Transfer-Encoding") == "base64" {
				var err error
				if o.payload, err = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body))); err != nil {
					t.Fatal(err)
				}
			}
			return o
		}
		if !signed {
			o.mic = entity
		}
		head, rest, ok := bytes.Cut(entity, []byte("\r\n\r\n"))
		if !ok {
			t.Fatalf("no header in %q", entity[:min(len(entity), 200)])
		}
		var err error
		if header, err = textproto.NewReader(bufio.NewReader(bytes.NewReader(append(head, "\r\n\r\n"...)))).ReadMIMEHeader(); err != nil {
			t.Fatal(err)
		}
		body = rest
	}
}

func parsePKCS7(t testing.TB, der []byte) *pkcs7.PKCS7 {
	t.Helper()
	p, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal("pkcs7:", err)
	}
	return p
}

// verifyDetached returns the first part of a multipart/signed.
func verifyDetached(t testing.TB, contentType string, body []byte) []byte {
	t.Helper()
	_, rest, _ := strings.Cut(contentType, `boundary="`)
	boundary, _, _ := strings.Cut(rest, `"`)
	pieces := bytes.Split(body, []byte("--"+boundary))
	if len(pieces) != 4 || len(pieces[0]) > 0 || string(pieces[3]) != "--\r\n" {
		t.Fatalf("%d pieces, the last is %q", len(pieces), pieces[len(pieces)-1])
	}
	part := bytes.TrimSuffix(bytes.TrimPrefix(pieces[1], []byte("\r\n")), []byte("\r\n"))
	_, text, _ := bytes.Cut(pieces[2], []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 76 {
			t.Errorf("a line of %d characters in smime.p7s", len(line))
		}
	}
	der, err := base64.StdEncoding.DecodeString(string(text)) // takes no line ends but CR and LF
	if err != nil {
		t.Fatal(err)
	}
	p := parsePKCS7(t, der)
	p.Content = part
	if err := p.Verify(); err != nil {
		t.Fatal("detached:", err)
	}
	if len(p.Certificates) == 0 || !p.Certificates[0].Equal(ours().Certificate) {
		t.Error("the signer's certificate is not in it")
	}
	return part
}

// inflate finds the segments of the octet string in a CompressedData as we write it,
// all of indefinite length (X.690, 8.1.3.6).
func inflate(t testing.TB, ber []byte) []byte {
	t.Helper()
	i := bytes.Index(ber, []byte{0xa0, 0x80, 0x24, 0x80})
	if i < 0 || !bytes.Contains(ber[:i], []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08")) {
		t.Fatalf("no CompressedData: % x", ber[:min(len(ber), 64)])
	}
	var deflated []byte
	for rest := ber[i+4:]; rest[0] == 4; {
		length, size := int(rest[1]), 2
		if length >= 0x80 {
			size += length & 0x7f
			length = 0
			for _, b := range rest[2:size] {
				length = length<<8 | int(b)
			}
		}
		deflated = append(deflated, rest[size:size+length]...)
		rest = rest[size+length:]
	}
	z, err := zlib.NewReader(bytes.NewReader(deflated))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// The 24 permutations of rfc4130bis, 4.1, times synchronous and asynchronous, before
// and after signing, both forms of signature: a reader that is not ours opens what we
// write, and computes the MIC that we expect.
func TestAllPermutationsBySecondOpinion(t *testing.T) {
	receipts := []ReceiptRequest{
		{},
		{Wanted: true},
		{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA256, cms.SHA512}},
		{Wanted: true, Async: "https://ours.example/mdn"},
		{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA384}, Async: "https://ours.example/mdn"},
	}
	seen := 0
	for _, compress := range []Compression{NoCompression, CompressBeforeSign, CompressAfterSign} {
		for _, sign := range []string{"", "detached", "opaque"} {
			for _, encrypt := range []bool{false, true} {
				for _, receipt := range receipts {
					for _, version := range []string{"1.1", "1.2", "1.3"} {
						o := options()
						o.Compress, o.Receipt, o.Version, o.UserAgent = compress, receipt, version, "as2drop/1.2.3"
						if sign != "" {
							o.Sign, o.Quirks.OpaqueSignature = signer(ours(), cms.SHA256), sign == "opaque"
						}
						if encrypt {
							o.Cipher, o.Recipients = cms.AES256CBC, to(partners(), ours())
						}
						seen++
						checkPermutation(t, o)
					}
				}
			}
		}
	}
	if seen != 270 {
		t.Error(seen)
	}
}

func checkPermutation(t *testing.T, o SealOptions) {
	t.Helper()
	payload := []byte("UNB+UNOC:3\r\n\x00\xff binary, not touched\n")
	s, body := sealBytes(t, payload, o)
	h := httpHeader(s.Header)
	second := secondOpinion(t, h, body)
	if want := expectedLayers(o); !slices.Equal(second.layers, want) || !bytes.Equal(second.payload, payload) {
		t.Fatalf("%v: %q, want %v", second.layers, second.payload, want)
	}
	for _, m := range s.MICs {
		d := m.Digest.New()
		d.Write(second.mic)
		if !bytes.Equal(d.Sum(nil), m.Sum) {
			t.Errorf("%v: our MIC in %v is not over what is said to be", second.layers, m.Digest)
		}
	}
	if first := s.MICs[0].Digest; o.Sign != nil && first != o.Sign.Digest {
		t.Errorf("the signature's digest comes first, not %v", first)
	}
	if got := fileName(second.header); got != o.Filename && h.Get("Content-Disposition") == "" {
		t.Errorf("file name %q", got)
	}
	opened, got, err := openBytes(h, bytes.NewReader(body), theirs())
	if err != nil || !bytes.Equal(got, payload) || !opened.MICs[0].Equal(s.MICs[0]) || len(opened.Notes) > 0 {
		t.Fatalf("%v: %q, %+v, %v", second.layers, got, opened, err)
	}
	checkHeader(t, o, h)
}

func expectedLayers(o SealOptions) (layers []string) {
	if len(o.Recipients) > 0 {
		layers = append(layers, "encrypted")
	}
	if o.Compress == CompressAfterSign && o.Sign != nil {
		layers = append(layers, "compressed")
	}
	if o.Sign != nil {
		layers = append(layers, "signed")
	}
	if o.Compress == CompressBeforeSign || o.Compress == CompressAfterSign && o.Sign == nil {
		layers = append(layers, "compressed")
	}
	return layers
}

// checkHeader holds the HTTP header against RFC 4130, 6 and 7.3, and its revision.
func checkHeader(t *testing.T, o SealOptions, h http.Header) {
	t.Helper()
	product, feature := "", ""
	if o.Version == "1.3" {
		product = "as2drop:1.2.3"
	}
	if o.Version != "1.1" {
		feature = "multiple-attachments, AS2-Reliability"
	}
	want := map[string]string{
		"AS2-Version": o.Version, "AS2-Product": product, "EDIINT-Features": feature,
		"AS2-From": "Ours", "AS2-To": "Theirs", "Message-ID": "<1@ours>", "MIME-Version": "1.0",
		"Disposition-Notification-To": "", "Disposition-Notification-Options": "", "Receipt-Delivery-Option": o.Receipt.Async,
		"Content-Transfer-Encoding": "",
	}
	if o.Receipt.Wanted {
		want["Disposition-Notification-To"] = "ours"
	}
	if o.Receipt.Signed {
		names := make([]string, len(o.Receipt.Digests))
		for i, d := range o.Receipt.Digests {
			names[i] = d.String()
		}
		want["Disposition-Notification-Options"] = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, " + strings.Join(names, ", ")
	}
	for name, value := range want {
		if got := h.Get(name); got != value || value == "" && h.Values(name) != nil {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}
