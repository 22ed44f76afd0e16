package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

var moment = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// TestMain is also the program that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as-hook" {
		program(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func program(what string, args []string) {
	switch what {
	case "echo": // what it is told
		_, _ = io.Copy(os.Stdout, os.Stdin)
	case "environment":
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
	case "say":
		fmt.Print(strings.Join(args, " "))
	case "fail":
		fmt.Fprintln(os.Stderr, "first I tried")
		fmt.Fprintln(os.Stderr, "the ERP is \x1b[31mclosed\x07")
		os.Exit(3)
	case "silent":
		os.Exit(1)
	case "shout":
		_, _ = os.Stdout.Write(bytes.Repeat([]byte("x"), MaxAnswer+1))
		_, _ = os.Stderr.Write(bytes.Repeat([]byte("x"), 1<<20))
	case "hang": // and so does what it starts
		fmt.Fprintln(os.Stderr, "I wait")
		startChild(args)
		<-time.After(time.Hour)
	case "leave": // something running behind, and end
		startChild(args)
		connect(args[0], "parent") // until that is there
		fmt.Print("left")
	case "stay":
		connect(args[0], "child")
	}
}

// startChild starts something that stays, and keeps the output open.
func startChild(args []string) {
	if len(args) == 0 {
		return
	}
	child := exec.Command(os.Args[0], "as-hook", "stay", args[0])
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		panic(err)
	}
}

// connect tells the test who is there, and returns when it hangs up.
func connect(address, who string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	_, _ = c.Write([]byte(who))
	_, _ = io.Copy(io.Discard, c)
}

// family waits for what a program starts: child is called when it is there, and hangs up
// on the parent. over ends when the child has ended.
func family(t *testing.T, child func()) (address string, over chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	over = make(chan struct{})
	go func() {
		var parent net.Conn
		here := false
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			who := make([]byte, len("parent"))
			n, _ := c.Read(who)
			if string(who[:n]) == "parent" {
				parent = c
			} else {
				here = true
				child()
				go func() { _, _ = io.Copy(io.Discard, c); close(over) }()
			}
			if here && parent != nil {
				parent.Close()
			}
		}
	}()
	return l.Addr().String(), over
}

// ended fails the test unless it comes about.
func ended(t *testing.T, over chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(5 * time.Minute):
		t.Error("what the program started goes on")
	}
}

// self is the test's own program as a hook.
func self(t *testing.T, args ...string) *Hook {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Hook{Name: "self", Command: append([]string{exe, "as-hook"}, args...), Timeout: time.Minute, Attempts: 3}
}

func runner(t *testing.T) *Runner {
	return &Runner{Dir: t.TempDir(), Agent: "test", Drain: time.Minute}
}

// sample is what hooks in these tests are told.
func sample() Input {
	t := &ledger.Transfer{ID: "t1", Partner: "acme", Station: "us", MessageID: "<t1@us>", Key: "INV-1", Document: "INV-1.xml", Created: moment}
	return BeforeSend(t, In(filepath.FromSlash("/data/acme"), []File{{Name: "INV-1.xml", Role: "document", Size: 10, Path: ".work/t1/INV-1.xml"}}), filepath.FromSlash("/data/acme"), ".work/t1", ".work/t1/hook.part/p-0")
}

func told(t *testing.T, out []byte) Input {
	t.Helper()
	var in Input
	if err := json.Unmarshal(out, &in); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return in
}
