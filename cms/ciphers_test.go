package cms

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

func TestNamesOfCiphers(t *testing.T) {
	for _, c := range every() {
		for _, name := range append(strings.Fields(c.spec().aliases), c.String(), strings.ToUpper(c.String())) {
			if got, err := ParseCipher(name); err != nil || got != c {
				t.Errorf("%q: %v, %v", name, got, err)
			}
		}
		if !slices.Contains(Ciphers(), c.String()) || slices.Contains(ModernCiphers(), c) == c.Legacy() {
			t.Errorf("%v is in the wrong list", c)
		}
		if aead := strings.HasSuffix(c.String(), "gcm") || strings.HasSuffix(c.String(), "ccm"); c.Authenticated() != aead {
			t.Errorf("%v: authenticated %v", c, c.Authenticated())
		}
	}
	for _, name := range []string{"", "none", "des-cbc", "rc2", "aes-256"} {
		if c, err := ParseCipher(name); err == nil || c != NoCipher {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	if NoCipher.String() != "none" || Cipher(-1).String() != "none" || Cipher(99).String() != "none" || Cipher(99).Authenticated() {
		t.Error("no cipher has a name")
	}
	for i, name := range KeyTransports() {
		if k, err := ParseKeyTransport(strings.ToUpper(name)); err != nil || k != KeyTransport(i) || k.String() != name {
			t.Errorf("%q: %v, %v", name, k, err)
		}
	}
	if k, err := ParseKeyTransport("oaep"); err == nil || KeyTransport(7).String() != "none" || KeyTransport(-1).String() != "none" {
		t.Error(k)
	}
}

// What is written, byte for byte, because others depend on it.
func TestAlgorithmsAsWritten(t *testing.T) {
	iv := unhex("0102030405060708090a0b0c0d0e0f10")
	for c, want := range map[Cipher]string{
		AES256CBC:  "301d 0609 60864801650304012a 0410 0102030405060708090a0b0c0d0e0f10",
		AES128GCM:  "301e 0609 608648016503040106 3011 040c 0102030405060708090a0b0c 020110",
		AES192CCM:  "301a 0609 60864801650304011b 300d 0408 0102030405060708 020110",
		DESEDE3CBC: "3014 0608 2a864886f70d0307 0408 0102030405060708",
		CAST5CBC:   "301b 0609 2a864886f67d07420a 300e 0408 0102030405060708 02020080",
		IDEACBC:    "3019 060b 2b0601040181 3c07010102 300a 0408 0102030405060708",
		RC2CBC128:  "3019 0608 2a864886f70d0302 300d 02013a 0408 0102030405060708",
		RC2CBC64:   "3019 0608 2a864886f70d0302 300d 020178 0408 0102030405060708",
		RC2CBC40:   "301a 0608 2a864886f70d0302 300e 020200a0 0408 0102030405060708",
	} {
		got, err := marshalAlgorithm(c, iv[:c.spec().ivLen])
		if err != nil || !bytes.Equal(got, unhex(strings.ReplaceAll(want, " ", ""))) {
			t.Errorf("%v: %x, %v", c, got, err)
		}
	}
}

func TestParametersInEveryForm(t *testing.T) {
	iv8, iv16 := unhex("0102030405060708"), unhex("0102030405060708090a0b0c0d0e0f10")
	type seq2 struct {
		A int
		B []byte
	}
	type cast struct {
		A []byte
		B int
	}
	for name, v := range map[string]struct {
		of         Cipher
		parameters any
		want       contentAlgorithm
	}{
		"CAST5 as OpenSSL writes it":   {CAST5CBC, mustMarshal(iv8), contentAlgorithm{CAST5CBC, 16, 128, iv8, 0}},
		"CAST5 with 40 bits":           {CAST5CBC, cast{iv8, 40}, contentAlgorithm{CAST5CBC, 5, 128, iv8, 0}},
		"CAST5 without IV":             {CAST5CBC, struct{ N int }{128}, contentAlgorithm{CAST5CBC, 16, 128, make([]byte, 8), 0}},
		"IDEA with an IV alone":        {IDEACBC, mustMarshal(iv8), contentAlgorithm{IDEACBC, 16, 128, iv8, 0}},
		"IDEA without IV":              {IDEACBC, struct{}{}, contentAlgorithm{IDEACBC, 16, 128, make([]byte, 8), 0}},
		"RC2 without version":          {RC2CBC128, mustMarshal(iv8), contentAlgorithm{RC2CBC40, 4, 32, iv8, 0}},
		"RC2 in a sequence without it": {RC2CBC128, struct{ IV []byte }{iv8}, contentAlgorithm{RC2CBC40, 4, 32, iv8, 0}},
		"RC2, version 160":             {RC2CBC128, seq2{160, iv8}, contentAlgorithm{RC2CBC40, 5, 40, iv8, 0}},
		"RC2, version 120":             {RC2CBC128, seq2{120, iv8}, contentAlgorithm{RC2CBC64, 8, 64, iv8, 0}},
		"RC2, version 58":              {RC2CBC128, seq2{58, iv8}, contentAlgorithm{RC2CBC128, 16, 128, iv8, 0}},
		"RC2, version 256":             {RC2CBC128, seq2{256, iv8}, contentAlgorithm{RC2CBC128, 32, 256, iv8, 0}},
		"RC2, version 1024":            {RC2CBC128, seq2{1024, iv8}, contentAlgorithm{RC2CBC128, 128, 1024, iv8, 0}},
		"GCM without length":           {AES128GCM, struct{ N []byte }{iv16[:12]}, contentAlgorithm{AES128GCM, 16, 128, iv16[:12], 12}},
		"GCM, 13":                      {AES256GCM, cast{iv16[:12], 13}, contentAlgorithm{AES256GCM, 32, 256, iv16[:12], 13}},
		"CCM, nonce of 13, tag of 8":   {AES256CCM, cast{iv16[:13], 8}, contentAlgorithm{AES256CCM, 32, 256, iv16[:13], 8}},
		"CCM, nonce of 7":              {AES256CCM, struct{ N []byte }{iv16[:7]}, contentAlgorithm{AES256CCM, 32, 256, iv16[:7], 12}},
	} {
		got, err := readAlgorithm(identifier(t, algorithmOf(v.of, v.parameters)))
		if err != nil || got.cipher != v.want.cipher || got.keyLen != v.want.keyLen || got.bits != v.want.bits || !bytes.Equal(got.iv, v.want.iv) || got.tagLen != v.want.tagLen {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, v := range map[string]struct {
		of         Cipher
		parameters any
	}{
		"none":                  {AES128CBC, asn1.NullRawValue},
		"IV of 8 for AES":       {AES128CBC, iv8},
		"IV of 7":               {DESEDE3CBC, iv16[:7]},
		"CAST5 with 136 bits":   {CAST5CBC, cast{iv8, 136}},
		"CAST5 with 32 bits":    {CAST5CBC, cast{iv8, 32}},
		"CAST5 with 41 bits":    {CAST5CBC, cast{iv8, 41}},
		"CAST5, IV of 7":        {CAST5CBC, cast{iv16[:7], 128}},
		"RC2, version 59":       {RC2CBC128, seq2{59, iv8}},
		"RC2, version 1025":     {RC2CBC128, seq2{1025, iv8}},
		"RC2, version -1":       {RC2CBC128, seq2{-1, iv8}},
		"RC2, IV of 16":         {RC2CBC128, seq2{58, iv16}},
		"GCM, nonce of 16":      {AES128GCM, cast{iv16, 16}},
		"GCM, nonce alone":      {AES128GCM, mustMarshal(iv16[:12])},
		"GCM, tag of 11":        {AES128GCM, cast{iv16[:12], 11}},
		"GCM, tag of 17":        {AES128GCM, cast{iv16[:12], 17}},
		"CCM, nonce of 14":      {AES128CCM, cast{iv16[:14], 16}},
		"CCM, nonce of 6":       {AES128CCM, cast{iv16[:6], 16}},
		"CCM, tag of 6":         {AES128CCM, cast{iv16[:8], 6}},
		"CCM, tag of 15":        {AES128CCM, cast{iv16[:8], 15}},
		"bytes behind":          {AES128CBC, append(mustMarshal(iv16), mustMarshal(iv8)...)},
		"a sequence not closed": {AES128GCM, []byte{0x30, 0x20, 4, 12}},
	} {
		alg := pkix.AlgorithmIdentifier{Algorithm: v.of.spec().oid, Parameters: asn1.RawValue{FullBytes: derOf(v.parameters)}}
		if got, err := readAlgorithm(alg); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func derOf(parameters any) []byte {
	if r, ok := parameters.(asn1.RawValue); ok {
		return r.FullBytes
	}
	if b, ok := parameters.([]byte); ok && len(b) > 0 && (b[0] == tagOctetString || b[0] == 0x30) {
		return b
	}
	return mustMarshal(parameters)
}

func identifier(t *testing.T, der []byte) (alg pkix.AlgorithmIdentifier) {
	t.Helper()
	if !whole(der, &alg) {
		t.Fatalf("%x", der)
	}
	return alg
}

// Keys of other lengths than we make, sealed by golang.org/x/crypto's or our own block
// cipher and the standard library's CBC.
func TestKeysOfOtherLengths(t *testing.T) {
	us, _, _ := identities(t)
	iv, data := unhex("0102030405060708"), []byte("twenty-three bytes long")
	type cast struct {
		A []byte
		B int
	}
	type rc2 struct {
		A int
		B []byte
	}
	for name, v := range map[string]struct {
		algorithm []byte
		keyLen    int
		block     func([]byte, int) (cipher.Block, error)
		bits      int
		want      Cipher
	}{
		"CAST5, 40 bits":    {algorithmOf(CAST5CBC, cast{iv, 40}), 5, plain(newCAST5), 0, CAST5CBC},
		"CAST5, 80 bits":    {algorithmOf(CAST5CBC, cast{iv, 80}), 10, plain(newCAST5), 0, CAST5CBC},
		"CAST5, 88 bits":    {algorithmOf(CAST5CBC, cast{iv, 88}), 11, plain(newCAST5), 0, CAST5CBC},
		"CAST5, IV alone":   {algorithmOf(CAST5CBC, mustMarshal(iv)), 16, plain(newCAST5), 0, CAST5CBC},
		"RC2, 32 bits":      {algorithmOf(RC2CBC40, mustMarshal(iv)), 4, newRC2, 32, RC2CBC40},
		"RC2, 256 bits":     {algorithmOf(RC2CBC40, rc2{256, iv}), 32, newRC2, 256, RC2CBC128},
		"3DES":              {algorithmOf(DESEDE3CBC, mustMarshal(iv)), 24, plain(des.NewTripleDESCipher), 0, DESEDE3CBC},
		"IDEA with no IV":   {algorithmOf(IDEACBC, struct{}{}), 16, plain(newIDEA), 0, IDEACBC},
		"IDEA with IV only": {algorithmOf(IDEACBC, mustMarshal(iv)), 16, plain(newIDEA), 0, IDEACBC},
	} {
		key := make([]byte, v.keyLen)
		rand.Read(key)
		block, err := v.block(key, v.bits)
		if err != nil {
			t.Fatal(err)
		}
		sealed := append(slices.Clone(data), 1)
		start := iv
		if name == "IDEA with no IV" {
			start = make([]byte, 8)
		}
		cipher.NewCBCEncrypter(block, start).CryptBlocks(sealed, sealed)
		m := crafted{recipients: [][]byte{wrapped(t, key, us, RSAPKCS1)}, algorithm: v.algorithm, content: sealed}
		got, d, err := openWith(bytes.NewReader(m.bytes()), allCiphers(us))
		if err != nil || !bytes.Equal(got, data) || d.Cipher != v.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestCiphersThatAreNotAccepted(t *testing.T) {
	us, _, _ := identities(t)
	untouched := Identity{us.Certificate, untouchable{t, us.Key.(decrypter)}}
	for _, c := range every() {
		sealed := seal(t, c, []byte("invoice"), us)
		_, _, err := openWith(bytes.NewReader(sealed), DecryptOptions{Identities: []Identity{us}, Spool: newMemory})
		if c.Legacy() != errors.Is(err, ErrCipherNotAccepted) || !c.Legacy() && err != nil {
			t.Errorf("%v by default: %v", c, err)
		}
		if _, _, err := openWith(bytes.NewReader(sealed), DecryptOptions{Identities: []Identity{us}, Ciphers: []Cipher{c}, Spool: newMemory}); err != nil {
			t.Errorf("%v alone: %v", c, err)
		}
		others := slices.DeleteFunc(every(), func(o Cipher) bool { return o == c })
		_, _, err = openWith(bytes.NewReader(sealed), DecryptOptions{Identities: []Identity{untouched}, Ciphers: others})
		var refused *NotAcceptedError
		if !errors.As(err, &refused) || refused.Cipher != c || errors.Is(err, ErrDecrypt) || !strings.Contains(err.Error(), c.String()) {
			t.Errorf("all but %v: %v", c, err)
		}
	}
}

// Keys for 3DES have odd parity.
func TestParityOfTripleDES(t *testing.T) {
	us, _, _ := identities(t)
	_, err := decrypt(bytes.NewReader(seal(t, DESEDE3CBC, nil, us)), allCiphers(us), func(a contentAlgorithm, key []byte) (cipher.Block, error) {
		for _, b := range key {
			if bits.OnesCount8(b)%2 != 1 {
				t.Errorf("a key with %08b", b)
			}
		}
		return a.block(key)
	})
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 24)
	for range 100 {
		rand.Read(key)
		before := slices.Clone(key)
		oddParity(key)
		for i, b := range key {
			if bits.OnesCount8(b)%2 != 1 || b>>1 != before[i]>>1 {
				t.Fatalf("%08b became %08b", before[i], b)
			}
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	us, _, _ := identities(t)
	to := []Recipient{{Certificate: us.Certificate}}
	anonymous := *us.Certificate
	anonymous.SubjectKeyId = nil
	for name, o := range map[string]EncryptOptions{
		"no cipher":         {Recipients: to, Rand: rand.Reader},
		"an unknown cipher": {Cipher: 99, Recipients: to, Rand: rand.Reader},
		"nobody":            {Cipher: AES128CBC, Rand: rand.Reader},
		"no spool":          {Cipher: AES128CCM, Recipients: to, Rand: rand.Reader},
		"no transport":      {Cipher: AES128CBC, Recipients: []Recipient{{Certificate: us.Certificate, Transport: 9}}, Rand: rand.Reader},
		"no identifier":     {Cipher: AES128CBC, Recipients: []Recipient{{Certificate: &anonymous, ByKeyID: true}}, Rand: rand.Reader},
		"a spool that fails": {Cipher: AES128CCM, Recipients: to, Rand: rand.Reader, Spool: func() (Spool, error) {
			return nil, errFull
		}},
	} {
		var out bytes.Buffer
		if w, err := Encrypt(&out, o); err == nil || w != nil || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
}
