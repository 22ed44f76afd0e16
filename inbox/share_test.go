package inbox

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/internal/fsx"
)

var shared = fsx.Access{Group: &fsx.Group{Name: "erp", ID: "7"}, File: 0o660, Dir: fs.ModeSetgid | 0o770}

// unshared lists what lies in the inbox without the rights that it should have.
func unshared(cw crashtest.World) (problems []string) {
	for name, e := range cw.(*world).disk.Tree() {
		want := shared.File
		if e.Folder {
			want = fs.ModeDir | shared.Dir
		}
		if strings.HasPrefix(name, "acme/inbox/") && (e.Mode != want || e.Group != "7") {
			problems = append(problems, fmt.Sprintf("%s is %v of %q", name, e.Mode, e.Group))
		}
	}
	return problems
}

// At no moment is anything in the inbox without its rights, also after a power cut.
func TestPublishedWithRights(t *testing.T) {
	t.Parallel()
	for _, folder := range []bool{false, true} {
		w := newWorld(seal(zipped(batch), nil))
		w.change = func(p *Partner) { p.Access, p.FolderPerBatch = shared, folder }
		s := crashtest.Scenario{Run: run, Standing: unshared, Final: func(cw crashtest.World) []string {
			problems := unshared(cw)
			if n := len(cw.(*world).content()); n != 3 {
				problems = append(problems, fmt.Sprintf("%d files in the inbox", n))
			}
			return problems
		}, After: "share "}
		r := crashtest.Matrix(w, s)
		t.Logf("%d cases of %d", r.Cases, r.Left)
		for _, p := range r.Problems {
			t.Error(p)
		}
		// The matrix notices when rights are not durable before the rename.
		w.fs = func(f fsx.FS) fsx.FS {
			return crashtest.Lazy{FS: f, Dir: func(n string) bool { return strings.HasSuffix(n, batchDir) }, File: func(n string) bool { return strings.HasPrefix(n, incomingDir) }}
		}
		s.Enough = 1
		if r := crashtest.Matrix(w, s); len(r.Problems) == 0 {
			t.Errorf("%d cases, and nothing was noticed", r.Cases)
		}
	}
}
