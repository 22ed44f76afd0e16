package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// docSession is what a reader has before him while he follows a page.
type docSession struct {
	page    docPage
	home    string      // the folder of the page
	dir     string      // where he is
	stands  [][2]string // what is written, and what it stands for on this machine
	running []*docRunning
}

// docRunning is a command that a page left running with &.
type docRunning struct {
	cmd  *exec.Cmd
	out  lockedBuffer
	over chan struct{}
}

// lockedBuffer may be read while a command still writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// commandLimit bounds a command in the foreground. Nothing takes so long on a machine
// that works, however busy it is.
const commandLimit = 3 * time.Minute

// here puts what something stands for in its place.
func (s *docSession) here(text string) string { return s.replacer(0, 1).Replace(text) }

// there is the opposite: what a reader would see.
func (s *docSession) there(text string) string {
	return strings.ReplaceAll(s.replacer(1, 0).Replace(text), s.home+string(filepath.Separator), "")
}

func (s *docSession) replacer(from, to int) *strings.Replacer {
	var pairs []string
	for i := len(s.stands) - 1; i >= 0; i-- { // what was said last counts
		pairs = append(pairs, s.stands[i][from], s.stands[i][to])
	}
	return strings.NewReplacer(pairs...)
}

// file writes what a page shows as a file.
func (s *docSession) file(ts *testscript.TestScript, b docBlock) {
	path := s.here(b.title)
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, []byte(s.here(b.text)), 0o600))
}

// console runs the commands of a block and compares what they print with what is shown.
func (s *docSession) console(ts *testscript.TestScript, b docBlock) {
	all, err := b.commands()
	ts.Check(err)
	for _, c := range all {
		ts.Logf("$ %s", c.text)
		if dir, ok := strings.CutPrefix(c.text, "cd "); ok {
			s.dir = filepath.Join(s.dir, s.here(dir))
			continue
		}
		if text, ok := strings.CutSuffix(c.text, " &"); ok {
			s.start(ts, text, c.want)
			continue
		}
		out, code := s.run(ts, c.text)
		if b.wait && (code != c.exit || !shown(c.want, out)) {
			eventually(ts, fmt.Sprintf("%s says\n%s\n(last time it said, with exit code %d)\n%s", c.text, strings.Join(c.want, "\n"), code, out), func() bool {
				out, code = s.run(ts, c.text)
				return code == c.exit && shown(c.want, out)
			})
		}
		if code != c.exit {
			ts.Fatalf("%s:%d: %s\nends with exit code %d, want %d, and prints\n%s", s.page.name, b.line, c.text, code, c.exit, out)
		}
		if !shown(c.want, out) {
			ts.Fatalf("%s:%d: %s\nprints\n%s\nand the page shows\n%s", s.page.name, b.line, c.text, out, strings.Join(c.want, "\n"))
		}
	}
}

func (s *docSession) command(ctx context.Context, ts *testscript.TestScript, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", s.here(text))
	cmd.Dir = s.dir
	for _, name := range []string{"PATH", "TMPDIR", "AS2DROP_CONFIG"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+ts.Getenv("WORK"), "LC_ALL=C.UTF-8", "TZ=UTC")
	return cmd
}

func (s *docSession) run(ts *testscript.TestScript, text string) (string, int) {
	ctx, stop := context.WithTimeout(context.Background(), commandLimit)
	defer stop()
	cmd := s.command(ctx, ts, text)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		ts.Check(err)
	}
	return s.there(string(out)), cmd.ProcessState.ExitCode()
}

// start leaves a command running until the page ends, or another command ends it.
func (s *docSession) start(ts *testscript.TestScript, text string, want []string) {
	r := &docRunning{cmd: s.command(context.Background(), ts, "exec "+text), over: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	ts.Check(r.cmd.Start())
	s.running = append(s.running, r)
	go func() {
		_ = r.cmd.Wait() // end says how it ended
		close(r.over)
	}()
	if len(want) > 0 {
		all := append([]string{"..."}, append(want, "...")...)
		eventually(ts, text+" prints "+strings.Join(want, "\n"), func() bool { return shown(all, s.there(r.out.String())) })
	}
}

// end has everything that still runs end in order.
func (s *docSession) end() error {
	var errs error
	for _, r := range s.running {
		_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		limit := time.NewTimer(commandLimit)
		select {
		case <-r.over:
		case <-limit.C:
			_ = r.cmd.Process.Kill() // it is told below
			<-r.over
		}
		limit.Stop()
		if code := r.cmd.ProcessState.ExitCode(); code != 0 {
			errs = errors.Join(errs, fmt.Errorf("%s ended with exit code %d: %s", r.cmd.Args[2], code, r.out.String()))
		}
	}
	s.running = nil
	return errs
}

// What differs each time, and what stands for it.
var volatiles = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "DIGEST"},
	{regexp.MustCompile(`\b([0-9A-Fa-f]{2}:){15,31}[0-9A-Fa-f]{2}\b`), "FINGERPRINT"},
	{regexp.MustCompile(`0[0-9a-hjkmnp-tv-z]{17}\b`), "ID"},
	{regexp.MustCompile(`\b20\d{6}[-T]\d{6}Z`), "STAMP"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TIME"},
	{regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) DATE\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d UTC`), "TIME UTC"},
	{regexp.MustCompile(`\b\d+\.\d+\.\d+-dev\S*`), "VERSION"},
	{regexp.MustCompile(`\bprocess \d+`), "process N"},
	{regexp.MustCompile(`[ \t]+`), " "},
}

func steady(text string) string {
	for _, v := range volatiles {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return text
}

// shown says whether a page shows what was printed. A line of three dots stands for any
// lines, three dots in a line for any text; what differs each time, and empty lines, are not
// compared.
func shown(want []string, got string) bool {
	var re, text strings.Builder
	for _, line := range want {
		switch line = strings.TrimSpace(line); line {
		case "":
		case "...":
			re.WriteString(`(?:.*\n)*`)
		default:
			parts := strings.Split(steady(line), "...")
			for i, p := range parts {
				parts[i] = regexp.QuoteMeta(p)
			}
			re.WriteString(strings.Join(parts, `.*`) + `\n`)
		}
	}
	for line := range strings.Lines(steady(got)) {
		if line = strings.TrimSpace(line); line != "" {
			text.WriteString(line + "\n")
		}
	}
	return regexp.MustCompile(`^` + re.String() + `$`).MatchString(text.String())
}
