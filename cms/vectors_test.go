package cms

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// vectors are the folders that internal/ci/signvectors captured, by a glob.
func vectors(t *testing.T, dir, pattern string, least int) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) < least {
		t.Fatalf("%s: %d vectors, not %d or more, %v", pattern, len(found), least, err)
	}
	return found
}

func readVector(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil || len(b) == 0 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	return b
}

func TestSignaturesOfOthers(t *testing.T) {
	signaturesOfOthers(t, filepath.Join("..", "testdata", "vectors"))
}

// signaturesOfOthers reads all sign-* vectors of a folder.
func signaturesOfOthers(t *testing.T, root string) {
	for product, least := range map[string]int{"openssl": 26, "bouncycastle": 28} {
		for _, dir := range vectors(t, root, "sign-"+product+"-*", least) {
			t.Run(filepath.Base(dir), func(t *testing.T) { signatureOfOthers(t, dir) })
		}
	}
}

func signatureOfOthers(t *testing.T, dir string) {
	var want struct {
		Signer, Digest, Scheme string
		Attributes, Opaque     bool
		ByKeyID                bool `json:"by_key_id"`
	}
	if err := json.Unmarshal(readVector(t, dir, "expect.json"), &want); err != nil {
		t.Fatal(err)
	}
	content, der := readVector(t, dir, "content"), readVector(t, dir, "signature.der")
	open := func() (*Signature, map[Digest][]byte) {
		s, err := OpenSigned(bytes.NewReader(der), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		if s.Opaque() != want.Opaque || s.Opaque() && !bytes.Equal(got, content) {
			t.Fatalf("opaque %v with content %q", s.Opaque(), got)
		}
		if s.Opaque() {
			return s, s.Sums()
		}
		return s, digestOf(s.Digests()[0], content)
	}
	s, sums := open()
	id := committed(want.Signer)
	v, err := s.Verify(sums, Pinned(id.Certificate), moment)
	if err != nil || v.Digest.String() != want.Digest || v.Scheme.String() != want.Scheme || v.Attributes != want.Attributes {
		t.Fatalf("%+v, %v", v, err)
	}
	if i := s.Signers(); len(i) != 1 || i[0].ByKeyID != want.ByKeyID || i[0].Attributes == i[0].SigningTime.IsZero() {
		t.Errorf("signers %+v", i)
	}
	if v, err := s.Verify(sums, Pinned(committed("partner-rsa").Certificate, committed("partner-ecdsa").Certificate), moment); !errors.Is(err, ErrUnknownSigner) {
		t.Errorf("as a partner's: %+v, %v", v, err)
	}
	other := append(bytes.Clone(content), '!')
	fault := ErrDigestMismatch
	if !want.Attributes {
		fault = ErrBadSignature
	}
	if v, err := s.Verify(digestOf(v.Digest, other), Pinned(id.Certificate), moment); !errors.Is(err, fault) {
		t.Errorf("other content: %+v, %v", v, err)
	}
	for i := range s.signers[0].signature {
		s.signers[0].signature[i] ^= 0x40
		if v, err := s.Verify(sums, Pinned(id.Certificate), moment); !errors.Is(err, ErrBadSignature) {
			t.Errorf("byte %d damaged: %+v, %v", i, v, err)
		}
		s.signers[0].signature[i] ^= 0x40
	}
}

func TestCompressionOfOthers(t *testing.T) {
	compressionOfOthers(t, filepath.Join("..", "testdata", "vectors"))
}

func compressionOfOthers(t *testing.T, root string) {
	for _, dir := range vectors(t, root, "compressed-bouncycastle-*", 2) {
		content, message := readVector(t, dir, "content"), readVector(t, dir, "message.der")
		if got, err := inflate(bytes.NewReader(message)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", filepath.Base(dir), len(got), err)
		}
		for n := range len(message) {
			if got, err := inflate(bytes.NewReader(message[:n])); err == nil {
				t.Fatalf("%s: %d of %d bytes inflate to %d", filepath.Base(dir), n, len(message), len(got))
			}
		}
	}
}
