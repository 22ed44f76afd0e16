package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/service"
)

type serviceCmd struct {
	Install   serviceInstallCmd   `cmd:"" help:"Make a service of the agent, or bring it up to date with the config."`
	Uninstall serviceUninstallCmd `cmd:"" help:"End the service and remove it. Files stay."`
	Start     serviceStartCmd     `cmd:"" help:"Start the service and wait until it works."`
	Stop      serviceStopCmd      `cmd:"" help:"End the service and wait until it has finished what was under way."`
	Status    serviceStatusCmd    `cmd:"" help:"Tell how the service is."`
	Unit      serviceUnitCmd      `cmd:"" help:"Print the systemd unit that install would write."`
}

// serviceName is shared by all of them.
type serviceName struct {
	Name string `default:"as2drop" help:"The name of the service (${default})." placeholder:"NAME"`
}

// Validate refuses what could be more than a name.
func (s serviceName) Validate() error {
	if s.Name == "" || len(s.Name) > 80 || strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || s.Name[0] == '-' {
		return fmt.Errorf("--name: %q: a service is named with letters, digits, - and _", s.Name)
	}
	return nil
}

// serviceFlags say what is installed.
type serviceFlags struct {
	configFlag
	serviceName
	User         string `help:"The user it runs as. On Windows an account of the service's own unless one is named; elsewhere the user of the service's name." placeholder:"USER"`
	PasswordFile string `help:"On Windows: the file with the password of the user, if it has one." placeholder:"FILE"`
	LogFile      string `help:"Where it logs. As the config says under log; without that on Windows as2drop.log in data_dir, with systemd the journal." placeholder:"FILE"`
	LogLevel     string `enum:"debug,info,warn,error," default:"" help:"What to log: debug, info, warn, error. As the config says, or info." placeholder:"LEVEL"`
}

// definition is the service that config and flags describe. A config that does not load
// is refused: a service that cannot start helps nobody.
func (f *serviceFlags) definition(g *globals) (service.Definition, error) {
	var d service.Definition
	file, err := filepath.Abs(f.Config)
	if err != nil {
		return d, err
	}
	f.Config = file // relative paths in it are then absolute, too
	cfg, err := f.load(g)
	if err != nil {
		return d, err
	}
	if d.Program, err = os.Executable(); err != nil {
		return d, err
	}
	log := f.LogFile
	if log == "" && len(cfg.Log) == 0 && runtime.GOOS == "windows" {
		log = filepath.Join(cfg.DataDir, "as2drop.log")
	}
	if log != "" {
		if log, err = filepath.Abs(log); err != nil {
			return d, err
		}
	}
	d.Name, d.Description = f.Name, service.Description
	d.Account, d.Grace = f.User, agent.ShutdownGrace
	if d.Password, err = f.password(); err != nil {
		return d, err
	}
	d.Args = service.Arguments(file, f.LogLevel)
	if log != "" {
		d.Args = append(d.Args, "--log-file", log)
		d.Writable = []string{filepath.Dir(log)}
	}
	if runtime.GOOS == "windows" {
		d.Args = append(d.Args, "--service", f.Name)
	}
	f.reach(&d, cfg)
	return d, nil
}

// reach is what the service must be able to read and write.
func (f *serviceFlags) reach(d *service.Definition, cfg *config.Config) {
	d.Config, d.DataDir, d.Secrets = f.Config, cfg.DataDir, cfg.Secrets
	for _, l := range cfg.Log {
		if l.To == config.ToFile {
			d.Writable = append(d.Writable, filepath.Dir(l.File))
		}
	}
	d.Programs = append(d.Programs, cfg.Alarms.Programs()...)
	for _, p := range cfg.Partners {
		d.Writable = append(d.Writable, p.Folder)
		d.Programs = append(d.Programs, p.Hooks.Programs()...)
		d.SetGID = d.SetGID || p.Access.DirMode&fs.ModeSetgid != 0
	}
	for file := range cfg.Files {
		if file != f.Config && !slices.Contains(cfg.Secrets, file) {
			d.Readable = append(d.Readable, file)
		}
	}
	slices.Sort(d.Readable)
	for _, l := range cfg.Listen {
		_, port, _ := net.SplitHostPort(l.Address) // config has read it already
		n, _ := strconv.Atoi(port)
		d.LowPorts = d.LowPorts || n > 0 && n < 1024
	}
}

func (f *serviceFlags) password() (string, error) {
	if f.PasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(f.PasswordFile)
	return strings.TrimRight(string(b), "\r\n"), err
}

type serviceInstallCmd struct{ serviceFlags }

func (c *serviceInstallCmd) Help() string {
	return `On Windows: a service that starts with the machine, is started again when it fails (after 5 seconds, 30 seconds, then every 5 minutes), logs into a file and writes warnings and alarms into the event log. It runs as an account of its own (NT SERVICE\NAME), which is given the data folder, the keys and the partners' folders, and no other right. On a share that account is the machine: give DOMAIN\MACHINE$ the right there, or name a user.

With systemd: a unit that may write the data folder and the partners' folders and little else. See what it would be with: as2drop service unit

Install it anew when data_dir, the folder of a partner or a port changes. docs/windows.md and docs/linux.md tell more.

Example:
  as2drop service install -c C:/ProgramData/as2drop/config.yaml`
}

func (c *serviceInstallCmd) Run(g *globals) error {
	d, err := c.definition(g)
	if err != nil {
		return err
	}
	notes, err := service.Install(d)
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "the service %s is installed\n", d.Name)
	for _, n := range notes {
		fmt.Fprintf(g.out, "  %s\n", n)
	}
	fmt.Fprintf(g.out, "start it with: as2drop service start%s\n", named(d.Name))
	return nil
}

// named is the flag that other commands need for a service of another name.
func named(name string) string {
	if name == "as2drop" {
		return ""
	}
	return " --name " + name
}

type serviceUnitCmd struct{ serviceFlags }

func (c *serviceUnitCmd) Run(g *globals) error {
	if runtime.GOOS == "windows" {
		return errors.New("systemd is for Linux; on Windows use: as2drop service install")
	}
	d, err := c.definition(g)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(g.out, service.Unit(d))
	return err
}

// serviceWait is shared by those that wait.
type serviceWait struct {
	serviceName
	Wait time.Duration `default:"2m" help:"How long to wait (${default})."`
}

// do asks something of the service and says what came of it.
func (w serviceWait) do(g *globals, ask func(context.Context, string) error, done string) error {
	ctx, stop := context.WithTimeout(context.Background(), w.Wait)
	defer stop()
	if err := ask(ctx, w.Name); err != nil {
		return err
	}
	fmt.Fprintf(g.out, "the service %s %s\n", w.Name, done)
	return nil
}

type serviceUninstallCmd struct{ serviceWait }

func (c *serviceUninstallCmd) Run(g *globals) error {
	return c.do(g, service.Uninstall, "is gone; files and rights stay")
}

type serviceStartCmd struct{ serviceWait }

func (c *serviceStartCmd) Run(g *globals) error { return c.do(g, service.Start, "runs") }

type serviceStopCmd struct{ serviceWait }

func (c *serviceStopCmd) Run(g *globals) error { return c.do(g, service.Stop, "has ended") }

type serviceStatusCmd struct {
	serviceName
	JSON bool `help:"As JSON."`
}

func (c *serviceStatusCmd) Help() string {
	return `How the system sees the service. What the agent is doing is shown by as2drop ls.

Exit codes: 0 it runs; 1 it does not, or there is no such service.`
}

func (c *serviceStatusCmd) Run(g *globals) error {
	st, err := service.Query(context.Background(), c.Name)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(g.out, st)
	} else {
		rows := [][]string{{"state", st.State}}
		for _, row := range [][]string{{"", st.Text}, {"start", st.Start}, {"account", st.Account}, {"command", st.Command}} {
			if row[1] != "" {
				rows = append(rows, row)
			}
		}
		if st.PID != 0 {
			rows = append(rows, []string{"process", strconv.Itoa(st.PID)})
		}
		err = table(g.out, rows)
	}
	if err == nil && st.State != "running" {
		err = errSilent
	}
	return err
}
