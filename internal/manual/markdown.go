package manual

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Markdown is the reference of all commands.
func Markdown(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# The commands\n\nGenerated from the command line itself (`go test ./cmd/as2drop -run Reference -update`). `as2drop COMMAND --help` says the same, and so does `man as2drop-COMMAND`.\n\n")
	b.WriteString(strings.TrimSpace(app.Help) + "\n\n| command | |\n|---|---|\n")
	all := Commands(app)
	for _, n := range all {
		anchor := "as2drop-" + strings.ReplaceAll(Words(n), " ", "-")
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", Words(n), anchor, cell(n.Help))
	}
	for _, n := range all {
		markdown(&b, n)
	}
	return b.String()
}

func markdown(b *strings.Builder, n *kong.Node) {
	fmt.Fprintf(b, "\n## as2drop %s\n\n%s\n\n```\nas2drop %s\n```\n", Words(n), n.Help, usage(n))
	if n.Detail != "" {
		b.WriteString("\n" + fenced(n.Detail))
	}
	own := flags(n)
	if len(n.Positional)+len(own) == 0 {
		return
	}
	b.WriteString("\n| | |\n|---|---|\n")
	for _, p := range n.Positional {
		fmt.Fprintf(b, "| `%s` | %s |\n", argument(p), cell(p.Help))
	}
	for _, f := range own {
		name, value := spelling(f)
		fmt.Fprintf(b, "| `%s%s` | %s |\n", name, strings.ReplaceAll(value, "|", `\|`), cell(f.Help))
	}
}

// fenced puts a fence around the lines that begin with two blanks.
func fenced(text string) string {
	var b strings.Builder
	inside := false
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		rest, example := strings.CutPrefix(line, "  ")
		if example != inside {
			b.WriteString("```\n")
			inside = example
		}
		if example {
			line = rest
		}
		b.WriteString(line + "\n")
	}
	if inside {
		b.WriteString("```\n")
	}
	return b.String()
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
