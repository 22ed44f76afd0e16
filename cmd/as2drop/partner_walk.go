package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/walk"
	"github.com/as2drop/as2drop/outbox"
)

type partnerTestCmd struct {
	configFlag
	Name  string        `arg:"" name:"partner" help:"The partner."`
	Until string        `enum:"dns,tcp,tls,http,message,receipt" default:"receipt" help:"The last step: dns, tcp, tls, http, message or receipt (${default}). Up to http no message is sent."`
	Wait  time.Duration `default:"5m" help:"How long to wait for a receipt on a connection of its own (${default})."`
	Yes   bool          `short:"y" help:"Send the test message without asking."`
	JSON  bool          `help:"As JSON."`
}

// What a test message is. Whoever sees it at the other end knows that it is none of business.
const (
	trialFile    = "as2drop-connection-test.txt"
	trialSubject = "as2drop connection test, please ignore"
	trialText    = "This is a test of the AS2 connection, sent by an operator with as2drop partner test.\r\nIt is no business document. Please ignore it.\r\n"
)

func (c *partnerTestCmd) Help() string {
	return `Goes the way of a message: the name of the host, a connection, TLS with its certificates, HTTP, a test message, and its receipt with signature and MIC. Each step says what it saw; the one that fails says why, and what to do. It uses what the config says and the same code as real messages, also while an agent runs.

The test message is a small text, ` + trialFile + `, with the subject "` + trialSubject + `". It is signed, encrypted and receipted as agreed with the partner, and does not go through the outbox. Before it is sent you are asked, unless partner or station have the word "test" in their name or AS2 ID, such as acme-test, or with --yes. What was sent and answered is kept below trials/ in the data folder (the last 20 per partner; as2drop verify proves it), and an event says what came of it.

A receipt on a connection of its own (receipt_delivery: async) is taken by the running agent.

Exit codes: 0 it went through; 1 a step failed; 2 the command line or the config is wrong, or nobody could be asked.

Examples:
  as2drop partner test acme
  as2drop partner test acme --until tls
  as2drop partner test acme --yes --json`
}

// walked is the result for machines.
type walked struct {
	Partner   string      `json:"partner"`
	URL       string      `json:"url"`
	Passed    bool        `json:"passed"`
	Steps     []walk.Step `json:"steps"`
	MessageID string      `json:"message_id,omitempty"`
	Evidence  string      `json:"evidence,omitempty"`
}

func (c *partnerTestCmd) Run(g *globals) (err error) {
	cfg, err := c.load(g)
	if err != nil {
		return err
	}
	p, err := findPartner(cfg, c.Name)
	if err != nil {
		return exit{exitUsage, err}
	}
	if err := c.possible(g, cfg, p); err != nil {
		return exit{exitUsage, err}
	}
	trials, err := agent.OpenTrials(cfg, p, version, g.now)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trials.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := walk.Options{URL: p.URL, Client: trials.Client, Has: brings(p), Until: c.Until, Now: g.now,
		Trial: func() (*outbox.Trial, error) { return trials.New(trialFile, trialSubject, trialText) },
		Await: func(ctx context.Context, t *outbox.Trial) error {
			if !c.JSON {
				fmt.Fprintf(g.out, "         the message was taken; waiting up to %v for its receipt\n", c.Wait)
			}
			ctx, stop := context.WithTimeout(ctx, c.Wait)
			defer stop()
			return trials.Await(ctx, t)
		},
	}
	if !c.JSON {
		fmt.Fprintf(g.out, "%s, %s\n\n", p.Name, p.URL)
		o.Tell = func(s walk.Step) { printStep(g, s) }
	}
	steps, trial, passed, err := walk.Walk(ctx, o)
	w := walked{Partner: p.Name, URL: p.URL, Passed: passed, Steps: steps}
	if trial != nil {
		w.MessageID = trial.MessageID
		var kerr error
		w.Evidence, kerr = trials.Keep(trial)
		err = errors.Join(err, kerr)
	}
	if err == nil {
		err = c.record(context.WithoutCancel(ctx), trials, w) // what was sent was sent, though somebody breaks it off
	}
	if err != nil {
		return err
	}
	return c.finish(g, cfg, w)
}

// possible says what stands in the way before anything was tried, and asks whether the
// test message may be sent.
func (c *partnerTestCmd) possible(g *globals, cfg *config.Config, p *config.Partner) error {
	if p.URL == "" {
		return fmt.Errorf("partners.%s has no url: nothing is sent to him", p.Name)
	}
	if c.Until != walk.Message && c.Until != walk.Receipt {
		return nil
	}
	if p.Send.Async && p.Send.Receipt != "none" && c.Until == walk.Receipt && !agent.Running(cfg.DataDir) {
		return fmt.Errorf("receipts of %s come on a connection of their own to %s, and no agent runs that would take them: start it with as2drop run, or say --until message", p.Name, p.Send.ReceiptURL)
	}
	if c.Yes || forTests(p) {
		return nil
	}
	ask := terminal(g)
	if ask == nil {
		return fmt.Errorf("%s with the AS2 ID %q may be a system in production, and there is no terminal to ask at: say --yes to send a test message there, or --until http to send none", p.Name, p.AS2ID)
	}
	ok, err := ask.yes(fmt.Sprintf("%s with the AS2 ID %q may be a system in production. Send it a test message, %s?", p.Name, p.AS2ID, trialFile))
	if err == nil && !ok {
		err = errors.New("nothing was sent; --until http goes as far as that without a message")
	}
	return err
}

// testWord is "test" as a word of a name: Contest and Latest are names of companies.
var testWord = regexp.MustCompile(`(?i)(^|[^a-z])test(s|ing)?($|[^a-z])`)

// forTests reports whether names say that something is for tests.
func forTests(p *config.Partner) bool {
	return slices.ContainsFunc([]string{p.Name, p.AS2ID, p.StationName, p.Station.AS2ID}, testWord.MatchString)
}

// brings is what the config has us bring along.
func brings(p *config.Partner) walk.Has {
	h := walk.Has{Pinned: len(p.Server), Connect: p.Timeouts.Connect}
	if p.Client.Identity != nil {
		h.Identity = p.Client.Identity.Certificate
	}
	switch {
	case p.Client.Bearer != "":
		h.Credentials = "a bearer token"
	case p.Client.Login.User != "":
		h.Credentials = fmt.Sprintf("user %q with his password", p.Client.Login.User)
	}
	return h
}

func findPartner(cfg *config.Config, name string) (*config.Partner, error) {
	if p := cfg.Partner(name); p != nil {
		return p, nil
	}
	return nil, noPartner(cfg, name)
}

// noPartner says that there is no such partner, and which there are.
func noPartner(cfg *config.Config, name string) error {
	var names []string
	for _, p := range cfg.Partners {
		names = append(names, p.Name)
	}
	return fmt.Errorf("%s has no partner %q; there are: %s", cfg.Path, name, someNames(names))
}

func printStep(g *globals, s walk.Step) {
	fmt.Fprintf(g.out, "%-8s %s\n", s.Name, s.State)
	for _, line := range s.Saw {
		fmt.Fprintf(g.out, "         %s\n", line)
	}
	for _, line := range s.Warnings {
		fmt.Fprintf(g.out, "         attention: %s\n", line)
	}
	if s.State == walk.Failed {
		fmt.Fprintf(g.out, "\n         Cause:  %s\n", s.Cause)
		if s.Remedy != "" {
			fmt.Fprintf(g.out, "         Remedy: %s\n", s.Remedy)
		}
	}
}

// record leaves an event.
func (c *partnerTestCmd) record(ctx context.Context, trials *agent.Trials, w walked) error {
	last := w.Steps[len(w.Steps)-1]
	by := "tested by " + operator()
	if w.Passed {
		return trials.Record(ctx, true, fmt.Sprintf("%s: %s: all steps up to %s went well%s", w.Partner, by, last.Name, whereKept(w)), "")
	}
	return trials.Record(ctx, false, fmt.Sprintf("%s: %s: %s failed: %s%s", w.Partner, by, last.Name, last.Cause, whereKept(w)), last.Remedy)
}

// whereKept says where the evidence is.
func whereKept(w walked) string {
	if w.Evidence == "" {
		return ""
	}
	return fmt.Sprintf("; Message-ID %s, evidence in %s", w.MessageID, w.Evidence)
}

func (c *partnerTestCmd) finish(g *globals, cfg *config.Config, w walked) error {
	var err error
	switch {
	case c.JSON:
		err = printJSON(g.out, w)
	default:
		fmt.Fprintln(g.out)
		if w.Evidence != "" {
			fmt.Fprintf(g.out, "Evidence: %s\n", w.Evidence)
		}
		switch last := w.Steps[len(w.Steps)-1]; {
		case w.Passed && last.Name == walk.Receipt:
			fmt.Fprintf(g.out, "Everything went well: documents in %s's outbox will be sent.\n", w.Partner)
		case w.Passed:
			fmt.Fprintf(g.out, "All went well up to %s; what comes behind it was not tried.\n", last.Name)
		default:
			fmt.Fprintf(g.out, "It ended at %s. Mend that, then: as2drop partner test %s%s\n", last.Name, w.Partner, configArg(cfg))
		}
	}
	if err == nil && !w.Passed {
		err = exit{exitFailed, errSilent}
	}
	return err
}
