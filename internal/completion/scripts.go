package completion

import (
	"embed"
	"fmt"
)

//go:embed scripts
var scripts embed.FS

// Shells are those that there is a script for.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

// Script is what a shell reads to complete as2drop.
func Script(shell string) (string, error) {
	b, err := scripts.ReadFile("scripts/as2drop." + shell)
	if err != nil {
		return "", fmt.Errorf("%q: no such shell is known", shell)
	}
	return string(b), nil
}
