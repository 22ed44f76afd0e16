// Package completion says how a command line that is being typed can go on. The scripts
// of the shells (Script) only ask: Complete answers from the model that parses the command
// line, so that a new command is completed without a line written for it.
//
// What a word stands for is told by the placeholder of its flag or the name of its argument: FILE
// and DIR are completed by the shell, PARTNER, PRESET and other names by Values.
package completion

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Candidate is a word that could come next, and what it means.
type Candidate struct{ Word, Help string }

// Answer is what could come next. Files or Folders: the shell knows those.
type Answer struct {
	Candidates     []Candidate
	Files, Folders bool
}

// Values names what there is of a kind: "partner", "preset", "shell". The words that were typed
// so far tell which config counts.
type Values func(kind string, words []string) []Candidate

// Complete answers for the words after the program's name, the last of which is being
// typed and may be empty. Bash gives "--to=p" as three words; both forms are understood.
func Complete(app *kong.Application, words []string, values Values) Answer {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	node, pending, position, onlyArguments := app.Node, (*kong.Flag)(nil), 0, false
	for _, w := range words[:len(words)-1] {
		switch {
		case pending != nil && w == "=":
		case pending != nil:
			pending = nil
		case onlyArguments:
			position++
		case w == "--":
			onlyArguments = true
		case len(w) > 1 && w[0] == '-':
			if f := find(node, w); f != nil && !f.IsBool() && !f.IsCounter() && !strings.Contains(w, "=") {
				pending = f
			}
		default:
			if c := child(node, w); c != nil {
				node, position = c, 0
			} else {
				position++
			}
		}
	}
	switch name, value, assigned := strings.Cut(last, "="); {
	case pending != nil:
		if last == "=" {
			last = ""
		}
		return keep(valueOf(pending.Value, pending.PlaceHolder, words, values), last, "")
	case !onlyArguments && assigned && strings.HasPrefix(name, "--"):
		if f := find(node, name); f != nil {
			return keep(valueOf(f.Value, f.PlaceHolder, words, values), value, name+"=")
		}
		return Answer{}
	case !onlyArguments && strings.HasPrefix(last, "-"):
		return keep(Answer{Candidates: options(node)}, last, "")
	case len(node.Children) > 0:
		return keep(Answer{Candidates: commands(node)}, last, "")
	}
	return keep(argument(node, position, words, values), last, "")
}

// keep leaves what begins as the word that is being typed does.
func keep(a Answer, typed, prefix string) Answer {
	a.Candidates = slices.DeleteFunc(a.Candidates, func(c Candidate) bool { return !strings.HasPrefix(c.Word, typed) })
	for i := range a.Candidates {
		a.Candidates[i].Word = prefix + a.Candidates[i].Word
	}
	return a
}

func child(n *kong.Node, word string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == word || slices.Contains(c.Aliases, word) {
			return c
		}
	}
	return nil
}

// find is the flag of a word: --config, --config=FILE or -c.
func find(n *kong.Node, word string) *kong.Flag {
	word, _, _ = strings.Cut(word, "=")
	for _, group := range n.AllFlags(false) {
		for _, f := range group {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func commands(n *kong.Node) (all []Candidate) {
	for _, c := range n.Children {
		if !c.Hidden {
			all = append(all, Candidate{c.Name, c.Help})
		}
	}
	return all
}

func options(n *kong.Node) (all []Candidate) {
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			all = append(all, Candidate{"--" + f.Name, f.Help})
		}
	}
	return all
}

// argument answers for the argument at a position; the last one may come many times.
func argument(n *kong.Node, position int, words []string, values Values) Answer {
	if len(n.Positional) == 0 {
		return Answer{}
	}
	if position >= len(n.Positional) {
		position = len(n.Positional) - 1
		if !n.Positional[position].IsCumulative() {
			return Answer{}
		}
	}
	a := n.Positional[position]
	return valueOf(a, a.Name, words, values)
}

// valueOf answers for a value by its enumeration, or by what its placeholder or name says.
func valueOf(v *kong.Value, kind string, words []string, values Values) Answer {
	if v.Enum != "" {
		var a Answer
		for _, word := range v.EnumSlice() {
			a.Candidates = append(a.Candidates, Candidate{Word: word})
		}
		return a
	}
	switch kind = strings.ToLower(kind); kind {
	case "":
		return Answer{}
	case "dir", "folder", "target":
		return Answer{Folders: true}
	case "file", "files", "body", "dir|file.pem":
		return Answer{Files: true}
	}
	return Answer{Candidates: values(kind, words)}
}

// Print is an answer as the scripts read it: a line per candidate, with a tab before what
// it means, or one line that says that the shell knows: ":files" or ":folders".
func (a Answer) Print() string {
	var b strings.Builder
	if a.Files {
		b.WriteString(":files\n")
	}
	if a.Folders {
		b.WriteString(":folders\n")
	}
	for _, c := range a.Candidates {
		help, _, _ := strings.Cut(strings.ReplaceAll(c.Help, "\t", " "), "\n")
		b.WriteString(c.Word + "\t" + help + "\n")
	}
	return b.String()
}
