package manual

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/as2drop/as2drop/internal/roff"
)

// Edition is what a page says about when it was written, and what about.
type Edition struct {
	Date    string // of the release: 2026-11-26
	Version string
}

func (e Edition) begin(name string, section int) *roff.Page {
	return roff.New(name, section, e.Date, strings.TrimSpace("as2drop "+e.Version))
}

// PageName is the name of the page of a command, without its section.
func PageName(n *kong.Node) string {
	return strings.TrimSuffix("as2drop-"+strings.ReplaceAll(Words(n), " ", "-"), "-")
}

// Overview is as2drop(1).
func Overview(app *kong.Application, e Edition) string {
	p := e.begin("as2drop", 1)
	p.Section("NAME")
	p.Line("as2drop - an AS2 agent that watches folders")
	p.Section("SYNOPSIS")
	p.Line("as2drop COMMAND [ARGUMENT...] [flags]")
	p.Section("DESCRIPTION")
	p.Text(app.Help)
	p.Section("COMMANDS")
	p.Para("Each has a page of its own, such as as2drop-status(1).")
	for _, n := range Commands(app) {
		p.Term(Words(n), "", n.Help)
	}
	p.Section("ENVIRONMENT")
	p.Term("AS2DROP_CONFIG", "", "The config file of the commands that need one, in place of config.yaml.")
	p.Term("AS2DROP_SERVER", "", "The address of a console: the commands that can then ask the agent there, and not the ledger of this machine, as with --server.")
	p.Term("AS2DROP_TOKEN", "", "The token for that agent.")
	p.Term("AS2DROP_SERVER_CA", "", "Certificates that the one of that agent is trusted by, as with --server-ca.")
	p.Term("AS2DROP_PASSWORD", "", "The passphrase of PKCS#12 files.")
	p.Section("FILES")
	p.Term("/etc/as2drop/config.yaml", "", "The config of an agent that was installed as a package: as2drop-config(5).")
	p.Term("/var/lib/as2drop", "", "Its ledger and the folders of partners.")
	p.Section("SEE ALSO")
	p.Line("as2drop-config(5)")
	return p.String()
}

// Page is the page of one command.
func Page(n *kong.Node, e Edition) string {
	p := e.begin(PageName(n), 1)
	p.Section("NAME")
	help, _ := strings.CutSuffix(n.Help, ".")
	p.Line(PageName(n) + " - " + strings.ToLower(help[:1]) + help[1:])
	p.Section("SYNOPSIS")
	p.Line("as2drop " + usage(n))
	if n.Detail != "" {
		p.Section("DESCRIPTION")
		p.Text(n.Detail)
	}
	if len(n.Positional) > 0 {
		p.Section("ARGUMENTS")
		for _, a := range n.Positional {
			p.Term(argument(a), "", a.Help)
		}
	}
	if own := flags(n); len(own) > 0 {
		p.Section("OPTIONS")
		for _, f := range own {
			name, value := spelling(f)
			p.Term(name, value, f.Help)
		}
	}
	p.Section("SEE ALSO")
	p.Line("as2drop(1), as2drop-config(5)")
	return p.String()
}
