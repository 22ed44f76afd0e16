package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// withMonitors adds the commands for those who watch an agent from outside.
func withMonitors(p testscript.Params) testscript.Params {
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		docs, err := filepath.Abs(filepath.Join("..", "..", "docs"))
		if err != nil {
			return err
		}
		e.Setenv("DOCS", filepath.ToSlash(docs))
		return setup(e)
	}
	// scraped ADDRESS LINE... waits until an agent answers Prometheus with all of the lines.
	p.Cmds["scraped"] = func(ts *testscript.TestScript, _ bool, args []string) {
		eventually(ts, strings.Join(args[1:], ", "), func() bool {
			lines := strings.Split(scrape(args[0]), "\n")
			return !slices.ContainsFunc(args[1:], func(want string) bool { return !slices.Contains(lines, want) })
		})
	}
	// answered ADDRESS FILE... says that an agent answers every metric that the files name.
	p.Cmds["answered"] = func(ts *testscript.TestScript, _ bool, args []string) {
		answer := scrape(args[0])
		for _, file := range args[1:] {
			names := regexp.MustCompile(`\b(?:as2drop|go|process)_[a-z_]+[a-z]\b`).FindAllString(ts.ReadFile(file), -1)
			if len(names) < 8 {
				ts.Fatalf("%s names %d metrics", file, len(names))
			}
			for _, name := range names {
				if !strings.Contains(answer, "\n"+name+"{") && !strings.Contains(answer, "\n"+name+" ") {
					ts.Fatalf("%s: the agent does not answer %s\n%s", file, name, answer)
				}
			}
		}
	}
	// jsonlines N MESSAGE PATTERN says that every line of the matching files is JSON with a
	// time and a level, and that N of them have the message.
	p.Cmds["jsonlines"] = func(ts *testscript.TestScript, _ bool, args []string) {
		files, err := filepath.Glob(ts.MkAbs(args[2]))
		ts.Check(err)
		found := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			ts.Check(err)
			for line := range strings.Lines(string(text)) {
				var l struct{ Time, Level, Msg string }
				if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time == "" || l.Level == "" || l.Msg == "" {
					ts.Fatalf("%s: %q: %v", file, line, err)
				}
				if l.Msg == args[1] {
					found++
				}
			}
		}
		if strconv.Itoa(found) != args[0] {
			ts.Fatalf("%d lines %q in %v, want %s", found, args[1], files, args[0])
		}
	}
	// says FILE TEXT waits until a file, which may not be there yet, holds a text.
	p.Cmds["says"] = func(ts *testscript.TestScript, _ bool, args []string) {
		eventually(ts, args[1], func() bool {
			text, err := os.ReadFile(ts.MkAbs(args[0]))
			return err == nil && strings.Contains(string(text), args[1])
		})
	}
	// unzip FOLDER puts each file in place of itself.gz.
	p.Cmds["unzip"] = func(ts *testscript.TestScript, _ bool, args []string) {
		files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.gz"))
		ts.Check(err)
		for _, file := range files {
			f, err := os.Open(file)
			ts.Check(err)
			z, err := gzip.NewReader(f)
			ts.Check(err)
			text, err := io.ReadAll(z)
			ts.Check(errors.Join(err, f.Close(), os.WriteFile(strings.TrimSuffix(file, ".gz"), text, 0o600), os.Remove(file)))
		}
	}
	// drop N FOLDER drops invoices.
	p.Cmds["drop"] = func(ts *testscript.TestScript, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		for i := range n {
			ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[1]), fmt.Sprintf("INV-%d.xml", i)), []byte("<Invoice/>"), 0o600))
		}
	}
	return p
}

// scrape is what an agent answers Prometheus, empty if it does not.
func scrape(address string) string {
	r, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return ""
	}
	body, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != http.StatusOK {
		return ""
	}
	return "\n" + string(body)
}
