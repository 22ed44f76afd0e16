package inspection

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/cms"
	certs "github.com/as2drop/as2drop/internal/keys"
)

// Receipts of OpenAS2, pyas2-lib and OpenSSL are taken apart, with and without the
// certificate of their signer.
func TestReceiptsOfOthers(t *testing.T) {
	dirs, err := filepath.Glob("../../as2/testdata/mdn/*/signer.pem")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d receipts, %v", len(dirs), err)
	}
	for _, signer := range dirs {
		dir := filepath.Dir(signer)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			who, err := certs.Certificates(signer)
			if err != nil {
				t.Fatal(err)
			}
			capture := read(t, dir, "answer.http")
			open := func(trust cms.Trust) *Receipt {
				raw, err := Read(bytes.NewReader(capture), nil)
				if err != nil {
					t.Fatal(err)
				}
				r, err := Inspect(raw, Keys{Trust: func(string) cms.Trust { return trust }, At: who[0].NotBefore.Add(time.Hour)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if r.Receipt == nil || r.Receipt.Disposition == "" || r.Receipt.OriginalMessageID == "" {
					t.Fatalf("%+v", r.Receipt)
				}
				return r.Receipt
			}
			bad := strings.Contains(dir, "changed") || strings.Contains(dir, "stranger") // by their making
			if r := open(cms.Pinned(who...)); r.Signed == bad || r.Signed && (r.Signer == "" || r.Scheme == "") || bad && r.Claim == "" {
				t.Errorf("with the certificate: %+v", r)
			}
			if r := open(cms.Trust{}); r.Signed || r.Claim == "" || !strings.Contains(strings.Join(r.Notes, ""), "--trust") {
				t.Errorf("without a certificate: %+v", r)
			}
		})
	}
}

// An error page is no receipt, and what it is is said.
func TestErrorPageIsNamed(t *testing.T) {
	raw, err := Read(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>down</html>"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReceipt(raw, Keys{At: moment}); err == nil || !strings.Contains(err.Error(), "text/html") {
		t.Error(err)
	}
}
