package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"os"

	"github.com/as2drop/as2drop/agent"
)

type runCmd struct {
	configFlag
	UntilIdle bool   `help:"End when every transfer has its verdict or is held, and no receipt is owed."`
	NoWatch   bool   `help:"Use no file events, only polling."`
	LogJSON   bool   `name:"log-json" help:"Log as JSON."`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"What to log: debug, info, warn, error."`
}

func (c *runCmd) Help() string {
	return `Examples:
  as2drop run                          with ./config.yaml
  as2drop run -c /etc/as2drop/config.yaml
  as2drop run --until-idle             send what is there and end

A change of the config, or of a certificate, key or password file that it names, is taken while the agent runs: as a whole, or not at all if there is a mistake in it; the log says what changed. SIGHUP has it read at once.

The agent ends on Ctrl-C or SIGTERM. Messages that are under way are finished or tried again at the next start, under the same Message-ID.`
}

func (c *runCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(g.err, options)
	if c.LogJSON {
		handler = slog.NewJSONHandler(g.err, options)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	reload := hangups(ctx)
	err = agent.Run(ctx, cfg, agent.Options{
		Log: slog.New(handler), Version: version, UntilIdle: c.UntilIdle, NoWatch: c.NoWatch, Reload: reload,
		Listening: func(addresses []string) {
			where := "not listening: nothing is received"
			if len(addresses) > 0 {
				where = "listening on " + strings.Join(addresses, ", ")
			}
			fmt.Fprintf(g.out, "as2drop %s runs; %d partners; %s\n", version, len(cfg.Partners), where)
		},
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // stopped while it was starting: that is what was asked for
	}
	return err
}

// hangups passes SIGHUP on, which asks for the config to be read anew. Windows has none.
func hangups(ctx context.Context) <-chan struct{} {
	signals, asked := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
			}
			select {
			case <-ctx.Done():
				return
			case asked <- struct{}{}:
			}
		}
	}()
	return asked
}
