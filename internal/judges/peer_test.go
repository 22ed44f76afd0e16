//go:build judges

package judges

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The names of the two sides. The blank makes the quoting rules matter.
const (
	ourName  = "AS2DROP"
	peerName = "PYAS2 LIB"
)

// received is what the peer says about a message that it took.
type received struct {
	MessageID  string `json:"message_id"`
	Status     string
	Error      string
	Signed     bool
	Encrypted  bool
	Compressed bool
	Digest     string
	MIC        string
	File       string
}

// sent is what the peer says about a message that it sent, and the receipt it got.
type sent struct {
	OK           bool
	HTTP         int
	MessageID    string `json:"message_id"`
	Status       string
	Detail       string
	Signed       bool
	MIC          string
	MICAlgorithm string `json:"mic_algorithm"`
}

// peer is pyas2-lib in the role of our partner.
type peer struct {
	us, them identity // the peer's own and its partner's, which is us
	name     string   // the AS2 ID it goes by
	partner  string   // the AS2 ID of its partner
}

func (p peer) arguments(mode string) []string {
	return []string{
		filepath.Join(programs, "pyas2_peer.py"), mode,
		"--us", p.name, "--key", p.us.Key, "--cert", p.us.Certificate,
		"--them", p.partner, "--them-cert", p.them.Certificate,
	}
}

// server is a running peer. Next waits for its word on the next message.
type server struct {
	URL   string
	Next  func() received
	lines *bufio.Scanner
}

// serve starts the peer as a server that writes payloads into folder. With a TLS identity
// it speaks HTTPS. It ends with the test.
func (p peer) serve(t *testing.T, folder string, tls *identity) *server {
	t.Helper()
	args := append(p.arguments("serve"), "--folder", folder)
	if tls != nil {
		args = append(args, "--tls-cert", tls.Certificate, "--tls-key", tls.Key)
	}
	cmd := exec.Command(python(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, stdout); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("peer ended: %v\n%s", err, stderr.Bytes())
		}
	})
	s := &server{lines: bufio.NewScanner(stdout)}
	if !s.lines.Scan() {
		t.Fatalf("the peer does not start: %v", s.lines.Err())
	}
	s.URL = s.lines.Text()
	s.Next = func() received {
		t.Helper()
		if !s.lines.Scan() {
			t.Fatalf("the peer ended: %v", s.lines.Err())
		}
		var r received
		if err := json.Unmarshal(s.lines.Bytes(), &r); err != nil {
			t.Fatalf("%q: %v", s.lines.Text(), err)
		}
		return r
	}
	return s
}

// send has the peer send one file to a URL, and says what receipt it got. ca is the
// certificate to trust for HTTPS, messageID the left half of a Message-ID or empty.
func (p peer) send(t *testing.T, url, ca, messageID, file string) sent {
	t.Helper()
	args := append(p.arguments("send"), "--url", url)
	if ca != "" {
		args = append(args, "--ca", ca)
	}
	if messageID != "" {
		args = append(args, "--message-id", messageID)
	}
	got := run(t, nil, python(t), append(args, file)...)
	var s sent
	if err := json.Unmarshal([]byte(got.Stdout), &s); err != nil {
		t.Fatalf("the peer ended with %d\n%s%s", got.Code, got.Stdout, got.Stderr)
	}
	if s.OK != (got.Code == 0) {
		t.Fatalf("the peer ended with %d and says %s", got.Code, got.Stdout)
	}
	return s
}

// Both roles of the peer understand each other, so a failure against it later is ours or
// a difference worth knowing, and not a broken tool. And it can say no.
func TestJudgePeerKnowsItself(t *testing.T) {
	dir, inbox := t.TempDir(), t.TempDir()
	a, b, tls := newIdentity(t, dir, "a"), newIdentity(t, dir, "b"), newIdentity(t, dir, "tls")
	sender := peer{us: a, them: b, name: ourName, partner: peerName}
	s := peer{us: b, them: a, name: peerName, partner: ourName}.serve(t, inbox, &tls)
	if !strings.HasPrefix(s.URL, "https://") {
		t.Fatalf("the peer listens on %q", s.URL)
	}

	content := []byte("bytes that text mode would change: \n \r \r\n \x00 \xff\n")
	file := filepath.Join(dir, "INV-1001.zip")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	first := sender.send(t, s.URL, tls.Certificate, "one", file)
	if !first.OK || first.Status != "processed" || !first.Signed {
		t.Fatalf("first message: %+v", first)
	}
	took := s.Next()
	if took.Status != "processed" || !took.Signed || !took.Encrypted || took.MIC != first.MIC || took.File != "INV-1001.zip" {
		t.Errorf("the server says %+v", took)
	}
	if got, err := os.ReadFile(filepath.Join(inbox, "INV-1001.zip")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("delivered %q, %v", got, err)
	}

	again := sender.send(t, s.URL, tls.Certificate, "one", file)
	if again.OK || again.Detail != "duplicate-document" {
		t.Errorf("the same message again: %+v", again)
	}
	if r := s.Next(); r.File != "" {
		t.Errorf("the same message again was delivered: %+v", r)
	}

	stranger := peer{us: newIdentity(t, dir, "stranger"), them: b, name: ourName, partner: peerName}
	forged := stranger.send(t, s.URL, tls.Certificate, "two", file)
	if forged.OK {
		t.Errorf("a message signed by a stranger: %+v", forged)
	}
	if r := s.Next(); r.File != "" || r.Status == "processed" {
		t.Errorf("a message signed by a stranger was delivered: %+v", r)
	}
}
