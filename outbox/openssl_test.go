//go:build judges

package outbox

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Somebody with OpenSSL and the folder of the evidence gets as far as we do: the
// certificates are read (the lines between them are for people), and the receipt's
// signature verifies with the partner's, which are all that is trusted.
func TestJudgeOpenSSLVerifiesTheEvidence(t *testing.T) {
	_, o, tr := beginAsync(t, withhold)
	receive(t, o, tr, nil)
	carry(t, o, tr.ID)
	e, err := OpenEvidence(o.p.Folder, path.Join(evidenceDir, tr.ID))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		file := filepath.Join(dir, name)
		must(os.WriteFile(file, b, 0o600))
		return file
	}
	record, err := o.readRecord(o.evidence(&tr))
	must(err)
	pem := write("certificates.pem", []byte(record.SealedWith.Certificates))
	out, err := exec.Command("openssl", "storeutl", "-noout", "-certs", pem).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Total found: 2") {
		t.Errorf("%v\n%s", err, out)
	}

	var receipt Answered
	for _, a := range e.Answers {
		if strings.HasPrefix(a.File, receiptPrefix) {
			receipt = a
		}
	}
	_, rest, _ := strings.Cut(receipt.Header.Get("Content-Type"), `boundary="`)
	boundary, _, _ := strings.Cut(rest, `"`)
	parts := bytes.Split(receipt.Body, []byte("--"+boundary))
	if len(parts) != 4 {
		t.Fatalf("%d parts", len(parts))
	}
	content := bytes.TrimSuffix(bytes.TrimPrefix(parts[1], []byte("\r\n")), []byte("\r\n"))
	_, encoded, _ := bytes.Cut(parts[2], []byte("\r\n\r\n"))
	der, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "").Replace(string(encoded)))
	must(err)
	args := []string{"cms", "-verify", "-binary", "-purpose", "any", "-inform", "DER", "-in", write("s.der", der), "-CAfile", pem, "-out", os.DevNull, "-content"}
	if out, err := exec.Command("openssl", append(args, write("content", content))...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	content[10] ^= 1
	if exec.Command("openssl", append(args, write("other", content))...).Run() == nil {
		t.Error("openssl takes the signature for other content")
	}
}
