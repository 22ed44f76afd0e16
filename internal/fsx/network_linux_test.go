package fsx

import (
	"path/filepath"
	"testing"
)

func TestNetwork(t *testing.T) {
	if kind, err := Network(t.TempDir()); kind != "" || err != nil {
		t.Errorf("a temporary folder: %q, %v", kind, err)
	}
	if _, err := Network(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there")
	}
}
