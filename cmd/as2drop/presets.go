package main

import (
	"fmt"

	"github.com/as2drop/as2drop/config"
)

type presetsCmd struct {
	Name string `arg:"" optional:"" name:"preset" help:"Show what this preset sets."`
	JSON bool   `help:"As JSON."`
}

func (c *presetsCmd) Help() string {
	return `A preset is a set of defaults for a partner: "preset: NAME" in the config. What the partner says itself overrides it.

Examples:
  as2drop presets
  as2drop presets modern`
}

// presetRow is a preset for machines.
type presetRow struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
	YAML string `json:"yaml"`
}

func (c *presetsCmd) Run(g *globals) error {
	if c.Name != "" {
		p, err := config.FindPreset(c.Name)
		if err != nil {
			return exit{exitUsage, err}
		}
		if c.JSON {
			return printJSON(g.out, presetRow(p))
		}
		fmt.Fprintf(g.out, "# %s\n%s", p.Doc, p.YAML)
		return nil
	}
	var rows []presetRow
	lines := [][]string{{"PRESET", "FOR"}}
	for _, p := range config.Presets {
		rows = append(rows, presetRow(p))
		lines = append(lines, []string{p.Name, p.Doc})
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	return table(g.out, lines)
}
