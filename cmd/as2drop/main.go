// Command as2drop is an AS2 agent that watches folders: what is dropped into a
// partner's outbox is sent over AS2 and filed by the partner's receipt; what partners
// send is unpacked into their inboxes.
//
// Exit codes: 0 done; 1 it did not work; 2 the command line or the config is wrong;
// 3 check found something, status has an alarm, try found what would not be sent, or inspect
// or verify did not find what was hoped for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	_ "time/tzdata" // schedules name zones that bare machines and Windows do not have

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // authorities where the system has none at all, as in a container

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
)

const (
	exitFailed   = 1
	exitUsage    = 2
	exitFindings = 3
)

// cli is the command line; each command has a file of its own.
type cli struct {
	Run        runCmd        `cmd:"" help:"Run the agent."`
	Init       initCmd       `cmd:"" help:"Write a commented config, keys and folders for a new set-up."`
	Demo       demoCmd       `cmd:"" help:"Show the whole job between two agents on this machine."`
	Check      checkCmd      `cmd:"" help:"Check the config, and the ledger against the folders."`
	Status     statusCmd     `cmd:"" help:"Say how the running agent is, and what is wrong."`
	Alarm      alarmCmd      `cmd:"" help:"Show what is raised and who was told, and try the receivers."`
	Backup     backupCmd     `cmd:"" help:"Save a copy of the ledger, also while the agent runs."`
	Ls         lsCmd         `cmd:"" help:"List what waits, and for what."`
	Try        tryCmd        `cmd:"" help:"Say what would become of files, before they are dropped."`
	Schedule   scheduleCmd   `cmd:"" help:"Print when what will happen next."`
	Show       showCmd       `cmd:"" help:"Tell the whole story of a transfer or received message."`
	Retry      retryCmd      `cmd:"" help:"Send a failed transfer again, or a waiting one now."`
	Hold       holdCmd       `cmd:"" help:"Hold a transfer, or everything for a partner."`
	Dismiss    dismissCmd    `cmd:"" help:"Give a transfer up for good."`
	Rerun      rerunCmd      `cmd:"" help:"Run hooks of a transfer or received message again that were given up."`
	Stop       stopCmd       `cmd:"" help:"End a running agent."`
	Release    releaseCmd    `cmd:"" help:"Let a held transfer, or a paused partner, go on."`
	Retention  retentionCmd  `cmd:"" help:"List what retention removes next, and by which rule."`
	Presets    presetsCmd    `cmd:"" help:"List the presets for partners, or show what one sets."`
	Inspect    inspectCmd    `cmd:"" help:"Take a raw AS2 message or receipt apart."`
	Verify     verifyCmd     `cmd:"" help:"Prove from the evidence alone who signed what."`
	Partner    partnerCmd    `cmd:"" help:"Add a partner, exchange details with it, and test the connection."`
	Cert       certCmd       `cmd:"" help:"Make, show and convert certificates and keys."`
	User       userCmd       `cmd:"" help:"Manage who may sign in to the console."`
	Token      tokenCmd      `cmd:"" help:"Manage tokens of programs that use the API."`
	Service    serviceCmd    `cmd:"" help:"Install, start and stop the agent as a service."`
	Config     configCmd     `cmd:"" help:"Say how config.yaml is written."`
	Completion completionCmd `cmd:"" help:"Print what a shell reads to complete as2drop."`
	Complete   completeCmd   `cmd:"" hidden:"" passthrough:""`
	Man        manCmd        `cmd:"" help:"Print the manual page of a command."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// globals is what commands are given.
type globals struct {
	out, err io.Writer
	now      func() time.Time
}

// configFlag is shared by the commands that need a config.
type configFlag struct {
	Config string `short:"c" default:"${config}" env:"AS2DROP_CONFIG" help:"The config file (${default}). Also: $AS2DROP_CONFIG." placeholder:"FILE"`
}

func (f configFlag) load(g *globals) (*config.Config, error) {
	cfg, err := config.Load(f.Config, g.now())
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return cfg, nil
}

// inspect loads the config and opens what it names, to look at.
func (f configFlag) inspect(g *globals) (*config.Config, *agent.Inspector, error) {
	cfg, err := f.load(g)
	if err != nil {
		return nil, nil, err
	}
	i, err := agent.Inspect(context.Background(), cfg)
	return cfg, i, err
}

// exit is an error with an exit code of its own.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string { return e.err.Error() }
func (e exit) Unwrap() error { return e.err }

// errSilent ends with a code after everything was printed already.
var errSilent = errors.New("")

func main() {
	if len(os.Args) > 1 && os.Args[1] != "run" { // the agent sees to it by itself
		collectLate()
	}
	os.Exit(run(os.Args[1:], &globals{out: os.Stdout, err: os.Stderr, now: time.Now}))
}

// run is main with its world as arguments.
func run(args []string, g *globals) int {
	code := -1
	parser := newParser(grammarOf(args), g, configFile(), func(c int) { code = c })
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if code >= 0 {
		return code // --help was printed
	}
	if err != nil {
		fmt.Fprintf(g.err, "as2drop: %v\nas2drop --help shows the commands.\n", err)
		return exitUsage
	}
	err = ctx.Run(g)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintf(g.err, "as2drop: %v\n", err)
	}
	return exitCode(err)
}

// newParser is the command line, or a part of it. file is the config of commands that are given
// none.
func newParser(grammar any, g *globals, file string, ended func(code int)) *kong.Kong {
	parser, err := kong.New(grammar, kong.Name("as2drop"), kong.Description(
		"An AS2 agent that watches folders. Drop a document with its attachments into a partner's outbox; it is sent, and filed under sent or failed by the partner's receipt.\n\n"+
			"Exit codes: 0 done; 1 it did not work; 2 the command line or the config is wrong; 3 check found something, status has an alarm, or what inspect or verify looked at would be refused or proves nothing."),
		kong.Writers(g.out, g.err), kong.Exit(ended), kong.Bind(g), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Vars{"config": file})
	if err != nil {
		panic(err) // the structs above are wrong
	}
	return parser
}

// exitCode is what a program ends with after an error.
func exitCode(err error) int {
	var e exit
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}
