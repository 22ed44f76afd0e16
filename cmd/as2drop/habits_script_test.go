package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/as2drop/as2drop/ledger"
)

// withHabits adds the commands for time that goes by, and for who may read what.
func withHabits(p testscript.Params) testscript.Params {
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		e.Setenv("GID", strconv.Itoa(os.Getegid()))
		return setup(e)
	}
	// passes DAYS LEDGER lets days go by for all that is in a ledger.
	p.Cmds["passes"] = func(ts *testscript.TestScript, _ bool, args []string) {
		l, err := ledger.Open(ts.MkAbs(args[1]), ledger.Options{}) // whose log must outlive us
		ts.Check(err)
		db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(ts.MkAbs(args[1]))+"?_pragma=busy_timeout(10000)")
		ts.Check(err)
		days, err := strconv.Atoi(args[0])
		ts.Check(err)
		back := func(field string) string {
			return fmt.Sprintf(`'$.%s', strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', json_extract(body, '$.%s'), '-%d days')`, field, field, days)
		}
		nanos := fmt.Sprint(int64(days) * 86400e9)
		for _, change := range []string{
			`UPDATE transfers SET created=created-` + nanos + `, filed=filed-` + nanos + `, body=json_set(body, ` + back("created") + `, ` + back("filed") + `, ` + back("settled") + `) WHERE state='filed'`,
			`UPDATE received SET at=at-` + nanos + `, body=json_set(body, ` + back("at") + `)`,
			`UPDATE refusals SET at=at-` + nanos + `, body=json_set(body, ` + back("at") + `)`,
			`UPDATE meta SET value=strftime('%Y-%m-%dT%H:%M:%SZ', value, '-` + strconv.Itoa(days) + ` days') WHERE key='retention'`,
			`UPDATE events SET body=json_set(body, ` + back("at") + `)`,
		} {
			_, err := db.Exec(change)
			ts.Check(err)
		}
		ts.Check(errors.Join(db.Close(), l.Close()))
	}
	// mode PERMISSIONS PATTERN says that all that matches, and something does, has these; on
	// Windows, which has none, that something matches.
	p.Cmds["mode"] = func(ts *testscript.TestScript, _ bool, args []string) {
		found, err := filepath.Glob(ts.MkAbs(args[1]))
		ts.Check(err)
		if len(found) == 0 {
			ts.Fatalf("%s: no such file", args[1])
		}
		for _, f := range found {
			info, err := os.Stat(f)
			ts.Check(err)
			if got := info.Mode().String(); os.PathSeparator == '/' && got != args[0] {
				ts.Check(errors.New(f + " is " + got + ", want " + args[0]))
			}
		}
	}
	return p
}
