package access

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/windows"
)

// keepsLists reports whether a change of an access list can be seen. Wine takes one when a
// file is made, and none after that.
func keepsLists() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() != nil
}

func expose(t *testing.T, file string) {
	t.Helper()
	if err := Grant(file, everybody[0], Read); err != nil {
		t.Fatal(err)
	}
}

func accounts(t *testing.T, path string) (all []string) {
	t.Helper()
	if err := eachAllowed(path, func(account string, _ windows.ACCESS_MASK) { all = append(all, account) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// Wine keeps modes of Unix and no access lists, so an account that it cannot express is
// not seen again. What must not be lost is: nothing else is taken away, and nothing fails.
func TestGrantKeepsOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Private(file, "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"); err != nil {
		t.Fatal(err)
	}
	before := accounts(t, file)
	if err := Grant(file, "S-1-5-19", Change); err != nil {
		t.Fatal(err)
	}
	for _, account := range before {
		if !slices.Contains(accounts(t, file), account) {
			t.Errorf("%s was taken away: %v", account, accounts(t, file))
		}
	}
	if err := Grant(file, "nobody", Read); err == nil {
		t.Error("granted to somebody who is none")
	}
}
