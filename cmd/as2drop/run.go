package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/service"
)

type runCmd struct {
	configFlag
	logFlags
	UntilIdle bool   `help:"End when every transfer has its verdict or is held, and no receipt is owed."`
	NoWatch   bool   `help:"Use no file events, only polling."`
	Service   string `hidden:"" help:"The service manager of Windows starts this as the service of that name."`
}

func (c *runCmd) Help() string {
	return `Examples:
  as2drop run                          with ./config.yaml
  as2drop run -c /etc/as2drop/config.yaml
  as2drop run --until-idle             send what is there and end

A change of the config, or of a certificate, key or password file that it names, is taken while the agent runs: as a whole, or not at all if there is a mistake in it; the log says what changed. SIGHUP has it read at once, and log files begun anew that another program has moved away.

The config says under log: where to log; without it the agent logs to standard error. The flags go before it.

The agent ends on Ctrl-C, SIGTERM and as2drop stop, within 25 seconds. What is being posted is broken off and posted again at the next start, under the same Message-ID; a message that is arriving has 20 seconds. A second Ctrl-C or SIGTERM ends the agent at once; nothing is lost by that either. systemd is told what it wants to know; as2drop service makes a service of it.`
}

func (c *runCmd) Run(g *globals) error {
	if c.Service != "" {
		work := func(ctx context.Context, h *service.Host) error {
			return c.run(ctx, g, h, service.Notifier{}, h.Reload)
		}
		return service.Run(c.Service, work, exitCode)
	}
	ctx, stop := untilTold()
	defer stop()
	n, err := service.FromSystemd(os.Getenv)
	if err != nil {
		return err
	}
	defer n.Close() // nothing hangs on it
	return c.run(ctx, g, nil, n, hangups(ctx))
}

// run is the agent's life, whoever started it: a person, systemd, or the service manager
// of Windows, which is the host.
func (c *runCmd) run(ctx context.Context, g *globals, host *service.Host, n service.Notifier, reload <-chan struct{}) (err error) {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	places, err := c.open(g, cfg, host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, places.Close()) }()
	log := places.Logger()
	t := &teller{host: host, systemd: n, log: log}
	err = agent.Run(ctx, cfg, agent.Options{
		Log: log, Version: version, UntilIdle: c.UntilIdle, NoWatch: c.NoWatch, Reload: c.reopened(ctx, places, reload), Take: func(cfg *config.Config) error { return places.Take(c.places(cfg)) }, Notify: t.tell, Heartbeat: n.Watchdog / 2,
		Listening: func(addresses []string) {
			t.text = runs(cfg, addresses)
			fmt.Fprintln(g.out, t.text)
		},
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // stopped while it was starting: that is what was asked for
	}
	if err != nil && (host != nil || c.elsewhere(cfg)) {
		log.Error("the agent has ended", "error", err) // nobody reads what main prints
	}
	return err
}

func runs(cfg *config.Config, addresses []string) string {
	where := "not listening: nothing is received"
	if len(addresses) > 0 {
		where = "listening on " + strings.Join(addresses, ", ")
	}
	return fmt.Sprintf("as2drop %s runs; %d partners; %s", version, len(cfg.Partners), where)
}

// teller passes on what the agent says of itself.
type teller struct {
	host    *service.Host
	systemd service.Notifier
	log     *slog.Logger
	text    string // for people; written before the first state
}

func (t *teller) tell(s agent.State) {
	var err error
	switch s {
	case agent.Ready:
		if t.host != nil {
			t.host.Ready(t.text)
		}
		err = t.systemd.Ready(t.text)
	case agent.Reloading:
		err = t.systemd.Reloading()
	case agent.Stopping:
		err = t.systemd.Stopping()
	case agent.Alive:
		err = t.systemd.Alive()
	}
	if err != nil {
		t.log.Warn("systemd does not listen", "state", s, "error", err)
	}
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
