package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/completion"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

func (c *completionCmd) Help() string {
	return `The packages install them for bash, zsh and fish. Commands, flags and their values are completed, and the names of partners from the config.

Examples:
  source <(as2drop completion bash)
  as2drop completion zsh > "${fpath[1]}/_as2drop"
  as2drop completion fish > ~/.config/fish/completions/as2drop.fish
  as2drop completion powershell | Out-String | Invoke-Expression`
}

func (c *completionCmd) Run(g *globals) error {
	text, err := completion.Script(c.Shell)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(g.out, text)
	return err
}

// completeCmd is what the scripts ask.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

func (c *completeCmd) Run(g *globals, app *kong.Kong) error {
	words := c.Words
	if n := len(words) - 1; n >= 0 && words[n] == `""` {
		words[n] = "" // PowerShell gives no empty argument to a program
	}
	_, err := fmt.Fprint(g.out, completion.Complete(app.Model, words, completeValues).Print())
	return err
}

// completeValues names partners, stations and presets. A config that cannot be read has none:
// what is wrong with it is told by the command.
func completeValues(kind string, words []string) (all []completion.Candidate) {
	var names []string
	switch kind {
	case "partner", "what":
		names, _ = config.Names(configOf(words))
	case "station":
		_, names = config.Names(configOf(words))
	case "preset":
		for _, p := range config.Presets {
			all = append(all, completion.Candidate{Word: p.Name, Help: p.Doc})
		}
	}
	for _, name := range names {
		all = append(all, completion.Candidate{Word: name, Help: kind})
	}
	return all
}

// configOf is the config file that a command line names.
func configOf(words []string) string {
	for i, w := range words {
		if file, ok := strings.CutPrefix(w, "--config="); ok {
			return file
		}
		if (w == "-c" || w == "--config") && i+1 < len(words) {
			if words[i+1] == "=" && i+2 < len(words) {
				return words[i+2]
			}
			return words[i+1]
		}
	}
	return configFile()
}
