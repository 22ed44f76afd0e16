package inspection

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
)

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// micOf is a Received-Content-MIC made by hand.
func micOf(d cms.Digest, b []byte) string {
	var sum []byte
	switch d {
	case cms.SHA1:
		s := sha1.Sum(b)
		sum = s[:]
	case cms.SHA512:
		s := sha512.Sum512(b)
		sum = s[:]
	default:
		s := sha256.Sum256(b)
		sum = s[:]
	}
	return base64.StdEncoding.EncodeToString(sum) + ", " + d.String()
}

// sha256Of is the digest of the only file of a message, as a MIC.
func sha256Of(t *testing.T, m *Message) as2.MIC {
	t.Helper()
	sum, err := hex.DecodeString(m.Files[0].SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return as2.MIC{Digest: cms.SHA256, Sum: sum}
}
