package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/as2drop/as2drop/internal/keys"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"as2drop": main})
}

// keyDir holds key pairs for all scripts; making them is slow.
func keyDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range []keys.Request{{Name: "self"}, {Name: "tls", Hosts: []string{"127.0.0.1"}}, {Name: "other"}} {
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
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				return err
			}
			e.Vars = append(e.Vars, "PORT="+port, "KEYS="+keys)
			e.Vars = append(e.Vars, env...)
			return l.Close()
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
		},
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, params(keyDir(t), "script"))
}
