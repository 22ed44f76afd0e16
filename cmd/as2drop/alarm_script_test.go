package main

import (
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// withAlarms adds the commands for stories about alarms.
func withAlarms(p testscript.Params) testscript.Params {
	// setfrom NAME REGEXP puts what the group of it found in the last output into a variable.
	p.Cmds["setfrom"] = func(ts *testscript.TestScript, _ bool, args []string) {
		m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
		if m == nil {
			ts.Fatalf("the output does not match %s", args[1])
		}
		ts.Setenv(args[0], m[1])
	}
	// awaittold TEXT FILE waits until a file has a text.
	p.Cmds["awaittold"] = func(ts *testscript.TestScript, _ bool, args []string) {
		eventually(ts, args[0]+" in "+args[1], func() bool {
			b, err := os.ReadFile(ts.MkAbs(args[1]))
			return err == nil && strings.Contains(string(b), args[0])
		})
	}
	return p
}
