package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker asks somebody at a terminal.
type asker struct {
	in  *bufio.Reader
	out io.Writer
}

// question is one that has an answer right away: each answer is checked at once, and asked
// for again until it is right.
type question struct {
	what    string // such as AS2 ID
	explain string // in one line
	def     string // what an empty answer means
	none    bool   // an empty answer is one
	// check says what there is to know of an answer, or what is wrong with it.
	check func(answer string) (note string, err error)
}

// terminal is an asker if somebody sits there, nil if nobody does.
func terminal(g *globals) *asker {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	return &asker{bufio.NewReader(os.Stdin), g.out}
}

// ask returns an answer that passed its check.
func (a *asker) ask(q question) (string, error) {
	fmt.Fprintf(a.out, "\n%s\n", q.explain)
	for {
		prompt := q.what
		switch {
		case q.def != "":
			prompt += " [" + q.def + "]"
		case q.none:
			prompt += " [none]"
		}
		fmt.Fprint(a.out, prompt+": ")
		line, err := a.in.ReadString('\n')
		if err != nil && (!errors.Is(err, io.EOF) || line == "") {
			fmt.Fprintln(a.out)
			return "", errors.New("no answer came; nothing was changed")
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			answer = q.def
		}
		if answer == "" && !q.none {
			fmt.Fprintln(a.out, "  It is needed.")
			continue
		}
		note, err := q.check(answer)
		if err != nil {
			fmt.Fprintf(a.out, "  That does not do: %v\n", err)
			continue
		}
		if note != "" {
			fmt.Fprintln(a.out, "  "+strings.ReplaceAll(note, "\n", "\n  "))
		}
		return answer, nil
	}
}

// yes asks whether to go on.
func (a *asker) yes(what string) (bool, error) {
	fmt.Fprintf(a.out, "\n%s [y/N]: ", what)
	line, err := a.in.ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(a.out)
		return false, errors.New("no answer came; nothing was changed")
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// errNoTerminal says that nobody can be asked.
var errNoTerminal = errors.New("there is no terminal")

// typed asks for a secret, which is not shown; for a new one twice. kind is what such secrets are
// called.
func typed(g *globals, what, kind string, isNew bool) (string, error) {
	stdin := int(os.Stdin.Fd())
	if !term.IsTerminal(stdin) {
		return "", errNoTerminal
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(g.err, prompt+": ")
		p, err := term.ReadPassword(stdin)
		fmt.Fprintln(g.err)
		return string(p), err
	}
	p, err := ask(what)
	if err != nil || !isNew {
		return p, err
	}
	again, err := ask("Once more")
	if err == nil && again != p {
		err = fmt.Errorf("the two %s differ; nothing was written", kind)
	}
	return p, err
}
