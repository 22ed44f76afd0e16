package fsx_test

import (
	"io"
	"testing"

	"github.com/as2drop/as2drop/internal/fsx"
)

// A spool gives back what was written and leaves nothing, also where an earlier one was
// never closed.
func TestSpool(t *testing.T) {
	everywhere(t, func(t *testing.T, fsys fsx.FS) {
		put(t, fsys, "spool.part", "left by a crash")
		s, err := fsx.NewSpool(fsys, "spool.part", 0o600)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"ab", "c"} {
			if _, err := io.WriteString(s, text); err != nil {
				t.Fatal(err)
			}
		}
		r, err := s.Rewind()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != "abc" || err != nil {
			t.Errorf("%q %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		holds(t, fsys, "spool.part", "")
	})
}
