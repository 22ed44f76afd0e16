// Command upgrades keeps a data folder of an older as2drop as test data, so that every later
// one shows that it opens it (cmd/as2drop, TestUpgrade).
//
//	go run ./internal/ci/upgrades -commit v1.2.0 -name 1.2.0
//
// It builds the program of that commit in a worktree of its own, lets it send, fail, receive, wait and hold, kills it while
// a message is under way, and packs config and data into testdata/upgrades/NAME.tar.gz. Then the program of this
// checkout opens a copy, and the old one must refuse it after that: what it says is kept as NAME.refusal. Run it once
// for each release, and commit the two files.
//
// The keys are those of testdata/keys and are not packed. In the config the addresses that change are @PORT@ (our own)
// and @DOWN@, @SLOW@, @LATER@ (of partners that did not answer then).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long each thing may take to happen.
const patience = 2 * time.Minute

func main() {
	commit := flag.String("commit", "", "the commit or tag to build")
	name := flag.String("name", "", "what it is called: the version, or the number of its schema")
	flag.Parse()
	if *commit == "" || *name == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*commit, *name); err != nil {
		fmt.Fprintln(os.Stderr, "upgrades:", err)
		os.Exit(1)
	}
}

func run(commit, name string) error {
	work, err := os.MkdirTemp("", "as2drop-upgrades-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) // a temporary folder that stays does no harm
	source, old, today := filepath.Join(work, "source"), filepath.Join(work, "old"), filepath.Join(work, "today")
	if err := command("git", "worktree", "add", "--quiet", "--detach", source, commit); err != nil {
		return err
	}
	defer command("git", "worktree", "remove", "--force", source) //nolint:errcheck // git worktree prune finds it
	build := exec.Command("go", "build", "-o", old, "./cmd/as2drop")
	build.Dir, build.Stderr = source, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("the program of %s: %w", commit, err)
	}
	if err := command("go", "build", "-o", today, "./cmd/as2drop"); err != nil {
		return err
	}
	s := site{dir: filepath.Join(work, "site"), program: old}
	if err := s.live(); err != nil {
		return err
	}
	archive := filepath.Join("testdata", "upgrades", name+".tar.gz")
	if err := pack(archive, s.dir); err != nil {
		return err
	}
	refusal, err := s.refusal(today)
	if err != nil {
		return err
	}
	fmt.Printf("%s; the old program then says:\n%s", archive, refusal)
	return os.WriteFile(filepath.Join("testdata", "upgrades", name+".refusal"), []byte(refusal), 0o644)
}

func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// site is an agent with its config, and what it is told to do.
type site struct {
	dir, program string
	addresses    *strings.Replacer // from the names in the config to what they are now
}

// config is that of the site with addresses as names.
func config() string {
	var b strings.Builder
	b.WriteString("data_dir: data\nreserve: 1MiB\nlisten:\n  - {address: \"127.0.0.1:@PORT@\", behind_proxy: true, public_url: \"http://127.0.0.1:@PORT@/as2\"}\nstations:\n")
	partners := []struct{ name, id, address, more string }{
		{"loop", "ONE", "127.0.0.1:@PORT@", ""},
		{"reject", "TWO", "127.0.0.1:@PORT@", "    send: {encrypt: none}\n"},
		{"down", "THREE", "@DOWN@", ""},
		{"gone", "FOUR", "127.0.0.1:1", "    retry: {attempts: 1}\n"},
		{"slow", "FIVE", "@SLOW@", ""},
		{"later", "SIX", "@LATER@", "    send: {receipt_delivery: async, receipt_wait: 5s}\n    receive: {receipt_hosts: [127.0.0.1]}\n"},
	}
	for _, p := range partners {
		fmt.Fprintf(&b, "  %s: {as2_id: %s, keys: [{certificate: keys/us-rsa.pem, key: keys/us-rsa.key}]}\n", p.name, p.id)
	}
	b.WriteString("partners:\n")
	for _, p := range partners {
		fmt.Fprintf(&b, "  %s:\n    as2_id: %s\n    station: %s\n    url: http://%s/as2\n    allow_http: true\n    certificates: [keys/us-rsa.pem]\n    naming: {quiet: 1s}\n", p.name, p.id, p.name, p.address)
		if !strings.Contains(p.more, "retry:") {
			b.WriteString("    retry: {first: 1s, max: 2s, attempts: 1000, give_up_after: 36500d}\n")
		}
		b.WriteString(p.more)
	}
	return b.String()
}

// live lets the agent do everything that leaves something behind, and kills it.
func (s *site) live() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "keys"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"us-rsa.pem", "us-rsa.key"} {
		text, err := os.ReadFile(filepath.Join("testdata", "keys", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, "keys", name), text, 0o600); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	slow, later := make(chan struct{}, 100), make(chan struct{}, 100)
	hold := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // that it came counts
		slow <- struct{}{}
		<-hold
	}))
	defer silent.Close()
	defer close(hold)
	promising := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // that it came counts
		select {
		case later <- struct{}{}:
		default:
		}
	}))
	defer promising.Close()
	s.addresses = strings.NewReplacer("@PORT@", port, "@DOWN@", "127.0.0.1:1", "@SLOW@", silent.Listener.Addr().String(), "@LATER@", promising.Listener.Addr().String())
	if err := s.writeConfig(s.addresses.Replace(config())); err != nil {
		return err
	}
	agent := exec.Command(s.program, "run", "-c", "config.yaml")
	log, err := os.Create(filepath.Join(filepath.Dir(s.dir), "agent.log"))
	if err != nil {
		return err
	}
	defer log.Close() // for reading when something is wrong
	agent.Dir, agent.Stderr, agent.Stdout = s.dir, log, log
	if err := agent.Start(); err != nil {
		return err
	}
	err = s.story(slow, later)
	err = errors.Join(err, agent.Process.Kill())
	_ = agent.Wait() // it was killed
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, text)
	}
	// What was dropped while no agent ran.
	return errors.Join(s.drop("loop", "INV-8.xml"), s.writeConfig(config()))
}

func (s *site) story(slow, later chan struct{}) error {
	for _, p := range []string{"loop", "reject", "down", "gone", "slow", "later"} {
		if err := s.await("partners/" + p + "/outbox"); err != nil {
			return err
		}
	}
	err := errors.Join(s.drop("loop", "INV-1_terms.txt"), s.drop("loop", "INV-1.xml"), s.drop("reject", "INV-2.xml"), s.drop("down", "INV-3.xml"), s.drop("down", "INV-4.xml"),
		s.drop("gone", "INV-5.xml"), s.drop("slow", "INV-6.xml"), s.drop("later", "INV-7.xml"))
	if err != nil {
		return err
	}
	for _, pattern := range []string{"loop/sent/*/INV-1.*/receipt.mdn", "loop/inbox/INV-1.xml", "reject/failed/INV-2.*/WHY.txt", "gone/failed/INV-5.*/WHY.txt", "down/.work/*/message"} {
		if err := s.await("partners/" + pattern); err != nil {
			return err
		}
	}
	for name, c := range map[string]chan struct{}{"slow": slow, "later": later} {
		select {
		case <-c:
		case <-time.After(patience):
			return fmt.Errorf("nothing was posted to %s", name)
		}
	}
	hold := exec.Command(s.program, "hold", "INV-4", "-c", "config.yaml")
	hold.Dir, hold.Stderr = s.dir, os.Stderr
	if err := hold.Run(); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	return s.until("INV-4 is held", func() bool {
		ls := exec.Command(s.program, "ls", "down", "-c", "config.yaml")
		ls.Dir = s.dir
		out, err := ls.Output()
		for line := range strings.SplitSeq(string(out), "\n") {
			if strings.Contains(line, "INV-4") && strings.Contains(line, "held") {
				return err == nil
			}
		}
		return false
	})
}

func (s *site) writeConfig(text string) error {
	return os.WriteFile(filepath.Join(s.dir, "config.yaml"), []byte(text), 0o600)
}

func (s *site) drop(partner, name string) error {
	return os.WriteFile(filepath.Join(s.dir, "data", "partners", partner, "outbox", name), []byte("<Invoice>"+name+"</Invoice>\n"), 0o644)
}

func (s *site) await(pattern string) error {
	return s.until(pattern, func() bool {
		found, err := filepath.Glob(filepath.Join(s.dir, "data", filepath.FromSlash(pattern)))
		return err == nil && len(found) > 0
	})
}

func (s *site) until(what string, f func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if f() {
			return nil
		}
	}
	return fmt.Errorf("waited %v in vain: %s", patience, what)
}

// refusal brings the data up to date with the program of today and says what the old one
// thinks of that.
func (s *site) refusal(today string) (string, error) {
	if err := s.writeConfig(s.addresses.Replace(config())); err != nil {
		return "", err
	}
	run := exec.Command(today, "run", "-c", "config.yaml")
	run.Dir = s.dir
	if err := run.Start(); err != nil {
		return "", err
	}
	err := s.await("partners/loop/sent/*/INV-8.*/receipt.mdn")
	err = errors.Join(err, run.Process.Kill())
	_ = run.Wait() // it was killed
	if err != nil {
		return "", err
	}
	again := exec.Command(s.program, "run", "-c", "config.yaml", "--until-idle")
	again.Dir = s.dir
	out, err := again.CombinedOutput()
	if err == nil {
		return "", fmt.Errorf("the old program runs on data of the new one:\n%s", out)
	}
	return strings.ReplaceAll(string(out), s.dir+string(filepath.Separator), ""), nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close() // so that the agent can have it
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
