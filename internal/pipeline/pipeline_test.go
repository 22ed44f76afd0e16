package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Whatever the sizes of the writes, the same bytes arrive in the same order through two
// stages, and nothing is left running.
func TestTheSameBytesArrive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, Piece - 1, Piece, Piece + 1, Start - 1, Start, Start + 1, Start + Piece, Start + 5*Piece + 7} {
		synctest.Test(t, func(t *testing.T) {
			data := random(r, size)
			var got bytes.Buffer
			second := NewWriter(&got)
			first := NewWriter(second)
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(3*Piece))
				if k, err := first.Write(rest[:n]); k != n || err != nil {
					t.Fatal(k, err)
				}
				rest = rest[n:]
			}
			if err := errors.Join(first.Close(), first.Close(), second.Close()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), data) {
				t.Errorf("%d bytes: others arrived", size)
			}
			if beside := first.queue != nil; beside != (size >= Start+Piece) {
				t.Errorf("%d bytes: a goroutine: %v", size, beside)
			}
			if n, err := first.Write([]byte("x")); n != 0 || err != ErrClosed {
				t.Errorf("written after the end: %d, %v", n, err)
			}
		})
	}
}

var errFull = errors.New("no space left")

// full takes so many bytes.
type full struct {
	left   int
	writes int // after the error
}

func (f *full) Write(p []byte) (int, error) {
	if f.left < 0 {
		f.writes++
	}
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An error of the stage behind ends the stage in front, which never waits for ever, and
// Close gives it where no write has; what failed once is not tried again.
func TestAnErrorEndsTheStageInFront(t *testing.T) {
	for _, room := range []int{0, Piece, Start - 1, Start, Start + 3*Piece, Start + 20*Piece} {
		synctest.Test(t, func(t *testing.T) {
			behind := &full{left: room}
			s := NewWriter(behind)
			written, err := io.Copy(s, io.LimitReader(zeros{}, Start+20*Piece+1))
			if err == nil && room < Start+10*Piece {
				t.Errorf("room for %d bytes: %d were taken", room, written)
			}
			if err != nil && err != errFull {
				t.Error(err)
			}
			if err := s.Close(); err != errFull {
				t.Errorf("room for %d bytes: closed with %v", room, err)
			}
			if err := s.Close(); err != errFull {
				t.Errorf("closed again with %v", err)
			}
			if behind.writes > 0 {
				t.Errorf("room for %d bytes: %d writes after the error", room, behind.writes)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// held waits until it may go on, as a slow disk does.
type held struct{ on chan struct{} }

func (h held) Write(p []byte) (int, error) { <-h.on; return len(p), nil }

// A stage behind that is slow holds the one in front, so that memory stays what it is.
func TestASlowStageHoldsTheOneInFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := held{make(chan struct{}, Start/Piece)}
		for range Start / Piece {
			behind.on <- struct{}{} // what passes before there is a goroutine
		}
		s := NewWriter(behind)
		written := 0
		go func() {
			for range 100 {
				n, _ := s.Write(make([]byte, Piece)) // never fails here
				written += n
			}
			s.Close()
		}()
		synctest.Wait()
		if most := Start + (Ahead+2)*Piece; written > most {
			t.Errorf("%d bytes were taken before any went on, want %d at the most", written, most)
		}
		close(behind.on)
		synctest.Wait()
		if written != 100*Piece {
			t.Errorf("%d bytes in all", written)
		}
	})
}

// Two stages that cost the same, one after the other and side by side.
func BenchmarkStages(b *testing.B) {
	work := func(p []byte) (n int, err error) {
		for range 30 {
			for _, c := range p {
				n += int(c)
			}
		}
		runtime.KeepAlive(n)
		return len(p), nil
	}
	const size = 16 << 20
	source := make([]byte, Piece)
	for name, stage := range map[string]func() io.WriteCloser{
		"one":  func() io.WriteCloser { return closing{writer(work)} },
		"both": func() io.WriteCloser { return NewWriter(writer(work)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				w := stage()
				for range size / Piece {
					work(source)
					w.Write(source)
				}
				w.Close()
			}
		})
	}
}

type writer func([]byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }

type closing struct{ io.Writer }

func (closing) Close() error { return nil }

// A panic of the stage behind is one of the caller, wherever it was, and ends with him: the
// goroutine would take the whole program with it.
func TestAPanicBehindIsTheCallers(t *testing.T) {
	for _, room := range []int{0, Start, Start + 3*Piece, Start + 20*Piece} {
		synctest.Test(t, func(t *testing.T) {
			s := NewWriter(&unlucky{left: room})
			text := func() (text string) {
				defer func() { text = fmt.Sprint(recover()) }()
				defer s.Close() // as whoever calls it does
				_, err := io.Copy(s, io.LimitReader(zeros{}, Start+20*Piece+1))
				return fmt.Sprint(err)
			}()
			beside := strings.HasPrefix(text, "no luck\n") && strings.Contains(text, "pipeline_test.go")
			if here := text == "no luck"; here == beside || beside != (s.queue != nil && room < Start+20*Piece) {
				t.Errorf("%d bytes: %q", room, text)
			}
			_ = s.Close() // it may be called again, and panics no more
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
