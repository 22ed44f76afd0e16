package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/config"
)

// parseLine says whether the program knows the command line. Only its form is looked at.
func parseLine(words []string) error {
	var c cli
	_, err := newParser(&c, &globals{out: io.Discard, err: io.Discard, now: time.Now}, "config.yaml", func(int) {}).Parse(words)
	return err
}

// partnerKey begins what stands under a partner in the config.
var partnerKey = regexp.MustCompile(`^(as2_version|certificates|trust|server_certificates|client|send|receive|quirks|naming|outbox|inbox|retry|hooks|retention|files|timeouts): `)

// checkInline parses the commands of ours that the running text names. They may leave
// arguments out. What it says of a partner's config is read by the loader.
func checkInline(t *testing.T, page docPage) {
	for _, span := range page.inline {
		checkSpan(t, page, span)
	}
}

func checkSpan(t *testing.T, page docPage, span docInline) {
	if partnerKey.MatchString(span.text) && !strings.Contains(span.text, "...") {
		if err := loadFragment(t.TempDir(), span.text); err != nil {
			t.Errorf("%s:%d: the config does not take %s: %v", page.name, span.line, span.text, err)
		}
		return
	}
	rest, ok := strings.CutPrefix(span.text, "as2drop ")
	if !ok || strings.ContainsAny(rest[:1], "0123456789C") { // a version, or COMMAND
		return
	}
	rest = strings.NewReplacer("[", "", "]", "", "...", "").Replace(rest)
	for _, words := range commandLines(docBlock{text: "as2drop " + rest}) {
		err := parseLine(words)
		if err != nil && !strings.HasPrefix(err.Error(), "expected ") && !strings.HasSuffix(err.Error(), `but got "SHELL"`) && !strings.HasPrefix(err.Error(), "missing flags") {
			t.Errorf("%s:%d: %s: %v", page.name, span.line, span.text, err)
		}
	}
}

// commandLines finds the command lines of ours in a block for a shell, without the name
// of the program.
func commandLines(b docBlock) [][]string {
	var all [][]string
	text := strings.NewReplacer("\\\n", " ", "^\n", " ").Replace(b.text)
	for line := range strings.Lines(text) {
		for _, words := range simpleCommands(strings.TrimPrefix(strings.TrimSpace(line), "$ ")) {
			all = append(all, ours(words)...)
		}
	}
	return all
}

var (
	cronFields = regexp.MustCompile(`^([0-9*/,-]+\s+){5}\S+\s+`)
	program    = regexp.MustCompile(`^(.*[/\\])?as2drop(\.exe)?$`)
)

// ours finds what a simple command has the program do, also within a text for another
// shell.
func ours(words []string) [][]string {
	for len(words) > 0 && (words[0] == "sudo" || words[0] == "exec" || strings.Contains(words[0], "=")) {
		words = words[1:]
	}
	if len(words) > 0 && program.MatchString(words[0]) {
		return [][]string{words[1:]}
	}
	var all [][]string
	for _, w := range words {
		if strings.Contains(w, "as2drop ") || strings.Contains(w, `as2drop.exe" `) {
			all = append(all, commandLines(docBlock{text: w})...)
		}
	}
	return all
}

// simpleCommands takes a line of a shell apart: at && || ; | and &, without what stands
// behind a # and without redirections.
func simpleCommands(line string) [][]string {
	line = cronFields.ReplaceAllString(line, "")
	var all [][]string
	var words []string
	var word strings.Builder
	quote, begun := rune(0), false
	flush := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\\' && i+1 < len(runes) && runes[i+1] == '"': // both shells write it so
			word.WriteRune('"')
			begun = true
			i++
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, begun = r, true
		case r == '#' && !begun:
			i = len(runes)
		case r == '&' || r == '|' || r == ';':
			flush()
			all, words = append(all, words), nil
		case r == '>' || r == '<':
			flush()
			all, words = append(all, words), nil
		case r == ' ' || r == '\t':
			flush()
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	flush()
	return append(all, words)
}

// notHere is what a config names and this machine does not have.
var notHere = regexp.MustCompile(`does not exist \(paths are relative|there is no group "`)

// loadFragment reads YAML of a page as the config, or as what stands under a partner,
// with what it lacks filled in. Files that it names need not be there.
func loadFragment(dir, text string) error {
	var asPartner yaml.Node
	err := loadWhole(dir, text)
	if err == nil {
		return nil
	}
	if yaml.Unmarshal([]byte(text), &asPartner) == nil && loadWhole(dir, "partners:\n  acme:\n    "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")) == nil {
		return nil
	}
	return err
}

func loadWhole(dir, text string) error {
	var node map[string]any
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return err
	}
	fill := func(in map[string]any, name string, value any) map[string]any {
		if in == nil {
			in = map[string]any{}
		}
		if in[name] == nil {
			in[name] = value
		}
		return in
	}
	key := []any{map[string]any{"certificate": "a.pem", "key": "a.key"}}
	node = fill(node, "listen", []any{map[string]any{"address": "127.0.0.1:8443", "certificate": "tls.pem", "key": "tls.key"}})
	node = fill(node, "stations", map[string]any{})
	stations, _ := node["stations"].(map[string]any)
	partners, _ := node["partners"].(map[string]any)
	for name, p := range partners {
		partner, ok := p.(map[string]any)
		if !ok && p != nil {
			continue
		}
		partner = fill(partner, "as2_id", name)
		partner = fill(partner, "station", "main")
		partner = fill(partner, "certificates", "partner.pem")
		if station, ok := partner["station"].(string); ok && stations != nil {
			stations = fill(stations, station, map[string]any{"as2_id": "SELF-" + station, "keys": key})
		}
		partners[name] = partner
	}
	if len(stations) == 0 && stations != nil {
		stations["main"] = map[string]any{"as2_id": "SELF", "keys": key}
	}
	out, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		return err
	}
	_, err = config.Load(file, time.Now())
	var mistakes config.Errors
	if !errors.As(err, &mistakes) {
		return err
	}
	mistakes = slices.DeleteFunc(mistakes, func(e config.Error) bool { return notHere.MatchString(e.Error()) })
	if len(mistakes) == 0 {
		return nil
	}
	return fmt.Errorf("%w\nin\n%s", mistakes, out)
}

// texts are the literal pieces that the program prints.
type texts []string

var verb = regexp.MustCompile(`%[-+# 0]*[0-9.*]*[a-zA-Z]`)

// sourceTexts reads the string literals of all of our code, cut at the verbs of fmt.
var sourceTextsOnce = sync.OnceValues(func() (texts, error) {
	var all texts
	err := filepath.WalkDir(docRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, verb.Split(strings.ReplaceAll(s, "%%", "%"), -1)...)
				}
			}
			return true
		})
		return nil
	})
	return all, err
})

func sourceTexts(t *testing.T) texts {
	t.Helper()
	all, err := sourceTextsOnce()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lacks returns the first piece of a line, between three dots, that no text holds; "" if
// all are there.
func (t texts) lacks(line string) string {
	for _, part := range strings.Split(line, "...") {
		part = strings.TrimSpace(part)
		if part != "" && !slices.ContainsFunc(t, func(s string) bool { return strings.Contains(s, part) }) {
			return part
		}
	}
	return ""
}
