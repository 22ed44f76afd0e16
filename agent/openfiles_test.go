package agent

import (
	"errors"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
)

// A limit that is low for the partners there are is told with what it should be.
func TestFewFiles(t *testing.T) {
	for _, c := range []struct {
		limit    uint64
		partners int
		want     string
	}{
		{1024, 1000, "only 1024 files may be open at once, and for 1000 partners it should be 2200: folders that cannot be opened, and connections, wait"},
		{1024, 400, ""},
		{2200, 1000, ""},
		{math.MaxUint64, 1_000_000, ""},
	} {
		if got := fewFiles(c.limit, c.partners); got != c.want {
			t.Errorf("%d files, %d partners: %q, want %q", c.limit, c.partners, got, c.want)
		}
	}
}

// Who cannot open a folder because too many files are open is not sent to look at volumes.
func TestFolderForWantOfFiles(t *testing.T) {
	for _, c := range []struct {
		err        error
		want, wont string
	}{
		{syscall.EMFILE, "LimitNOFILE=", "volume"},
		{syscall.EIO, "is the volume mounted?", "LimitNOFILE="},
	} {
		a := notStarted(t, nil)
		p := a.setup().boxes[0].partner
		a.hands.open = func(name string) (fsx.FS, error) { return nil, &os.PathError{Op: "open", Path: name, Err: c.err} }
		_, err := a.partnerFolder(t.Context(), a.setup().cfg, p)
		var told config.Error
		if !errors.As(err, &told) || !strings.Contains(told.Hint, c.want) || strings.Contains(told.Hint, c.wont) {
			t.Errorf("%v: %v", c.err, err)
		}
	}
}
