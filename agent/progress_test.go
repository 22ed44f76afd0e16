package agent

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
)

// posted is a Poster that reads its bodies as a test wants.
type posted func(body func() (io.ReadCloser, error)) error

func (p posted) Post(_ context.Context, _ string, _ []as2.Field, _ int64, body func() (io.ReadCloser, error)) (*as2.Answer, error) {
	return nil, p(body)
}

func TestProgressOfAPost(t *testing.T) {
	var f flights
	since := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	w := watched{flights: &f, now: func() time.Time { return since }}
	header := []as2.Field{{Name: "Message-ID", Value: "<01abc@us.example>"}}
	gone := errors.New("the partner went away")
	w.Poster = posted(func(body func() (io.ReadCloser, error)) error {
		for range 2 { // the first connection turns out to be closed
			r, err := body()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(io.Discard, r, 4); err != nil {
				t.Fatal(err)
			}
		}
		if p := f.Posted("01abc"); p == nil || p.Sent != 4 || p.Total != 10 || !p.Since.Equal(since) || f.Posted("01ab") != nil {
			t.Errorf("%+v", p)
		}
		return gone
	})
	_, err := w.Post(t.Context(), "", header, 10, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("0123456789")), nil })
	if !errors.Is(err, gone) || f.Posted("01abc") != nil {
		t.Errorf("%v; it is still on its way", err)
	}
	w.Poster = posted(func(body func() (io.ReadCloser, error)) error {
		_, err := body()
		return err
	})
	if _, err := w.Post(t.Context(), "", header, 10, func() (io.ReadCloser, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}
