package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docRoot is the top of the repository as the tests see it.
var docRoot = filepath.Join("..", "..")

// docBlock is a fenced block of a page, or a comment with lines for testscript.
type docBlock struct {
	line     int    // of the fence
	language string // the first word behind the fence; script for a comment
	title    string // the file that it shows
	text     string
	notRun   string // why nobody runs it
	wait     bool   // its commands are repeated until they say what is shown
	printed  bool   // its lines are texts of the program
	applied  bool   // it becomes what the config says of the partner acme
	exit     int    // of its last command
}

// docPage is a page of the documentation.
type docPage struct {
	name   string // from the top of the repository
	blocks []docBlock
	inline []docInline // commands in the running text
}

// docInline is a span of code in the running text, or in a table.
type docInline struct {
	line int
	text string
}

var (
	docTitle  = regexp.MustCompile(`title="([^"]+)"`)
	docMark   = regexp.MustCompile(`^<!-- (not run: .+|wait|printed|applied|exit \d+) -->$`)
	docScript = regexp.MustCompile(`^<!-- test$`)
	docSpan   = regexp.MustCompile("`([^`]+)`")
)

// docPages reads every page there is.
func docPages(t *testing.T) []docPage {
	t.Helper()
	names := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(docRoot, "docs"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			name, _ := filepath.Rel(docRoot, path) // both begin with docRoot
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var pages []docPage
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(docRoot, name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := readPage(name, string(text))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	return pages
}

// readPage takes a page apart. A mark that no block follows is a mistake.
func readPage(name, text string) (docPage, error) {
	p := docPage{name: name}
	var marks docBlock
	marked := 0
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		until := ""
		b := marks
		switch {
		case docMark.MatchString(line):
			marks.mark(docMark.FindStringSubmatch(line)[1])
			marked = i + 1
			continue
		case strings.HasPrefix(line, "```"):
			until, b.line = "```", i+1
			info := strings.TrimPrefix(line, "```")
			b.language, _, _ = strings.Cut(info, " ")
			if m := docTitle.FindStringSubmatch(info); m != nil {
				b.title = m[1]
			}
		case docScript.MatchString(line):
			until, b = "-->", docBlock{line: i + 1, language: "script"}
		case line == "":
			continue
		case marks.printed && strings.HasPrefix(line, "|"):
			b.line, b.language = i+1, "table"
			for ; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
				p.spans(i+1, lines[i])
				for _, m := range docSpan.FindAllStringSubmatch(strings.Split(lines[i], "|")[1], -1) {
					b.text += m[1] + "\n"
				}
			}
			p.blocks = append(p.blocks, b)
			marks, marked = docBlock{}, 0
			continue
		default:
			p.spans(i+1, line)
		}
		if until == "" || b.language == "script" {
			if marked > 0 && until == "" {
				return p, fmt.Errorf("%s:%d: a mark that no block follows", name, marked)
			}
		} else {
			marks, marked = docBlock{}, 0
		}
		if until == "" {
			continue
		}
		indent := len(lines[i]) - len(strings.TrimLeft(lines[i], " "))
		first := i + 1
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != until; i++ {
			b.text += strings.TrimPrefix(lines[i], strings.Repeat(" ", indent)) + "\n"
		}
		if i == len(lines) {
			return p, fmt.Errorf("%s:%d: a block without an end", name, first)
		}
		p.blocks = append(p.blocks, b)
	}
	return p, nil
}

// spans notes the code in a line of text.
func (p *docPage) spans(line int, text string) {
	for _, m := range docSpan.FindAllStringSubmatch(text, -1) {
		p.inline = append(p.inline, docInline{line, m[1]})
	}
}

func (b *docBlock) mark(text string) {
	reason, notRun := strings.CutPrefix(text, "not run: ")
	switch {
	case notRun:
		b.notRun = reason
	case text == "wait":
		b.wait = true
	case text == "applied":
		b.applied = true
	case text == "printed":
		b.printed = true
	default:
		_, _ = fmt.Sscanf(text, "exit %d", &b.exit) // docMark has looked
	}
}

// docCommand is a command of a console block with what it prints.
type docCommand struct {
	text string
	want []string
	exit int
}

// commands takes a console block apart: lines that begin with "$ " are typed, those that
// follow them with "> " too, and the others are printed.
func (b docBlock) commands() ([]docCommand, error) {
	var all []docCommand
	for n, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
		last := len(all) - 1
		if typed, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, docCommand{text: typed})
		} else if last < 0 {
			return nil, fmt.Errorf("line %d: something is printed before a command: %s", b.line+1+n, line)
		} else if more, ok := strings.CutPrefix(line, "> "); ok && len(all[last].want) == 0 {
			all[last].text += "\n" + more
		} else {
			all[last].want = append(all[last].want, line)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("line %d: no line begins with $", b.line)
	}
	all[len(all)-1].exit = b.exit
	return all, nil
}
