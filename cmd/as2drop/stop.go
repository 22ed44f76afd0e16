package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/ledger"
)

type stopCmd struct {
	configFlag
	Wait time.Duration `default:"60s" help:"How long to wait for the end of the agent (${default})."`
}

func (c *stopCmd) Help() string {
	return `Ends the agent that runs on the data folder of the config, wherever it was started, as Ctrl-C would: messages that are under way are finished or tried again at the next start, under the same Message-ID. Windows has no other gentle way to end a program of the Task Scheduler. A service is ended with: as2drop service stop

Example:
  as2drop stop -c C:/as2drop/config.yaml`
}

func (c *stopCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	if !agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "no agent is running on this data folder")
		return nil
	}
	if err := c.wish(g, agent.LedgerPath(cfg.DataDir)); err != nil {
		return err
	}
	deadline := time.After(c.Wait)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for agent.Running(cfg.DataDir) {
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the agent was asked and has not ended yet: it finishes what is under way, or its ledger does not answer; its log tells")
		}
	}
	fmt.Fprintln(g.out, "the agent has ended")
	return nil
}

// wish records what is wanted. The ledger is closed before we wait: the agent that ends
// shall be the last one to close it.
func (c *stopCmd) wish(g *globals, file string) (err error) {
	l, err := ledger.Open(file, ledger.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	_, err = l.AddWish(context.Background(), ledger.Wish{Kind: ledger.WishStop, By: operator(), At: g.now().UTC()})
	return err
}
