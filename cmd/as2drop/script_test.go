package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/as2drop/as2drop/internal/keys"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"as2drop": main, "hookprog": hookprog})
}

// keyDir holds key pairs for all scripts; making them is slow.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range []keys.Request{{Name: "self"}, {Name: "tls", Hosts: []string{"127.0.0.1"}}, {Name: "other"}, {Name: "next"}} {
		r.Bits, r.Now = 2048, time.Now()
		if err := keys.Make(r, filepath.Join(dir, r.Name+".pem"), filepath.Join(dir, r.Name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// params are those of every script: a free port, keys, and two commands of our own.
func params(keys, dir string, env ...string) testscript.Params {
	return testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", dir),
		Setup: func(e *testscript.Env) error {
			vectors, err := filepath.Abs(filepath.Join("..", "..", "testdata", "vectors"))
			if err != nil {
				return err
			}
			// With slashes, which every system takes: in a double-quoted text of YAML a backslash
			// would begin an escape.
			e.Vars = append(e.Vars, "KEYS="+filepath.ToSlash(keys), "VECTORS="+filepath.ToSlash(vectors))
			program, err := exec.LookPath("hookprog")
			if err != nil {
				return err
			}
			e.Vars = append(e.Vars, "HOOK="+filepath.ToSlash(program))
			// A day of the week on which nothing is to happen while the script runs.
			e.Vars = append(e.Vars, "OTHERDAY="+time.Now().UTC().AddDate(0, 0, 3).Format("Mon"))
			e.Vars = append(e.Vars, env...)
			for _, name := range []string{"PORT", "PORT2"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				defer l.Close() // only when both are known, so that they differ
				_, port, err := net.SplitHostPort(l.Addr().String())
				if err != nil {
					return err
				}
				e.Vars = append(e.Vars, name+"="+port)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// expand FILE... puts environment variables into files.
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, a := range args {
					text := os.Expand(ts.ReadFile(a), ts.Getenv)
					ts.Check(os.WriteFile(ts.MkAbs(a), []byte(text), 0o600))
				}
			},
			// count N PATTERN says how many files match.
			"count": func(ts *testscript.TestScript, _ bool, args []string) {
				found, err := filepath.Glob(ts.MkAbs(args[1]))
				ts.Check(err)
				if fmt.Sprint(len(found)) != args[0] {
					ts.Fatalf("%s: %d, want %s: %v", args[1], len(found), args[0], found)
				}
			},
			// glob NAME PATTERN puts the only file that matches into a variable.
			"glob": func(ts *testscript.TestScript, _ bool, args []string) {
				found, err := filepath.Glob(ts.MkAbs(args[1]))
				ts.Check(err)
				if len(found) != 1 {
					ts.Fatalf("%s: %v, want one", args[1], found)
				}
				ts.Setenv(args[0], found[0])
			},
			// await [N] PATTERN waits until N files match, or one.
			"await": func(ts *testscript.TestScript, _ bool, args []string) {
				n := 1
				if len(args) > 1 {
					var err error
					n, err = strconv.Atoi(args[0])
					ts.Check(err)
					args = args[1:]
				}
				eventually(ts, args[0]+": such a file", func() bool {
					found, err := filepath.Glob(ts.MkAbs(args[0]))
					ts.Check(err)
					return len(found) >= n
				})
			},
			// listens ADDRESS waits until somebody listens there.
			"listens": func(ts *testscript.TestScript, _ bool, args []string) { awaitListener(ts, args[0]) },
			// post STATUS URL FILE posts header and body as they stand in the file, once
			// somebody listens.
			"post": post,
			// awaitexec TEXT PROGRAM ARGUMENT... runs a program until it prints a text.
			"awaitexec": func(ts *testscript.TestScript, _ bool, args []string) {
				eventually(ts, args[0], func() bool {
					_ = ts.Exec(args[1], args[2:]...) // what it prints counts, not how it ends
					return strings.Contains(ts.ReadFile("stdout"), args[0])
				})
			},
			// holds TEXT PATTERN says that each matching file holds the text, and that there is one.
			"holds": func(ts *testscript.TestScript, neg bool, args []string) {
				found, err := filepath.Glob(ts.MkAbs(args[1]))
				ts.Check(err)
				if len(found) == 0 {
					ts.Fatalf("%s: no such file", args[1])
				}
				for _, f := range found {
					b, err := os.ReadFile(f)
					ts.Check(err)
					if strings.Contains(string(b), args[0]) == neg {
						ts.Fatalf("%s: %q in it: %v\n%s", f, args[0], !neg, b)
					}
				}
			},
			// proven N PATTERN CONFIG says that N folders of evidence hold such a file, and that
			// all of them prove what they say.
			"proven": func(ts *testscript.TestScript, _ bool, args []string) {
				found, err := filepath.Glob(ts.MkAbs(args[1]))
				ts.Check(err)
				if fmt.Sprint(len(found)) != args[0] {
					ts.Fatalf("%s: %d, want %s", args[1], len(found), args[0])
				}
				for _, f := range found {
					ts.Check(ts.Exec("as2drop", "verify", filepath.Dir(f), "-c", args[2]))
				}
			},
			// zip FILE MEMBER... makes a zip, as another program would.
			"zip": func(ts *testscript.TestScript, _ bool, args []string) {
				var buf bytes.Buffer
				z := zip.NewWriter(&buf)
				for _, name := range args[1:] {
					w, err := z.Create(filepath.Base(name))
					ts.Check(err)
					_, err = io.WriteString(w, ts.ReadFile(name))
					ts.Check(err)
				}
				ts.Check(errors.Join(z.Close(), os.WriteFile(ts.MkAbs(args[0]), buf.Bytes(), 0o600)))
			},
		},
	}
}

// eventually waits until something is so, as long as a script may take.
func eventually(ts *testscript.TestScript, what string, f func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("it did not come about: %s", what)
		}
	}
}

func post(ts *testscript.TestScript, _ bool, args []string) {
	head, body, ok := strings.Cut(ts.ReadFile(args[2]), "\n\n")
	if !ok {
		ts.Fatalf("%s has no header", args[2])
	}
	u, err := url.Parse(args[1])
	ts.Check(err)
	awaitListener(ts, u.Host)
	r, err := http.NewRequest(http.MethodPost, args[1], strings.NewReader(strings.ReplaceAll(body, "\n", "\r\n")))
	ts.Check(err)
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header.Add(name, value)
	}
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	text, err := io.ReadAll(answer.Body)
	ts.Check(errors.Join(err, answer.Body.Close()))
	if fmt.Sprint(answer.StatusCode) != args[0] {
		ts.Fatalf("answered %s, want %s: %s", answer.Status, args[0], text)
	}
	ts.Check(os.WriteFile(ts.MkAbs("answer"), text, 0o600))
}

func awaitListener(ts *testscript.TestScript, address string) {
	eventually(ts, "somebody listens on "+address, func() bool {
		c, err := net.Dial("tcp", address)
		return err == nil && c.Close() == nil
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, withMonitors(withAlarms(withHabits(withLedgers(withPartners(params(keyDir(t), "script")))))))
}

// Windows knows no signals, and every script runs there too.
func TestScriptsSendNoSignals(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("..", "..", "testdata", "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, file := range scripts {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "kill -INT") {
				t.Errorf("%s:%d: %s: end an agent with: exec as2drop stop -c CONFIG; what is about the signal itself begins with [!windows]", filepath.Base(file), i+1, line)
			}
		}
	}
}
