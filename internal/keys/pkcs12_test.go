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
	rounds := mustMarshal(t, struct {
		Salt   []byte
		Rounds int
	}{[]byte("salt"), 1 << 50})
	if got := iterations(mustMarshal(t, struct{ Outer []byte }{rounds})); got <= maxIterations {
		t.Errorf("%d rounds", got)
	}
	// The same in a file: sequence of data, which holds a salt and its rounds.
	type data struct {
		Type    asn1.ObjectIdentifier
		Content []byte `asn1:"tag:0,explicit"`
	}
	b = mustMarshal(t, struct {
		Version int
		Safe    data
	}{3, data{oidData, mustMarshal(t, []data{{oidData, rounds}})}})
	if _, _, err := ParsePKCS12(b, "secret"); err == nil || !strings.Contains(err.Error(), "rounds of key derivation") {
		t.Errorf("of the content: %v", err)
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

// The check is made before the file is written anew: a name that nothing else protects
// cannot be changed.
func TestDamagedPKCS12(t *testing.T) {
	b := vector(t, "bouncycastle-p12-ber", "keys.p12")
	name := bytes.Index(b, []byte{0x1e, 4, 0, 'u', 0, 's'}) // of the key, in plain
	if name < 0 {
		t.Fatal("the vector has no name")
	}
	for what, i := range map[string]int{"name": name + 3, "key": name - 500, "structure": 40} {
		damaged := bytes.Clone(b)
		damaged[i] ^= 1
		if key, chain, err := ParsePKCS12(damaged, "secret"); err == nil || key != nil || chain != nil {
			t.Errorf("%s damaged: %T, %d certificates, %v", what, key, len(chain), err)
		}
	}
	for _, n := range []int{0, 1, 10, 100, len(b) / 2, len(b) - 1} {
		if key, chain, err := ParsePKCS12(b[:n], "secret"); err == nil || key != nil || chain != nil {
			t.Errorf("%d of %d bytes are read", n, len(b))
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
