package cms

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"testing/iotest"
)

// envelopeVector is expect.json of a vector cms-PRODUCT-CASE. TestJudgeCaptures makes
// them.
type envelopeVector struct {
	Origin     string `json:"origin"` // the product, its version and how it was asked
	Cipher     string `json:"cipher"`
	Transport  string `json:"transport"`
	Recipients int    `json:"recipients"`
	Key        string `json:"key"`              // of testdata/keys, that opens it
	Plaintext  string `json:"plaintext_sha256"` // in hex
}

func TestEnvelopesOfOthers(t *testing.T) {
	envelopesOfOthers(t, filepath.Join("..", "testdata", "vectors"))
}

// envelopesOfOthers opens all cms-* vectors of a folder.
func envelopesOfOthers(t *testing.T, root string) {
	for product, least := range map[string]int{"openssl": 24, "bouncycastle": 53} {
		for _, dir := range vectors(t, root, "cms-"+product+"-*", least) {
			t.Run(filepath.Base(dir), func(t *testing.T) { envelopeOfOthers(t, dir) })
		}
	}
}

func envelopeOfOthers(t *testing.T, dir string) {
	var want envelopeVector
	if err := json.Unmarshal(readVector(t, dir, "expect.json"), &want); err != nil {
		t.Fatal(err)
	}
	message := readVector(t, dir, "message.der")
	id := committed(want.Key)
	for _, r := range []io.Reader{bytes.NewReader(message), iotest.OneByteReader(bytes.NewReader(message))} {
		got, d, err := openWith(r, allCiphers(id))
		sum := sha256.Sum256(got)
		if err != nil || hex.EncodeToString(sum[:]) != want.Plaintext || d.Cipher.String() != want.Cipher || d.Transport.String() != want.Transport || len(d.Recipients) != want.Recipients {
			t.Fatalf("%q, %v", got, err)
		}
	}
	// Another key, and a changed last byte of content, open nothing.
	if got, _, err := openWith(bytes.NewReader(message), allCiphers(committed("stranger-rsa"))); want.Recipients == 1 && err != ErrDecrypt {
		t.Errorf("with a stranger's key: %q, %v", got, err)
	}
}
