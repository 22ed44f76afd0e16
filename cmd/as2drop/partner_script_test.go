package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/internal/keys"
	"github.com/as2drop/as2drop/internal/testpartner"
)

// scriptPartners are partners of a script that misbehave as it says.
type scriptPartners map[string]*testpartner.Partner

type partnersKey struct{}

func partnersOf(ts *testscript.TestScript) scriptPartners {
	return ts.Value(partnersKey{}).(scriptPartners)
}

// withPartners adds the commands for partners that misbehave to those of a script.
func withPartners(p testscript.Params) testscript.Params {
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		all := scriptPartners{}
		e.Values[partnersKey{}] = all
		e.Defer(func() {
			for _, partner := range all {
				if err := partner.Close(); err != nil {
					e.T().Fatal(err)
				}
			}
		})
		return setup(e)
	}
	// partner NAME BEHAVIOUR... starts a partner who has the key pair "other" and expects
	// "self", or has him behave otherwise from now on; the last behaviour goes on. NAME_URL
	// is where he listens, NAME.pem the certificate of his web server.
	p.Cmds["partner"] = partnerCommand
	// overnight NAME has his web server show another certificate, which becomes NAME.pem.
	p.Cmds["overnight"] = func(ts *testscript.TestScript, _ bool, args []string) {
		partner := partnersOf(ts)[args[0]]
		c, err := partner.Authority().Issue(testpartner.Server{CommonName: args[0] + " of tomorrow", Self: true})
		ts.Check(err)
		partner.Show(c)
		writeServerCertificate(ts, args[0], partner)
	}
	// visits NAME POSTS DELIVERED says how many POSTs a partner saw, and what he took.
	p.Cmds["visits"] = func(ts *testscript.TestScript, _ bool, args []string) {
		partner := partnersOf(ts)[args[0]]
		delivered := 0
		for _, n := range partner.Delivered() {
			delivered += n
		}
		if got := fmt.Sprint(len(partner.Posts()), " ", delivered); got != args[1]+" "+args[2] || len(partner.Complaints()) > 0 {
			ts.Fatalf("%s saw and took %s, want %s %s; complaints %q", args[0], got, args[1], args[2], partner.Complaints())
		}
	}
	// until REGEXP COMMAND... runs a command again and again until it says something.
	p.Cmds["until"] = func(ts *testscript.TestScript, _ bool, args []string) {
		re, err := regexp.Compile(args[0])
		ts.Check(err)
		eventually(ts, strings.Join(args[1:], " ")+" says "+args[0], func() bool {
			_ = ts.Exec(args[1], args[2:]...) // it may fail until then
			return re.MatchString(ts.ReadFile("stdout"))
		})
	}
	return p
}

func partnerCommand(ts *testscript.TestScript, _ bool, args []string) {
	var steps []testpartner.Behaviour
	for _, word := range args[1:] {
		steps = append(steps, behaviourOf(ts, word))
	}
	all := partnersOf(ts)
	if running := all[args[0]]; running != nil {
		running.Follow(testpartner.Script(steps...))
		return
	}
	own, err := keys.Certificates(filepath.Join(ts.Getenv("KEYS"), "other.pem"))
	ts.Check(err)
	key, err := keys.Private(filepath.Join(ts.Getenv("KEYS"), "other.key"))
	ts.Check(err)
	sender, err := keys.Certificates(filepath.Join(ts.Getenv("KEYS"), "self.pem"))
	ts.Check(err)
	// A connection for each: one that is closed overnight may swallow a message.
	all[args[0]], err = testpartner.Start(testpartner.Options{Own: cms.Identity{Certificate: own[0], Key: key}, Sender: sender[0], Plan: testpartner.Script(steps...), OneEach: true})
	ts.Check(err)
	ts.Setenv(strings.ToUpper(args[0])+"_URL", all[args[0]].URL())
	writeServerCertificate(ts, args[0], all[args[0]])
}

func writeServerCertificate(ts *testscript.TestScript, name string, p *testpartner.Partner) {
	file := ts.MkAbs(name + ".pem")
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	ts.Check(keys.WriteCertificates(file, []*x509.Certificate{p.Certificate()}))
}

// behaviourOf reads a word of a script: well, hang, reset, 404, or 503:SECONDS.
func behaviourOf(ts *testscript.TestScript, word string) testpartner.Behaviour {
	switch word {
	case "well":
		return testpartner.Well
	case "hang":
		return testpartner.Hang
	case "reset":
		return testpartner.ResetBeforeAnswer
	}
	status, retryAfter, busy := strings.Cut(word, ":")
	n, err := strconv.Atoi(status)
	ts.Check(err)
	if busy {
		_, err := strconv.Atoi(retryAfter)
		ts.Check(err)
		return testpartner.Busy(n, retryAfter)
	}
	return testpartner.Status(n)
}
