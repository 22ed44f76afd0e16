//go:build unix

package config

import (
	"os"
	"testing"
)

// A link to the file stays a link.
func TestDraftFollowsLinks(t *testing.T) {
	workplace(t)
	write(t, "real/config.yaml", draftYAML)
	if err := os.Symlink("real/config.yaml", "config.yaml"); err != nil {
		t.Fatal(err)
	}
	c, err := Load("config.yaml", now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDraft(c, []byte(c.Text+"# more\n"), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(now); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat("config.yaml"); err != nil || info.Mode()&os.ModeSymlink == 0 || content(t, "real/config.yaml") != draftYAML+"# more\n" {
		t.Error(err)
	}
}
