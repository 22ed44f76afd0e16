// Package manual writes down the command line: a manual page per command and one
// reference in Markdown. Both come from the model that parses the command line, so that they say
// what the program does. A hidden command or flag is in neither.
package manual

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Commands are those that can be run, in the order of --help.
func Commands(app *kong.Application) []*kong.Node {
	var all []*kong.Node
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, c := range n.Children {
			if c.Hidden {
				continue
			}
			if len(c.Children) == 0 {
				all = append(all, c)
			}
			walk(c)
		}
	}
	walk(app.Node)
	return all
}

// Words is a command as it is typed: "cert new".
func Words(n *kong.Node) string {
	var words []string
	for ; n.Type != kong.ApplicationNode; n = n.Parent {
		words = append([]string{n.Name}, words...)
	}
	return strings.Join(words, " ")
}

// usage is the line that shows how a command is called, without the program.
func usage(n *kong.Node) string {
	line := Words(n)
	told := map[string]bool{}
	for _, f := range flags(n) {
		if !f.Required || told[f.Name] {
			continue
		}
		var one []string
		for _, other := range flags(n) {
			if other == f || other.Required && shareXor(f, other) {
				told[other.Name] = true
				one = append(one, "--"+other.Name+"="+other.FormatPlaceHolder())
			}
		}
		if len(one) > 1 {
			line += " (" + strings.Join(one, " | ") + ")"
		} else {
			line += " " + one[0]
		}
	}
	for _, p := range n.Positional {
		line += " " + argument(p)
	}
	return line + " [flags]"
}

// shareXor says whether only one of two flags may be given.
func shareXor(f, other *kong.Flag) bool {
	return slices.ContainsFunc(f.Xor, func(group string) bool { return slices.Contains(other.Xor, group) })
}

// argument is an argument in a line of usage: FILE..., or [FILE].
func argument(p *kong.Positional) string {
	name := strings.ToUpper(p.Name)
	if p.IsCumulative() {
		name += "..."
	}
	if !p.Required {
		name = "[" + name + "]"
	}
	return name
}

// flags are those of a command itself; --help is none worth a line.
func flags(n *kong.Node) (own []*kong.Flag) {
	for _, f := range n.Flags {
		if !f.Hidden && f.Name != "help" {
			own = append(own, f)
		}
	}
	return own
}

// spelling is a flag as it is typed, and its value: "-c, --config" and "=FILE".
func spelling(f *kong.Flag) (name, value string) {
	name = "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if f.Tag != nil && f.Tag.Negatable != "" {
		name = strings.Replace(name, "--", "--[no-]", 1)
	}
	if f.IsBool() || f.IsCounter() {
		return name, ""
	}
	return name, "=" + f.FormatPlaceHolder()
}
