package inbox

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/testdata/keys"
)

// vector is a message that OpenSSL or Bouncy Castle made.
type vector struct {
	message
	expect struct {
		MIC   string
		Files []struct {
			Name, Type, Content string
			Document            bool
		}
		Legacy bool
		Note   string
	}
}

func loadVector(t testing.TB, name string) (v vector) {
	t.Helper()
	read := func(file string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "vectors", name, file))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(read("headers")))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	v.header, v.body = http.Header(h), read("body")
	if err := json.Unmarshal(read("expect.json"), &v.expect); err != nil {
		t.Fatal(err)
	}
	return v
}

// foreign makes the partner the one of the vectors, who may send what he likes.
func foreign(legacy bool) func(*Partner) {
	return func(p *Partner) {
		cert, key := keys.Load("us-rsa")
		rsa, _ := keys.Load("partner-rsa")
		ecdsa, _ := keys.Load("partner-ecdsa")
		p.AS2ID, p.ReceiptHosts = "PARTNER", []string{"partner.example"}
		p.Identities, p.Trust = []cms.Identity{{Certificate: cert, Key: key}}, cms.Pinned(rsa, ecdsa)
		p.RequireSigned, p.RequireEncrypted = false, false
		if legacy {
			p.Digests = []cms.Digest{cms.SHA1, cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512}
			p.Ciphers = []cms.Cipher{cms.DESEDE3CBC}
		}
	}
}

// Every message of others is delivered and receipted, at once and later, with the
// digest that openssl has for it.
func TestForeignMessages(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join("..", "testdata", "vectors", "message-*"))
	if err != nil || len(dirs) < 20 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		v := loadVector(t, filepath.Base(dir))
		for name, url := range map[string]string{"": "", " later": "https://partner.example/mdn"} {
			t.Run(filepath.Base(dir)+name, func(t *testing.T) {
				w := newWorld(message{})
				w.change = foreign(v.expect.Legacy)
				m := message{v.header.Clone(), v.body}
				if url != "" {
					m.header.Set("Receipt-Delivery-Option", url)
				}
				o := send(t, w, m)
				v.check(t, w, o)
			})
		}
	}
}

func (v *vector) check(t *testing.T, w *world, o outcome) {
	t.Helper()
	if o.mdn == nil || o.mdn.Disposition != as2.Processed || o.mdn.MIC == nil || o.mdn.MIC.String() != v.expect.MIC {
		t.Fatalf("%d: receipt %+v\nwant the MIC %s\nrefused: %v", o.status, o.mdn, v.expect.MIC, o.refusals)
	}
	rows := o.received
	if len(rows) != 1 || len(rows[0].Files) != len(v.expect.Files) {
		t.Fatalf("%+v", rows)
	}
	for i, want := range v.expect.Files {
		got := rows[0].Files[i]
		content, err := base64.StdEncoding.DecodeString(want.Content)
		must(err)
		if want.Name != "" && got.Final != want.Name || got.Document != want.Document || w.content()[got.Final] != string(content) {
			t.Errorf("file %d: %+v, want %+v", i, got, want)
		}
	}
	if v.expect.Note != "" && !slices.ContainsFunc(rows[0].Notes, func(n string) bool { return strings.Contains(n, v.expect.Note) }) {
		t.Errorf("notes %q, want %q", rows[0].Notes, v.expect.Note)
	}
	for _, n := range rows[0].Notes {
		if !slices.ContainsFunc(o.events, func(e ledger.Event) bool { return e.Level == ledger.Warning && strings.Contains(e.Text, n) }) {
			t.Errorf("no warning says %q", n)
		}
	}
	if v.expect.Legacy && len(rows[0].Notes) == 0 {
		t.Error("a legacy algorithm is not noted")
	}
}

const automatic = "automatic-action/MDN-sent-automatically; "

// Each fault has its own disposition, to the letter (RFC 4130, 7.5; rfc4130bis, 8.5).
// What is broken here was made by others.
func TestDispositions(t *testing.T) {
	signed, compressed := loadVector(t, "message-signed").message, loadVector(t, "message-compressed").message
	encrypted, both := loadVector(t, "message-encrypted").message, loadVector(t, "message-signed-encrypted").message
	replace := func(m message, old, new string) message {
		if !bytes.Contains(m.body, []byte(old)) {
			t.Fatalf("no %q in the vector", old)
		}
		return message{m.header.Clone(), bytes.Replace(m.body, []byte(old), []byte(new), 1)}
	}
	with := func(m message, name, value string) message {
		c := message{m.header.Clone(), m.body}
		c.header.Set(name, value)
		return c
	}
	// Near its end a SignedData has the signature itself, and a zlib stream its checksum.
	end := bytes.LastIndex(signed.body, []byte("\n------"))
	corrupt := message{signed.header, slices.Clone(signed.body)}
	corrupt.body[end-100] ^= 'A' ^ 'B'
	cut := message{compressed.header, slices.Clone(compressed.body)}
	cut.body[len(cut.body)/2] ^= 0x55
	cert, key := keys.Load("stranger-rsa")
	strangerKey := func(p *Partner) { p.Identities = []cms.Identity{{Certificate: cert, Key: key}} }
	stranger := func(p *Partner) { p.Trust = cms.Pinned(cert) }
	revised := func(p *Partner) { p.Version = "1.3" }
	conflict := func(p *Partner) { p.RejectConflict = true }
	again := with(signed, "Message-ID", "<again@partner.example>")
	rejecting := func(p *Partner) { p.KeepBroken = false }
	zip := func(content []byte) message {
		m := with(loadVector(t, "message-plain").message, "Content-Type", "application/zip")
		m.header.Set("Content-Disposition", `attachment; filename="INV-1.zip"`)
		return message{m.header, content}
	}
	sameID := func(m message) message { return with(m, "Message-ID", signed.header.Get("Message-ID")) }
	options := func(m message, value string) message { return with(m, "Disposition-Notification-Options", value) }
	for name, c := range map[string]struct {
		change      func(*Partner)
		messages    []message
		disposition string
	}{
		"corrupt signature":            {nil, []message{corrupt}, "processed/error: authentication-failed"},
		"signed by somebody else":      {stranger, []message{signed}, "processed/error: authentication-failed"},
		"other content than signed":    {nil, []message{replace(signed, "UNB+UNOC", "UNB+UNOB")}, "processed/error: integrity-check-failed"},
		"wrong key":                    {strangerKey, []message{encrypted}, "processed/error: decryption-failed"},
		"broken compression":           {nil, []message{cut}, "processed/error: decompression-failed"},
		"not signed":                   {func(p *Partner) { p.RequireSigned = true }, []message{encrypted}, "processed/error: insufficient-message-security"},
		"not encrypted":                {func(p *Partner) { p.RequireEncrypted = true }, []message{signed}, "processed/error: insufficient-message-security"},
		"an old cipher":                {nil, []message{loadVector(t, "message-signed-encrypted-des3").message}, "processed/error: insufficient-message-security"},
		"too large":                    {func(p *Partner) { p.MaxMessage = 10 }, []message{both}, "processed/error: unexpected-processing-error"},
		"a receipt format required":    {nil, []message{options(signed, "signed-receipt-protocol=required, openpgp; signed-receipt-micalg=optional, sha-256")}, "failed/Failure: unsupported format"},
		"a digest required":            {nil, []message{options(signed, "signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=required, md5")}, "failed/Failure: unsupported MIC-algorithms"},
		"a format that is optional":    {nil, []message{options(signed, "signed-receipt-protocol=optional, openpgp; signed-receipt-micalg=optional, md5")}, "processed"},
		"the same ID, other layers":    {nil, []message{signed, sameID(both), sameID(compressed)}, "processed"},
		"the same ID, other content":   {nil, []message{signed, sameID(zip([]byte("other")))}, "processed/error: unexpected-processing-error"},
		"a file name again":            {conflict, []message{signed, again}, "processed/error: unexpected-processing-error"},
		"a file name again, 1.3":       {both2(conflict, revised), []message{signed, again}, "processed/error: duplicate-filename"},
		"a climbing zip":               {rejecting, []message{zip(hostileZip("../evil.xml"))}, "processed/error: unexpected-processing-error"},
		"a climbing zip, 1.3":          {both2(rejecting, revised), []message{zip(hostileZip("../evil.xml"))}, "processed/error: illegal-filename"},
		"a broken zip, 1.3":            {both2(rejecting, revised), []message{zip([]byte("PK\x03\x04 broken"))}, "processed/error: unexpected-processing-error"},
		"a stranger":                   {nil, []message{with(signed, "AS2-From", "NOBODY")}, "processed/error: authentication-failed"},
		"a stranger, 1.3":              {nil, []message{with(with(signed, "AS2-From", "NOBODY"), "AS2-Version", "1.3")}, "processed/error: unknown-trading-relationship"},
		"no Message-ID":                {nil, []message{with(signed, "Message-ID", "<>")}, "processed/error: unexpected-processing-error"},
		"no Message-ID, 1.3":           {revised, []message{with(signed, "Message-ID", "<>")}, "processed/error: invalid-message-id"},
		"blanks in the Message-ID":     {nil, []message{with(signed, "Message-ID", "<a b@partner.example>")}, "processed"},
		"blanks in the ID, 1.3":        {revised, []message{with(signed, "Message-ID", "<a b@partner.example>")}, "processed/error: invalid-message-id"},
		"the same message, twice, 1.3": {revised, []message{signed, signed}, "processed"},
	} {
		for kind, url := range map[string]string{"": "", ", later": "https://partner.example/mdn"} {
			if url != "" && strings.HasPrefix(name, "a stranger") {
				continue // nothing is posted to where a stranger says
			}
			t.Run(name+kind, func(t *testing.T) {
				w := newWorld(message{})
				w.change = func(p *Partner) {
					foreign(false)(p)
					if c.change != nil {
						c.change(p)
					}
				}
				messages := slices.Clone(c.messages)
				for i := range messages {
					if url != "" {
						messages[i] = with(messages[i], "Receipt-Delivery-Option", url)
					}
				}
				o := send(t, w, messages...)
				if o.mdn == nil || o.mdn.DispositionText != automatic+c.disposition {
					t.Fatalf("%d: %+v\n%v", o.status, o.mdn, o.refusals)
				}
				if refused := c.disposition != "processed"; refused != (len(o.refusals) == 1) || refused && o.refusals[0].Disposition != automatic+c.disposition {
					t.Errorf("on record: %+v", o.refusals)
				}
				if len(o.mdn.Text) < 20 {
					t.Errorf("text %q", o.mdn.Text)
				}
			})
		}
	}
}

func both2(a, b func(*Partner)) func(*Partner) {
	return func(p *Partner) { a(p); b(p) }
}
