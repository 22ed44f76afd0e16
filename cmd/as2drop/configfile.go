package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// systemConfig is where the config of an installed agent is.
func systemConfig() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "as2drop", "config.yaml")
	}
	return "/etc/as2drop/config.yaml"
}

// configFile is the config of a command that is given none: that of this folder, or else,
// where there is none, that of the agent that was installed on this machine.
func configFile() string {
	const here = "config.yaml"
	if file := os.Getenv("AS2DROP_CONFIG"); file != "" {
		return file
	}
	if _, err := os.Stat(here); err == nil {
		return here
	}
	// One that this user may not read is still the one; that is told when it is opened.
	if _, err := os.Stat(systemConfig()); err == nil || errors.Is(err, fs.ErrPermission) {
		return systemConfig()
	}
	return here
}
