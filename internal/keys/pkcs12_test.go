package keys

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
	testkeys "github.com/as2drop/as2drop/testdata/keys"
)

func vector(t testing.TB, name, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", "key-"+name, file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPKCS12IsReadAsWritten(t *testing.T) {
	partner, _ := testkeys.Load("partner-rsa")
	for _, name := range []string{"us-rsa", "us-ecdsa"} {
		cert, key := testkeys.Load(name)
		for _, legacy := range []bool{false, true} {
			b, err := EncodePKCS12(key, []*x509.Certificate{cert, partner}, "Grüße", legacy)
			if err != nil {
				t.Fatal(err)
			}
			got, chain, err := ParsePKCS12(b, "Grüße")
			if err != nil || len(chain) != 2 || !chain[0].Equal(cert) || !chain[1].Equal(partner) || Match(cert, got) != nil {
				t.Errorf("%s, legacy %v: %d certificates, %v", name, legacy, len(chain), err)
			}
		}
	}
	cert, key := testkeys.Load("us-rsa")
	for name, c := range map[string]struct {
		chain []*x509.Certificate
		pass  string
	}{"no certificate": {nil, "secret"}, "no passphrase": {[]*x509.Certificate{cert}, ""}, "foreign certificate": {[]*x509.Certificate{partner}, "secret"}} {
		if b, err := EncodePKCS12(key, c.chain, c.pass, false); err == nil || b != nil {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// A file must not make us compute for hours.
func TestRoundsAreBounded(t *testing.T) {
	var file struct {
		Version int
		Safe    asn1.RawValue
		Mac     macData
	}
	if _, err := asn1.Unmarshal(vector(t, "openssl-p12-aes", "keys.p12"), &file); err != nil {
		t.Fatal(err)
	}
	file.Mac.Iterations = 1 << 40
	b, err := asn1.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ParsePKCS12(b, "secret"); err == nil || !strings.Contains(err.Error(), "rounds of key derivation") {
		t.Errorf("of the check value: %v", err)
	}
	for name, want := range map[string]int{"openssl-p12-aes": 2048, "openssl-p12-rc2": 2048, "bouncycastle-p12-ber": 300_000, "keytool-p12": 10_000} {
		f, err := parsePFX(der(t, vector(t, name, "keys.p12")))
		if err != nil {
			t.Fatal(err)
		}
		safe, err := derSafe(f.safe)
		if err != nil {
			t.Fatal(err)
		}
		if got := iterations(safe); got != want {
			t.Errorf("%s: %d rounds, not %d", name, got, want)
		}
	}
	huge, err := asn1.Marshal(struct{ Outer []byte }{mustMarshal(t, struct {
		Salt   []byte
		Rounds int
	}{[]byte("salt"), 1 << 50})})
	if err != nil {
		t.Fatal(err)
	}
	if got := iterations(huge); got <= maxIterations {
		t.Errorf("%d rounds", got)
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func der(t *testing.T, b []byte) []byte {
	t.Helper()
	d, err := cms.DER(b, cms.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The check covers every byte, in the form that was sent.
func TestDamagedPKCS12(t *testing.T) {
	b := vector(t, "bouncycastle-p12-ber", "keys.p12")
	for i := 0; i < len(b); i += 251 {
		damaged := bytes.Clone(b)
		damaged[i] ^= 1
		if key, chain, err := ParsePKCS12(damaged, "secret"); err == nil && (len(chain) == 0 || Match(chain[0], key) != nil) || err != nil && (key != nil || chain != nil) {
			t.Errorf("byte %d: %v, %d certificates, %v", i, key, len(chain), err)
		}
		if _, _, err := ParsePKCS12(b[:i], "secret"); err == nil {
			t.Errorf("%d of %d bytes are read", i, len(b))
		}
	}
}

func TestChainsAreOrdered(t *testing.T) {
	cert, key := testkeys.Load("us-rsa")
	partner, foreignKey := testkeys.Load("partner-rsa")
	chain, err := order(key, []*x509.Certificate{partner, cert})
	if err != nil || len(chain) != 2 || chain[0] != cert || chain[1] != partner {
		t.Errorf("%d certificates, %v", len(chain), err)
	}
	if chain, err := order(foreignKey, []*x509.Certificate{cert}); err == nil || chain != nil {
		t.Errorf("%d certificates, %v", len(chain), err)
	}
	leaf, sub, root := issued(t)
	for _, sent := range [][]*x509.Certificate{{leaf.cert, sub.cert, root.cert}, {root.cert, partner, sub.cert, leaf.cert}, {sub.cert, root.cert, leaf.cert, partner}} {
		chain, err := order(leaf.key, sent)
		if err != nil || !chain[0].Equal(leaf.cert) || !chain[1].Equal(sub.cert) || !chain[2].Equal(root.cert) {
			t.Errorf("%v", err)
		}
	}
}

type owned struct {
	cert *x509.Certificate
	key  crypto.Signer
}
