package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
)

type statusCmd struct {
	configFlag
	serverFlags
	Partner string `arg:"" optional:"" help:"Only this partner."`
	JSON    bool   `help:"As JSON."`
	Alive   bool   `help:"Only whether the agent runs and gets on, for health checks: partners that fail are no reason to start it anew."`
}

func (c *statusCmd) Help() string {
	return `How the running agent is, as it sees itself now: each partner with what waits and since when it fails, and every problem with what to do: a folder that is not there or whose files are not taken, a worker that was started again, a certificate that expires, a volume that fills up, a config that was not taken.

Exit codes: 0 all is well, warnings included; 2 the config is wrong; 3 there is an alarm, or no agent runs. With --alive alarms do not count.

Examples:
  as2drop status
  as2drop status acme
  as2drop status --json`
}

func (c *statusCmd) Run(g *globals) error {
	r, err := c.remote()
	if err != nil {
		return err
	}
	if r != nil {
		var s status.Status
		if err := r.get("/status", nil, &s); err != nil {
			return err
		}
		return c.tell(g, s, r.clock(g.now()), func() error { return nil })
	}
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	if !agent.Running(cfg.DataDir) {
		s, err := status.Read(cfg.DataDir)
		return c.notRunning(g, cfg, s, err == nil)
	}
	s, err := status.Ask(cfg.DataDir, 5*time.Second)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the agent has just been started and has not looked how it is; ask again in a moment")
	case err != nil:
		return err
	}
	return c.tell(g, s, g.now(), func() error { return printRollovers(g, cfg) })
}

// tell prints a status, and what more there is to say to people. now is by the clock of the
// agent.
func (c *statusCmd) tell(g *globals, s status.Status, now time.Time, more func() error) (err error) {
	if c.Partner != "" {
		if s, err = c.only(s); err != nil {
			return err
		}
	}
	hangs := s.Hangs(now)
	if c.Alive {
		s.Problems = nil
		if !hangs && !c.JSON {
			fmt.Fprintf(g.out, "as2drop %s runs since %s, process %d\n", s.Version, when(s.Started), s.PID)
			return nil
		}
	}
	if c.JSON {
		err = printJSON(g.out, s)
	} else {
		err = errors.Join(c.print(g, s, hangs), more())
	}
	if err == nil && (hangs || s.Alarm()) {
		err = exit{exitFindings, errSilent}
	}
	return err
}

// only leaves one partner in a status.
func (c *statusCmd) only(s status.Status) (status.Status, error) {
	one := s
	one.Partners, one.Problems = nil, nil
	for _, p := range s.Partners {
		if p.Name == c.Partner {
			one.Partners = append(one.Partners, p)
		}
	}
	for _, p := range s.Problems {
		if p.Partner == c.Partner || p.Partner == "" {
			one.Problems = append(one.Problems, p)
		}
	}
	if one.Partners == nil {
		return one, fmt.Errorf("the running agent has no partner %q; %s is its config", c.Partner, s.Config)
	}
	return one, nil
}

// notRunning says what there is to say without an agent.
func (c *statusCmd) notRunning(g *globals, cfg *config.Config, s status.Status, known bool) error {
	if c.JSON {
		if err := printJSON(g.out, map[string]any{"running": false}); err != nil {
			return err
		}
		return exit{exitFindings, errSilent}
	}
	fmt.Fprintln(g.out, "no agent is running on "+cfg.DataDir+": nothing is sent or received; start it with: as2drop service start, or where it is no service: as2drop run")
	if known {
		fmt.Fprintf(g.out, "the last one was seen at %s\n", when(s.At))
	}
	open, err := openTransfers(cfg)
	if err != nil {
		return err
	}
	if open > 0 {
		fmt.Fprintf(g.out, "%d transfers wait for it; as2drop ls shows them\n", open)
	}
	return exit{exitFindings, errSilent}
}

// openTransfers are those without verdict, of all partners of the config.
func openTransfers(cfg *config.Config) (n int, err error) {
	i, err := agent.Inspect(context.Background(), cfg)
	if err != nil {
		return 0, err
	}
	defer i.Close() // nothing was written
	for _, p := range cfg.Partners {
		load, err := i.Load(context.Background(), p.Name)
		if err != nil {
			return 0, err
		}
		n += load.Open
	}
	return n, nil
}

// printPolled tells whose outboxes are polled, with a line for each reason.
func printPolled(out io.Writer, s status.Status) {
	const most = 5
	names := map[string][]string{}
	for _, p := range s.Partners {
		if p.Polled != "" {
			names[p.Polled] = append(names[p.Polled], p.Name)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(names)) {
		who := names[why]
		text := strings.Join(who[:min(most, len(who))], ", ")
		if len(who) > most {
			text += fmt.Sprintf(" and %d more", len(who)-most)
		}
		fmt.Fprintf(out, "polled, not watched: %s: %s\n", text, why)
	}
}

// printRollovers tells which certificates of ours come into use, and who was told.
func printRollovers(g *globals, cfg *config.Config) error {
	_, lines, err := rollovers(cfg, g.now())
	for _, line := range lines {
		fmt.Fprintln(g.out, line)
	}
	return err
}

func (c *statusCmd) print(g *globals, s status.Status, hangs bool) error {
	fmt.Fprintf(g.out, "as2drop %s runs since %s, process %d\n", s.Version, when(s.Started), s.PID)
	if hangs {
		fmt.Fprintf(g.out, "ALARM: it has not looked after itself since %s: it hangs, or the data folder cannot be written; see its log, and start it again\n", when(s.At))
	}
	where := "nothing is received"
	if len(s.Listening) > 0 {
		where = "listening on " + strings.Join(s.Listening, ", ")
	}
	fmt.Fprintf(g.out, "%s; config %s, taken %s; %d MiB free\n\n", where, s.Config, when(s.Taken), s.Free>>20)
	lines := [][]string{{"PARTNER", "STATE", "SINCE", "IN OUTBOX", "OPEN", "HELD", "LAST FILED", "LAST RECEIVED"}}
	for _, p := range s.Partners {
		lines = append(lines, []string{p.Name, p.State, when(p.Since), strconv.Itoa(p.Files), strconv.Itoa(p.Open), strconv.Itoa(p.Held), when(p.LastFiled), when(p.LastReceived)})
	}
	if err := table(g.out, lines); err != nil {
		return err
	}
	fmt.Fprintln(g.out)
	printPolled(g.out, s)
	for _, p := range s.Problems {
		fmt.Fprintln(g.out, p)
	}
	if len(s.Problems) == 0 {
		fmt.Fprintln(g.out, "all is well")
	}
	return nil
}
