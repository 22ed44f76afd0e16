//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every data folder that an older program left behind, killed while a message was under way, opens with
// this one: what waited is sent exactly once, what was held stays held until it is released, what is
// filed stays where it is, and check finds nothing. After that no older program touches it. The folders are from
// Linux, whose data nobody moves to Windows.
func TestUpgrade(t *testing.T) {
	archives, err := filepath.Glob(filepath.Join("..", "..", "testdata", "upgrades", "*.tar.gz"))
	if err != nil || len(archives) < 3 {
		t.Fatalf("%d archives: %v", len(archives), err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, archive, dir)
			upgrade(t, dir)
			refusal, err := os.ReadFile(strings.TrimSuffix(archive, ".tar.gz") + ".refusal")
			if err != nil || !strings.Contains(string(refusal), "use the newer as2drop that wrote it") {
				t.Errorf("what the old program said of a ledger of a newer one: %s %v", refusal, err)
			}
			newerIsRefused(t, dir)
		})
	}
}

// upgrade runs this program on the data of an older one, to whose partners it gets through now.
func upgrade(t *testing.T, dir string) {
	t.Helper()
	files := func(pattern string) []string {
		found, err := filepath.Glob(filepath.Join(dir, "data", "partners", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	as2drop := func(args ...string) (string, error) {
		cmd := exec.Command("as2drop", append(args, "-c", "config.yaml")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	// To be unpacked is to be moved to a new host: what was claimed are copies.
	first, _ := as2drop("check", "--repair")
	if out, err := as2drop("check"); err != nil {
		t.Errorf("check before the first run: %v\n%s\n%s", err, first, out)
	}
	filed := append(files("*/sent/*/*/*"), files("*/failed/*/*")...)
	if len(filed) < 10 {
		t.Errorf("only %d files are filed", len(filed))
	}
	var log bytes.Buffer
	agent := exec.Command("as2drop", "run", "-c", "config.yaml")
	agent.Dir, agent.Stdout, agent.Stderr = dir, &log, &log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	await := func(pattern string) {
		t.Helper()
		for end := time.After(5 * time.Minute); len(files(pattern)) == 0; {
			select {
			case err := <-ended:
				t.Fatalf("the agent ended before %s: %v\n%s", pattern, err, &log)
			case <-end:
				_ = agent.Process.Kill() // the test has failed already
				<-ended
				t.Fatalf("no %s\n%s", pattern, &log)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	for _, pattern := range []string{"down/sent/*/INV-3.*/receipt.mdn", "slow/sent/*/INV-6.*/receipt.mdn", "later/inbox/INV-7.xml", "loop/sent/*/INV-8.*/receipt.mdn"} {
		await(pattern)
	}
	if found := files("down/sent/*/INV-4.*"); found != nil {
		t.Errorf("what was held was sent: %v", found)
	}
	// Its receipt goes to an address that is fixed for life, where nobody is any more: it waits, and goes again.
	if found := append(files("later/sent/*/*"), files("later/failed/*")...); found != nil {
		t.Errorf("filed without a receipt: %v", found)
	}
	if out, err := as2drop("release", "INV-4"); err != nil {
		t.Errorf("release: %v\n%s", err, out)
	}
	await("down/sent/*/INV-4.*/receipt.mdn")
	if out, err := as2drop("stop"); err != nil {
		t.Errorf("stop: %v\n%s", err, out)
	}
	if err := <-ended; err != nil {
		t.Errorf("the agent: %v\n%s", err, &log)
	}
	out, _ := as2drop("check") // of the receipt that nobody takes it tells, or of nothing
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(line, "finding:") && !strings.HasPrefix(line, "finding: later : the receipt could not be posted to ") {
			t.Errorf("check: %s\n%s", line, &log)
		}
	}
	for _, file := range filed {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("what was filed is gone: %v", err)
		}
	}
	var arrived []string
	for _, file := range files("*/inbox/*") {
		rel, err := filepath.Rel(filepath.Join(dir, "data", "partners"), file)
		if err != nil {
			t.Fatal(err)
		}
		arrived = append(arrived, filepath.ToSlash(rel))
	}
	const want = "down/inbox/INV-3.xml down/inbox/INV-4.xml later/inbox/INV-7.xml loop/inbox/INV-1.xml loop/inbox/INV-1_terms.txt loop/inbox/INV-8.xml slow/inbox/INV-6.xml"
	if got := strings.Join(arrived, " "); got != want {
		t.Errorf("arrived: %s\nwant: %s", got, want)
	}
}

// newerIsRefused makes the ledger one of a program that does not exist yet.
func newerIsRefused(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "data", "ledger.db")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("PRAGMA user_version = 9999")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check", "ls"} {
		cmd := exec.Command("as2drop", command, "-c", "config.yaml")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "9999") || !strings.Contains(string(out), "use the newer as2drop that wrote it") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}

// unpack lays out an archive, with keys and an address of our own.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // opened for reading: nothing can be lost
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chtimes(path, time.Time{}, h.ModTime)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"us-rsa.pem", "us-rsa.key"} {
		key, err := os.ReadFile(filepath.Join("..", "..", "testdata", "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "keys", name), key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer("127.0.0.1:@PORT@", address, "@DOWN@", address, "@SLOW@", address, "@LATER@", address).Replace(string(text)))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
