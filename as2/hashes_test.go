package as2

import (
	"bytes"
	"crypto"
	"net/textproto"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/as2drop/as2drop/cms"
)

var bareLineFeed = regexp.MustCompile(`(^|[^\r])\n`)

// canonicalised is CRLF for each bare LF, done the slow way.
func canonicalised(b []byte) []byte {
	for bareLineFeed.Match(b) {
		b = bareLineFeed.ReplaceAll(b, []byte("$1\r\n"))
	}
	return b
}

// In whatever pieces a text comes, its digests are those of the exact bytes and of CRLF
// line ends; the latter begin with the first bare line feed and know what was before.
func TestCanonicalDigestsInAnyPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]byte("\r\nab")), 0, 6), 0, 12).Draw(t, "pieces")
		e := entityHashes{exact: newHashes([]cms.Digest{cms.SHA256, cms.SHA1}), text: true}
		for _, p := range pieces {
			if n, err := e.Write(p); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		whole := slices.Concat(pieces...)
		if m, _ := FindMIC(e.exact.mics(), cms.SHA256); !bytes.Equal(m.Sum, hashOf(crypto.SHA256, whole)) {
			t.Error("exact")
		}
		want := canonicalised(whole)
		if (e.canonical != nil) != !bytes.Equal(want, whole) {
			t.Fatalf("%q: canonical digests %v", whole, e.canonical != nil)
		}
		if e.canonical == nil {
			return
		}
		if m, _ := FindMIC(e.canonical.mics(), cms.SHA1); !bytes.Equal(m.Sum, hashOf(crypto.SHA1, want)) {
			t.Errorf("%q: canonical", whole)
		}
	})
}

// What a mail agent would convert, and what it would not.
func TestWhatIsText(t *testing.T) {
	for name, c := range map[string]struct {
		h    textproto.MIMEHeader
		want bool
	}{
		"7bit":             {textproto.MIMEHeader{"Content-Type": {"application/xml"}, "Content-Transfer-Encoding": {"7bit"}}, true},
		"8bit":             {textproto.MIMEHeader{"Content-Transfer-Encoding": {"8BIT"}}, true},
		"quoted-printable": {textproto.MIMEHeader{"Content-Transfer-Encoding": {"quoted-printable"}}, true},
		"base64":           {textproto.MIMEHeader{"Content-Transfer-Encoding": {"base64"}}, true},
		"text":             {textproto.MIMEHeader{"Content-Type": {"text/plain; charset=utf-8"}}, true},
		"text in binary":   {textproto.MIMEHeader{"Content-Type": {"text/plain"}, "Content-Transfer-Encoding": {"binary"}}, false},
		"zip":              {textproto.MIMEHeader{"Content-Type": {"application/zip"}}, false},
		"xml without one":  {textproto.MIMEHeader{"Content-Type": {"application/xml"}}, false},
		"nothing":          {textproto.MIMEHeader{}, false},
	} {
		if got := isText(c.h); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Digests that nobody announced are computed up to a size, the others beyond.
func TestGuessedDigestsEndSomewhere(t *testing.T) {
	h := newHashes([]cms.Digest{cms.SHA256, cms.SHA256}, cms.SHA512, cms.SHA256, cms.NoDigest)
	if _, err := h.Write(make([]byte, maxGuessed)); err != nil {
		t.Fatal(err)
	}
	if len(h.mics()) != 2 {
		t.Errorf("%v", h.digests)
	}
	h.Write([]byte{0})
	if mics := h.mics(); len(mics) != 1 || !bytes.Equal(mics[0].Sum, hashOf(crypto.SHA256, make([]byte, maxGuessed+1))) {
		t.Errorf("%v", mics)
	}
}

// A small message costs the digests that it names. Others come of what was held, before and
// after the line ends became others, and are the same as if they had run along.
func TestGuessedDigestsOnDemand(t *testing.T) {
	for _, size := range []int{0, 100, streamBuffer - 1, streamBuffer, streamBuffer + 1} {
		data := bytes.Repeat([]byte("a\n"), size/2+1)[:size]
		e := entityHashes{exact: newHashes([]cms.Digest{cms.SHA256}, cms.SHA256, cms.SHA384, cms.SHA512), text: true}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1000)
			e.Write(rest[:n])
			rest = rest[n:]
		}
		early := len(e.exact.mics())
		if want := map[bool]int{true: 3, false: 1}[size > streamBuffer]; early != want {
			t.Errorf("%d bytes: %d digests before anybody asked, want %d", size, early, want)
		}
		e.guess([]cms.Digest{cms.SHA512, cms.SHA1})
		e.guess([]cms.Digest{cms.SHA384}) // too late, and no harm
		if m, _ := FindMIC(e.exact.mics(), cms.SHA512); !bytes.Equal(m.Sum, hashOf(crypto.SHA512, data)) {
			t.Errorf("%d bytes: the guessed digest is another one", size)
		}
		if size == 0 {
			continue
		}
		if m, _ := FindMIC(e.canonical.mics(), cms.SHA512); !bytes.Equal(m.Sum, hashOf(crypto.SHA512, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))) {
			t.Errorf("%d bytes: the guessed digest over CRLF is another one", size)
		}
	}
}
