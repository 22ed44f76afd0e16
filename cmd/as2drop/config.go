package main

import (
	"fmt"

	"github.com/as2drop/as2drop/config"
)

type configCmd struct {
	Schema configSchemaCmd `cmd:"" help:"Print the JSON schema of config.yaml, for editors."`
}

type configSchemaCmd struct{}

func (c *configSchemaCmd) Help() string {
	return `An editor that knows the schema completes keys, shows what they mean and marks mistakes while you type. as2drop init writes it beside the config, whose first line tells editors with the YAML language server; packages install it as /usr/share/as2drop/config.schema.json. It judges shapes alone: as2drop check knows the rest.

Example:
  as2drop config schema > config.schema.json`
}

func (c *configSchemaCmd) Run(g *globals) error {
	_, err := fmt.Fprint(g.out, config.Schema())
	return err
}
