package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/ledger"
)

type alarmCmd struct {
	Test alarmTestCmd `cmd:"" help:"Send a test message to each receiver, and say what happened on the way."`
	List alarmListCmd `cmd:"" help:"List what is raised, and who was told when."`
	Done alarmDoneCmd `cmd:"" help:"End an alarm that was dealt with."`
}

type alarmTestCmd struct {
	configFlag
	Receiver string `arg:"" optional:"" help:"Only this receiver."`
}

func (c *alarmTestCmd) Help() string {
	return `Sends a message that says that it is a test through each receiver of the config, step by step: name, connection, TLS, login, and whether the message was accepted; and what to do where a step fails. Neither a ledger nor a running agent is needed, and hours of receivers do not count. Whether a mail that was accepted is delivered, the mailbox tells.

Exit codes: 0 everybody was told; 1 somebody was not, or not everybody behind a receiver.

Examples:
  as2drop alarm test
  as2drop alarm test office`
}

func (c *alarmTestCmd) Run(g *globals) error {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	desk, err := agent.AlarmDesk(cfg, nil, slog.New(slog.DiscardHandler), version, g.now)
	if err != nil {
		return err
	}
	if len(desk.Receivers) == 0 {
		return fmt.Errorf("%s names no receivers: nobody is told of anything; docs/alarms.md shows how", cfg.Path)
	}
	tried, failed := 0, 0
	for i := range desk.Receivers {
		r := &desk.Receivers[i]
		if c.Receiver != "" && c.Receiver != r.Name {
			continue
		}
		tried++
		ok, err := tryReceiver(g.out, desk, r)
		if err != nil {
			return err
		}
		if !ok {
			failed++
		}
	}
	switch {
	case tried == 0:
		return fmt.Errorf("%s has no receiver %q", cfg.Path, c.Receiver)
	case failed > 0:
		return fmt.Errorf("%d of %d receivers were not told", failed, tried)
	}
	return nil
}

func tryReceiver(out io.Writer, desk *alarms.Desk, r *alarms.Receiver) (ok bool, err error) {
	m, err := desk.NewTest(r)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "%s: %s\n", r.Name, r.Channel.What())
	err = r.Channel.Send(context.Background(), m, func(s alarms.Step) { fmt.Fprintf(out, "  ok      %-10s %s\n", s.What, s.Saw) })
	var partly *alarms.Partly
	var failure *alarms.Failure
	switch {
	case errors.As(err, &partly):
		failure = &partly.Failure
	case err != nil && !errors.As(err, &failure):
		return false, err
	case err == nil:
		return true, nil
	}
	fmt.Fprintf(out, "  FAILED  %-10s %s\n", failure.Step, failure.Fact)
	if failure.Hint != "" {
		fmt.Fprintf(out, "          -> %s\n", failure.Hint)
	}
	return false, nil
}

type alarmListCmd struct {
	configFlag
	All  bool `help:"Also the latest that are over."`
	JSON bool `help:"As JSON."`
}

func (c *alarmListCmd) Help() string {
	return `What is raised now, since when, how often it was met, and how far each receiver was told; and which receivers cannot be told. What is over is kept for 30 days.

Examples:
  as2drop alarm list
  as2drop alarm list --all --json`
}

// alarmRow is an alarm with who was told of it.
type alarmRow struct {
	ledger.RaisedAlarm
	Told []ledger.ToldAlarm `json:"told"`
}

// alarmList is all that there is to say.
type alarmList struct {
	Alarms    []alarmRow             `json:"alarms"`
	Receivers []ledger.AlarmReceiver `json:"receivers"`
}

// pastAlarms is how many of those that are over are listed.
const pastAlarms = 100

func (c *alarmListCmd) Run(g *globals) error {
	cfg, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // nothing was written
	list := alarmList{Alarms: []alarmRow{}, Receivers: []ledger.AlarmReceiver{}}
	err = i.Ledger().View(context.Background(), func(tx *ledger.Tx) error { return list.read(tx, c.All) })
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, list)
	}
	return list.print(g, cfg)
}

func (l *alarmList) read(tx *ledger.Tx, all bool) error {
	rows, err := tx.LiveAlarms()
	if err != nil {
		return err
	}
	var open []ledger.RaisedAlarm
	for _, a := range rows {
		if a.Over.IsZero() {
			open = append(open, a)
		}
	}
	if all {
		past, err := tx.PastAlarms(pastAlarms)
		if err != nil {
			return err
		}
		open = append(open, past...)
	}
	for _, a := range open {
		told, err := tx.ToldOf(a.ID)
		if err != nil {
			return err
		}
		l.Alarms = append(l.Alarms, alarmRow{a, append([]ledger.ToldAlarm{}, told...)})
	}
	receivers, err := tx.AlarmReceivers()
	l.Receivers = append(l.Receivers, receivers...)
	return err
}

func (l *alarmList) print(g *globals, cfg *config.Config) error {
	if len(cfg.Alarms.Receivers) == 0 {
		fmt.Fprintf(g.out, "%s names no receivers: nobody is told of anything; as2drop status says what is wrong\n", cfg.Path)
		return nil
	}
	if len(l.Alarms) == 0 {
		fmt.Fprintln(g.out, "nothing is raised")
	} else {
		lines := [][]string{{"ID", "LEVEL", "PARTNER", "CODE", "SINCE", "OVER", "COUNT", "TOLD", "WHAT"}}
		for _, a := range l.Alarms {
			lines = append(lines, []string{a.ID, string(a.Level), a.Partner, a.Code, when(a.Since), when(a.Over), fmt.Sprint(a.Count), toldText(a.Told), a.Text})
		}
		if err := table(g.out, lines); err != nil {
			return err
		}
	}
	for _, r := range l.Receivers {
		if !r.Failing.IsZero() {
			fmt.Fprintf(g.out, "alarms do not reach %s since %s: %s (%s)\n", r.Name, when(r.Failing), r.Reason, r.Hint)
		}
	}
	if !agent.Running(cfg.DataDir) {
		fmt.Fprintln(g.out, "(no agent is running on this data folder: nobody is told of anything)")
	}
	return nil
}

// toldText says who was told, and when.
func toldText(told []ledger.ToldAlarm) string {
	var who []string
	for _, t := range told {
		at := "under way"
		if !t.Sent.IsZero() {
			at = t.Sent.UTC().Format(time.DateTime)
		}
		who = append(who, t.Receiver+" "+at)
	}
	if who == nil {
		return "nobody"
	}
	return strings.Join(who, ", ")
}

type alarmDoneCmd struct {
	configFlag
	IDs []string `arg:"" help:"Alarms, by the identifiers that list prints."`
}

func (c *alarmDoneCmd) Help() string {
	return `Ends an alarm about something that happened and was dealt with in a way that the agent does not see: a transfer that failed and was sent on paper. Everybody who was told gets the all-clear. An alarm about something that lasts ends by itself. It may be used while the agent runs.

Examples:
  as2drop alarm done 06hbz7r8vd5k2mq3np`
}

func (c *alarmDoneCmd) Run(g *globals) error {
	_, i, err := c.inspect(g)
	if err != nil {
		return err
	}
	defer i.Close() // what was done is committed
	for _, id := range c.IDs {
		a, err := alarms.Done(context.Background(), i.Ledger(), id, operator(), g.now())
		if errors.Is(err, ledger.ErrNotFound) {
			return fmt.Errorf("there is no alarm %q; as2drop alarm list shows them", id)
		}
		if err != nil {
			return fmt.Errorf("alarm %s: %w", id, err)
		}
		fmt.Fprintf(g.out, "over: %s %s\n", a.Partner, a.Text)
	}
	return nil
}
