package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // what other programs on the machine use
)

type holdersKey struct{}

// withLedgers adds the commands for what happens to ledgers.
func withLedgers(p testscript.Params) testscript.Params {
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		holders := map[string]func() error{}
		e.Values[holdersKey{}] = holders
		e.Defer(func() {
			for _, letGo := range holders {
				_ = letGo() // the script has failed already
			}
		})
		return setup(e)
	}
	// garble FILE N overwrites every N-th block of 4 KiB, but the first three.
	p.Cmds["garble"] = func(ts *testscript.TestScript, _ bool, args []string) {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		ts.Check(err)
		var n int
		_, err = fmt.Sscan(args[1], &n)
		ts.Check(err)
		for block := 3; (block+1)*4096 <= len(b); block += n {
			copy(b[block*4096:], bytes.Repeat([]byte("garbage!"), 512))
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
	}
	// fill FOLDER N drops N documents more, INV-001.xml and so on.
	p.Cmds["fill"] = func(ts *testscript.TestScript, _ bool, args []string) {
		var n int
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		first := 0
		_, _ = fmt.Sscan(ts.Getenv("FILLED"), &first) // the first time it is empty
		for i := first + 1; i <= first+n; i++ {
			text := fmt.Sprintf("<Invoice><ID>%d</ID></Invoice>", i)
			ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), fmt.Sprintf("INV-%03d.xml", i)), []byte(text), 0o600))
		}
		ts.Setenv("FILLED", fmt.Sprint(first+n))
	}
	// took NAME N says how many messages a partner took, each counted once.
	p.Cmds["took"] = func(ts *testscript.TestScript, _ bool, args []string) {
		partner := partnersOf(ts)[args[0]]
		n := 0
		for id, times := range partner.Delivered() {
			if times != 1 {
				ts.Fatalf("%s took %s %d times", args[0], id, times)
			}
			n++
		}
		if fmt.Sprint(n) != args[1] || len(partner.Complaints()) > 0 {
			ts.Fatalf("%s took %d messages, want %s; complaints %q", args[0], n, args[1], partner.Complaints())
		}
	}
	// lock FILE has another program hold a ledger; unlock FILE has it let go.
	p.Cmds["lock"] = func(ts *testscript.TestScript, _ bool, args []string) {
		db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(ts.MkAbs(args[0]))+"?_pragma=busy_timeout(10000)")
		ts.Check(err)
		conn, err := db.Conn(context.Background())
		ts.Check(err)
		_, err = conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
		ts.Check(err)
		ts.Value(holdersKey{}).(map[string]func() error)[args[0]] = func() error { return errors.Join(conn.Close(), db.Close()) }
	}
	p.Cmds["unlock"] = func(ts *testscript.TestScript, _ bool, args []string) {
		holders := ts.Value(holdersKey{}).(map[string]func() error)
		ts.Check(holders[args[0]]())
		delete(holders, args[0])
	}
	// replace FROM TO puts a file in the place of another one.
	p.Cmds["replace"] = func(ts *testscript.TestScript, _ bool, args []string) {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
	}
	return p
}
