//go:build unix

package accounts

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func ownerOf(t *testing.T, file string) uint32 {
	t.Helper()
	info, err := os.Lstat(file)
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

// Root edits the accounts in a folder of the agent's user. Links that somebody left there
// make nothing elsewhere, and give nothing away.
func TestLinksInPlaceOfAccounts(t *testing.T) {
	dir := t.TempDir()
	elsewhere, file := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "accounts", "users")
	must(t, os.Mkdir(filepath.Dir(file), 0o700))
	must(t, os.Symlink(elsewhere, file+".lock"))
	if err := AddUser(file, "anna", Viewer, good); err == nil {
		t.Error("the lock is a link, and nobody minds")
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("a file was made elsewhere")
	}
	must(t, os.Remove(file+".lock"))
	must(t, AddUser(file, "anna", Viewer, good))
	if os.Geteuid() != 0 {
		return // only root gives files away
	}
	const agent = 65534
	must(t, os.Chown(filepath.Dir(file), agent, agent))
	must(t, os.WriteFile(elsewhere, nil, 0o600))
	for _, name := range []string{file, file + ".lock"} {
		for _, link := range []func(string, string) error{os.Symlink, os.Link} {
			must(t, os.Remove(name))
			must(t, link(elsewhere, name))
			if err := ownedLikeFolder(file); err == nil || ownerOf(t, elsewhere) != 0 {
				t.Errorf("%s: %v, and it belongs to %d", name, err, ownerOf(t, elsewhere))
			}
		}
		must(t, os.Remove(name))
		must(t, os.WriteFile(name, nil, 0o600))
	}
	must(t, ownedLikeFolder(file))
	if ownerOf(t, file) != agent || ownerOf(t, file+".lock") != agent {
		t.Error("the agent cannot read its accounts")
	}
}
