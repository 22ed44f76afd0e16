//go:build judges

package journal

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What we send is put into a journal by systemd's own program and found in it by
// journalctl. The protocol of the socket is the export format without a blank line.
func TestJudgeJournalctlFindsTheFields(t *testing.T) {
	dir := t.TempDir()
	c := listen(t, filepath.Join(dir, "socket"))
	log := slog.New(opened(t, filepath.Join(dir, "socket"), slog.LevelInfo)).With("partner", "acme")
	log.Error("failed", "reason", "two\nlines", "message_id", "<1@us>", "due", time.Unix(0, 0).UTC())
	log.With("transfer", "t2").Info("sent", slog.Group("step", "name", "file"))
	var export strings.Builder
	buf := make([]byte, 1<<20)
	for i := range 2 {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&export, "__REALTIME_TIMESTAMP=%d\n%s\n", 1_795_694_400_000_000+i, buf[:n])
	}
	in, journal := filepath.Join(dir, "in.export"), filepath.Join(dir, "out.journal")
	if err := os.WriteFile(in, []byte(export.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/lib/systemd/systemd-journal-remote", "-o", journal, in).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	find := func(match ...string) (entries []map[string]any) {
		t.Helper()
		out, err := exec.Command("journalctl", append([]string{"--file", journal, "--quiet", "-o", "json"}, match...)...).Output()
		if err != nil && len(out) > 0 {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			e := map[string]any{}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		return entries
	}
	if n := len(find("AS2DROP_PARTNER=acme")); n != 2 {
		t.Errorf("%d entries of the partner", n)
	}
	errs := find("-p", "err")
	if len(errs) != 1 || errs[0]["AS2DROP_REASON"] != "two\nlines" || errs[0]["AS2DROP_MESSAGE_ID"] != "<1@us>" || errs[0]["AS2DROP_DUE"] != "1970-01-01T00:00:00Z" || errs[0]["PRIORITY"] != "3" {
		t.Errorf("errors: %v", errs)
	}
	if sent := find("AS2DROP_TRANSFER=t2"); len(sent) != 1 || sent[0]["MESSAGE"] != "sent partner=acme transfer=t2 step.name=file" || sent[0]["AS2DROP_STEP_NAME"] != "file" {
		t.Errorf("%v", sent)
	}
	if none := find("AS2DROP_PARTNER=globex"); len(none) != 0 {
		t.Errorf("%v", none)
	}
}
