package inbox

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/fsx"
)

// A receipt is signed with the digest that is asked for, else with the message's own;
// the MIC is in the message's own in any case (RFC 4130, 7.3 and 7.3.1).
func TestHowReceiptsAreSigned(t *testing.T) {
	const sha256 = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, "
	sha1 := func(p *Partner) { p.Digests = []cms.Digest{cms.SHA1, cms.SHA256} }
	for name, c := range map[string]struct {
		options string
		change  func(*Partner)
		signed  cms.Digest // NoDigest = unsigned
		mic     string
	}{
		"as asked":               {sha256 + "sha-512", nil, cms.SHA512, "sha-256"},
		"the first that we have": {sha256 + "md5, SHA384, sha-512", nil, cms.SHA384, "sha-256"},
		"nothing that we have":   {sha256 + "md5", nil, cms.SHA256, "sha-256"},
		"an old one, agreed":     {sha256 + "sha1, sha-256", sha1, cms.SHA1, "sha-256"},
		"an old one, not agreed": {sha256 + "sha1, sha-256", nil, cms.SHA256, "sha-256"},
		"unsigned":               {"", nil, cms.NoDigest, "sha-256"},
		"never signed":           {sha256 + "sha-512", func(p *Partner) { p.Quirks.UnsignedReceipts = true }, cms.NoDigest, "sha-256"},
		"other names of digests": {sha256 + "sha-512", func(p *Partner) { p.Quirks.MICNames = "plain" }, cms.SHA512, "sha256"},
	} {
		for kind, url := range map[string]string{"": "", ", later": "https://acme.example/"} {
			t.Run(name+kind, func(t *testing.T) {
				w := newWorld(message{})
				w.change = c.change
				m := seal(zipped(batch), nil)
				m.header.Set("Disposition-Notification-Options", c.options)
				if url != "" {
					m.header.Set("Receipt-Delivery-Option", url)
				}
				o := send(t, w, m)
				if o.mdn == nil || o.mdn.Digest != c.signed || o.mdn.Signed != (c.signed != cms.NoDigest) || !strings.HasSuffix(o.mdn.MICText, ", "+c.mic) {
					t.Errorf("%+v", o.mdn)
				}
			})
		}
	}
}

// Over HTTP: the answer to a message whose receipt comes later has no body at all.
func TestTakenOverHTTP(t *testing.T) {
	for version, status := range map[string]int{"1.2": 200, "1.3": 204} {
		w := newWorld(message{})
		w.change = func(p *Partner) { p.Version = version }
		s := httptest.NewServer(&as2.Handler{Backend: w.opened(t), Log: slog.New(slog.DiscardHandler)})
		defer s.Close()
		m := asLater(seal(zipped(batch), nil))
		req, err := http.NewRequest(http.MethodPost, s.URL, io.MultiReader(bytes.NewReader(m.body))) // chunked: no length is stated
		must(err)
		req.Header = m.header
		res, err := http.DefaultClient.Do(req)
		must(err)
		body, err := io.ReadAll(res.Body)
		must(err)
		if res.StatusCode != status || len(body) > 0 || res.Header.Get("Content-Type") != "" {
			t.Errorf("%s: %d %v %q", version, res.StatusCode, res.Header, body)
		}
	}
}

// A header is evidence as it came, also where it is in no encoding that JSON can hold.
func TestHeaderIsKeptAsItCame(t *testing.T) {
	for name, subject := range map[string]string{"UTF-8": "Rechnung für März <&>\u2028", "Latin-1": "Rechnung f\xfcr M\xe4rz"} {
		t.Run(name, func(t *testing.T) {
			m := seal(zipped(batch), nil)
			m.header.Set("Subject", subject)
			w := newWorld(message{})
			in := w.opened(t)
			if reply := post(in, m); reply.Status != 200 {
				t.Fatal(reply.Status)
			}
			p := in.names["acme"]
			ids, err := p.Folder.Names(evidenceDir)
			must(err)
			body, err := fsx.ReadFile(p.Folder, path.Join(evidence(ids[0]), recordFile), maxKept)
			must(err)
			record, err := ParseRecord(body)
			must(err)
			header := []byte(record.Header)
			if len(header) == 0 {
				header, err = fsx.ReadFile(p.Folder, path.Join(evidence(ids[0]), headerFile), maxKept)
				must(err)
			}
			if !bytes.Contains(header, []byte("\r\nSubject: "+subject+"\r\n")) {
				t.Errorf("%q", header)
			}
		})
	}
}
