package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who is asked to end waits for a message that is arriving; asked again it ends at once.
// Nothing is lost by that: the next start sends what was dropped, and all is in order.
func TestSecondSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) { secondSignal(t, signal) })
	}
}

func secondSignal(t *testing.T, signal syscall.Signal) {
	keys, dir := keyDir(t), t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close() // nobody was served
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`data_dir: data
listen: [{address: %q, certificate: %[2]q, key: %[3]q}]
stations: {self: {as2_id: SELF, keys: [{certificate: %[4]q, key: %[5]q}]}}
partners:
  self: {as2_id: SELF, station: self, url: "https://%[1]s/as2", certificates: %[4]q, server_certificates: %[2]q, naming: {quiet: 0s}}
`, address, keys+"/tls.pem", keys+"/tls.key", keys+"/self.pem", keys+"/self.key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	as2drop := func(args ...string) *exec.Cmd {
		return &exec.Cmd{Path: program, Args: append([]string{"as2drop"}, args...)}
	}
	cmd := as2drop("run", "-c", file)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // it has ended, unless the test failed
	log := bufio.NewScanner(stderr)
	until := func(words string) {
		t.Helper()
		for log.Scan() {
			if strings.Contains(log.Text(), words) {
				return
			}
		}
		t.Fatalf("the log ended without %q", words)
	}
	until("listening")

	// A message comes, and does not end.
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // nobody reads it any more
	if _, err := fmt.Fprintf(c, "POST /as2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nAS2-Version: 1.2\r\nAS2-From: SELF\r\nAS2-To: SELF\r\nMessage-ID: <1@x>\r\nContent-Type: application/xml\r\nContent-Length: 1000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("it is not being read: %q, %v", line, err)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	until("stopping")
	if err := os.WriteFile(filepath.Join(dir, "data", "partners", "self", "outbox", "INV-1.xml"), []byte("<Invoice/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	for log.Scan() { // to the end of the process
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != signal {
		t.Fatalf("ended with %v, and not at once by the second signal", err)
	}

	for _, args := range [][]string{{"run", "-c", file, "--until-idle"}, {"check", "-c", file}} {
		if out, err := as2drop(args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
	if sent, _ := filepath.Glob(filepath.Join(dir, "data", "partners", "self", "sent", "*", "INV-1.*", "INV-1.xml")); len(sent) != 1 {
		t.Errorf("sent: %q", sent)
	}
}
