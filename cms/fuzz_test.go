package cms

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/cipher"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz targets for envelopes anew")

const seedText = "invoice 1001"

// envelopeSeeds are messages in every form that we know, encrypted to the committed key
// of us, by fuzz target and name.
func envelopeSeeds(t *testing.T) map[string]map[string][]byte {
	us, partner := committed("us-rsa"), committed("partner-rsa")
	seeds := map[string]map[string][]byte{"FuzzEnveloped": {}, "FuzzAuthEnveloped": {}}
	for _, c := range every() {
		target := "FuzzEnveloped"
		if c.Authenticated() {
			target = "FuzzAuthEnveloped"
			for _, segments := range []int{0, 5} {
				s := reseal(t, byHand(t, c, false, us, OAEPSHA256), nil)
				s.segments = segments
				seeds["FuzzEnveloped"][fmt.Sprintf("%v-appended-%d", c, segments)] = s.bytes()
			}
			attributes := anAttribute(mustMarshal(oidData), "a")
			s := reseal(t, byHand(t, c, true, us, OAEPSHA1), sequence(header{tag: tagSet}, attributes))
			s.attributes = sequence(header{class: classContext, tag: 1}, attributes)
			seeds[target][c.String()+"-attributes"] = s.bytes()
		}
		seeds[target][c.String()] = seal(t, c, []byte(seedText), partner, us)
	}
	for _, k := range KeyTransports() {
		transport, err := ParseKeyTransport(k)
		if err != nil {
			t.Fatal(err)
		}
		seeds["FuzzAuthEnveloped"][k+"-keyid"] = sealTo(t, []byte(seedText), Recipient{us.Certificate, transport, true})
	}
	return seeds
}

// reseal puts the text of the seeds into a message made by hand, with additional data.
func reseal(t *testing.T, s sealedByHand, additional []byte) sealedByHand {
	a, err := readAlgorithm(identifier(t, s.algorithm))
	if err != nil {
		t.Fatal(err)
	}
	block, err := a.block(s.key)
	if err != nil {
		t.Fatal(err)
	}
	s.plain, s.content = []byte(seedText), []byte(seedText)
	if a.cipher.spec().mode == modeGCM {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		s.mac = aead.Seal(nil, a.iv, s.plain, additional)
		s.content, s.mac = s.mac[:len(s.plain):len(s.plain)], s.mac[len(s.plain):]
	} else {
		ccm := newCCM(block, a.iv, aeadTag, uint64(len(s.plain)), additional)
		ccm.seal(s.content, s.plain)
		s.mac = ccm.sum(nil)
	}
	if !s.auth {
		s.content = append(s.content, s.mac...)
	}
	return s
}

// The seeds are there, and all of them open: a target that starts from noise finds
// nothing. go test ./cms -run Seeds -update writes them anew.
func TestSeedsOfTheEnvelopeTargets(t *testing.T) {
	for target, seeds := range envelopeSeeds(t) {
		dir := filepath.Join("testdata", "fuzz", target)
		for name, message := range seeds {
			file := filepath.Join(dir, name)
			if *update {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", message), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := unseal(bytes.NewReader(readSeed(t, file)), committed("us-rsa")); err != nil || string(got) != seedText {
				t.Errorf("%s: %q, %v", file, got, err)
			}
		}
	}
}

func readSeed(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, literal, ok := bytes.Cut(text, []byte("\n[]byte("))
	quoted, err := strconv.Unquote(string(bytes.TrimSuffix(bytes.TrimSpace(literal), []byte(")"))))
	if err != nil || !ok {
		t.Fatalf("%s: %v", file, err)
	}
	return []byte(quoted)
}

// remembering is a private key that does nothing twice: most mutations leave the wrapped
// key alone, and RSA takes most of the time of a target. What it gives for bytes that it
// cannot decrypt is always the same for them, as unwrap.go wants it.
type remembering struct {
	decrypter
	known sync.Map
}

func (m *remembering) Decrypt(r io.Reader, wrapped []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	name := fmt.Sprintf("%x %+v", wrapped, opts)
	if key, ok := m.known.Load(name); ok {
		return bytes.Clone(key.([]byte)), nil
	}
	key, err := m.decrypter.Decrypt(r, wrapped, opts)
	if err == nil {
		m.known.Store(name, bytes.Clone(key))
	}
	return key, err
}

var fuzzIdentity = sync.OnceValue(func() Identity {
	us := committed("us-rsa")
	return Identity{us.Certificate, &remembering{decrypter: us.Key.(decrypter)}}
})

func fuzzEnvelope(t *testing.T, message []byte) {
	us := fuzzIdentity()
	got, d, err := openWith(bytes.NewReader(message), allCiphers(us))
	if len(got) > len(message) {
		t.Errorf("%d bytes out of %d", len(got), len(message))
	}
	if err == nil && d.Detail() != "" {
		t.Errorf("opened, and %q", d.Detail())
	}
	if kind := Sniff(bufio.NewReader(bytes.NewReader(message))); err == nil && kind != Enveloped && kind != AuthEnveloped {
		t.Errorf("opened, and it is %v", kind)
	}
	if err == nil && d.auth && string(got) != seedText {
		t.Errorf("authenticated, and it is %q", got)
	}
}

func FuzzEnveloped(f *testing.F) {
	f.Fuzz(fuzzEnvelope)
}

// What opens here is what somebody with the key has sealed: the tag covers it.
func FuzzAuthEnveloped(f *testing.F) {
	f.Fuzz(fuzzEnvelope)
}
