//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"testing"
)

// root is the top of the repository; tests run in the folder of their package.
const root = "../.."

// logs is where the output of agent and peers goes.
const logs = root + "/.cache/interop/logs"

// write makes a file with its folders.
func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// drop puts a finished file into a watched folder: with one rename.
func drop(t *testing.T, path string, content []byte) {
	t.Helper()
	part := filepath.Join(filepath.Dir(path), ".drop-"+filepath.Base(path))
	write(t, part, content)
	if err := os.Rename(part, path); err != nil {
		t.Fatal(err)
	}
}

// absolute is a path of the repository that other programs find too.
func absolute(t *testing.T, path string) string {
	t.Helper()
	a, err := filepath.Abs(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return a
}
