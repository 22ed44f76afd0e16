package fsx

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// listOf is the list of rights of a file as text, in the form of SDDL.
func listOf(t *testing.T, name string) string {
	t.Helper()
	d, err := windows.GetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// mayChange matches a list of rights by which everyone may read, change and remove.
var mayChange = regexp.MustCompile(`\(A;(OICI)?(ID)?;0x1301[bf]f;;;WD\)`)

// A group gets an entry of its own on a file and on a folder; the other entries stay.
func TestShareAddsAnEntry(t *testing.T) {
	dir, fsys := folder(t)
	if err := fsys.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	g, err := LookupGroup("S-1-1-0") // everyone: Wine knows no other group
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Usable(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"a", "d"} {
		full := filepath.Join(dir, name)
		before := listOf(t, full)
		if mayChange.MatchString(before) {
			t.Fatalf("everyone has the right already: %s", before)
		}
		for range 2 {
			if err := Grant(fsys, name, Access{Group: g}); err != nil {
				t.Fatal(err)
			}
		}
		after := listOf(t, full)
		if !mayChange.MatchString(after) || strings.Count(after, "(") < strings.Count(before, "(") {
			t.Errorf("%s: %s, before %s", name, after, before)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "b"), []byte("B"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("still ours"), 0o600); err != nil {
		t.Error(err)
	}
}

func TestLookupGroup(t *testing.T) {
	if g, err := LookupGroup("no such group"); err == nil || !strings.Contains(err.Error(), `"no such group"`) {
		t.Errorf("%v %v", g, err)
	}
}
