package as2

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/pipeline"
)

// large is a payload whose stages work side by side.
func large() []byte {
	b := make([]byte, pipeline.Start+11*pipeline.Piece+5)
	rand.NewChaCha8([32]byte{7}).Read(b) // never fails
	return b
}

// forms are the ways in which a message is wrapped, with both identities at hand.
func forms() map[string]SealOptions {
	plain := options()
	signed, encrypted := options(), options()
	signed.Sign = signer(ours(), cms.SHA256)
	encrypted.Cipher, encrypted.Recipients = cms.AES256GCM, to(partners())
	both := signed
	both.Cipher, both.Recipients = cms.AES256CBC, to(partners())
	squeezed := both
	squeezed.Compress = CompressBeforeSign
	opaque := both
	opaque.Quirks.OpaqueSignature = true
	return map[string]SealOptions{"plain": plain, "signed": signed, "encrypted": encrypted, "both": both, "compressed": squeezed, "opaque": opaque}
}

// A large message arrives as it was sent, with the digests of a small one, and no stage of it
// outlives the call.
func TestLargeMessages(t *testing.T) {
	payload := large()
	for name, o := range forms() {
		synctest.Test(t, func(t *testing.T) {
			s, body := sealBytes(t, payload, o)
			if sum := sha256.Sum256(body); s.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: the digest of the body is of something else", name)
			}
			opened, got, err := openBytes(httpHeader(s.Header), bytes.NewReader(body), theirs())
			if err != nil || !bytes.Equal(got, payload) || opened.Size != int64(len(payload)) {
				t.Fatalf("%s: %d bytes arrived, %v", name, len(got), err)
			}
			if !opened.MICs[0].Equal(s.MICs[0]) {
				t.Errorf("%s: MIC %v, sent %v", name, opened.MICs, s.MICs)
			}
		})
	}
}

// A disk that is full ends the sealing and the opening of a large message with its own error,
// wherever that shows, and no stage goes on.
func TestLargeMessagesAndAFullDisk(t *testing.T) {
	payload := large()
	errFull := errors.New("no space left on device")
	for name, o := range forms() {
		_, body := sealBytes(t, payload, o)
		for _, room := range []int{0, pipeline.Start / 2, pipeline.Start + 3*pipeline.Piece, len(payload) - 1} {
			synctest.Test(t, func(t *testing.T) {
				limited := func() io.Writer { return &limitedWriter{room, errFull} }
				s, err := Seal(limited(), func(w io.Writer) error { _, err := w.Write(payload); return err }, o)
				if s != nil || err != errFull {
					t.Errorf("%s: room for %d bytes of the message: %v", name, room, err)
				}
				sealed, _ := sealBytes(t, nil, o)
				e, err := ParseEnvelope(httpHeader(sealed.Header))
				if err != nil {
					t.Fatal(err)
				}
				if o.Sign != nil && !o.Quirks.OpaqueSignature && len(o.Recipients) == 0 {
					return // the boundary is another one each time
				}
				opened, err := Open(e, bytes.NewReader(body), into(limited()), theirs())
				var f *Fault
				if opened != nil || !errors.Is(err, errFull) || errors.As(err, &f) {
					t.Errorf("%s: room for %d bytes of the payload: %v", name, room, err)
				}
			})
		}
	}
}

type limitedWriter struct {
	left int
	err  error
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// A file that cannot be read to its end is what sealing a large message says.
func TestLargeMessagesOfAnUnreadableFile(t *testing.T) {
	payload := large()
	errGone := errors.New("gone")
	for name, o := range forms() {
		synctest.Test(t, func(t *testing.T) {
			if _, err := Seal(io.Discard, func(w io.Writer) error { _, err := w.Write(payload); return errors.Join(err, errGone) }, o); !errors.Is(err, errGone) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A panic of whoever gives or takes a large message is one of the caller's, which he can count,
// and no stage goes on.
func TestLargeMessagesAndAPanic(t *testing.T) {
	payload := large()
	panics := func(t *testing.T, what string, f func()) {
		defer func() {
			if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "no luck") {
				t.Errorf("%s: %s", what, text)
			}
		}()
		f()
	}
	for name, o := range forms() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				panics(t, "a file", func() {
					Seal(io.Discard, func(w io.Writer) error { w.Write(payload); panic("no luck") }, o)
				})
				panics(t, "the message", func() {
					Seal(&unlucky{len(payload) / 2}, func(w io.Writer) error { _, err := w.Write(payload); return err }, o)
				})
				s, body := sealBytes(t, payload, o)
				e, err := ParseEnvelope(httpHeader(s.Header))
				if err != nil {
					t.Fatal(err)
				}
				panics(t, "the payload", func() { Open(e, bytes.NewReader(body), into(&unlucky{len(payload) / 2}), theirs()) })
				panics(t, "the body", func() {
					Open(e, io.TeeReader(bytes.NewReader(body), &unlucky{len(payload) / 2}), into(io.Discard), theirs())
				})
			})
		})
	}
}

// unlucky panics after so many bytes.
type unlucky struct{ left int }

func (u *unlucky) Write(p []byte) (int, error) {
	if u.left -= len(p); u.left < 0 {
		panic("no luck")
	}
	return len(p), nil
}
