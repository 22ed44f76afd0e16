//go:build linux

package testpartner_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/partner-faults.md")

// What differs from run to run stands for itself.
var (
	aPort     = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	aDigest   = regexp.MustCompile(`SHA-256 [0-9a-f]{64}`)
	aMoment   = regexp.MustCompile(`until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	anID      = regexp.MustCompile(`<[0-9a-z]{18}@as2drop\.US>`)
	aTransfer = regexp.MustCompile(`as2drop release [0-9a-z]{18}`)
	aDate     = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000`)
	aFile     = regexp.MustCompile(`receipt-[0-9a-f]{12}\.http`)
	aBreak    = regexp.MustCompile(`the connection broke( \([a-z ]*\))? while`)
	aMIC      = regexp.MustCompile(`"[A-Za-z0-9+/]{43}=, sha-?256"`)
)

func settled(text string) string {
	text = aPort.ReplaceAllString(text, "192.0.2.1:443")
	text = strings.ReplaceAll(text, `"127.0.0.1"`, `"as2.acme.example"`)
	text = aDigest.ReplaceAllString(text, "SHA-256 5f0c...")
	text = aMoment.ReplaceAllString(text, "until ...")
	text = anID.ReplaceAllString(text, "<...@as2drop.US>")
	text = aTransfer.ReplaceAllString(text, "as2drop release TRANSFER")
	text = aDate.ReplaceAllString(text, "...")
	text = aFile.ReplaceAllString(text, "receipt-....http")
	text = aBreak.ReplaceAllString(text, "the connection broke (connection reset by peer) while")
	text = aMIC.ReplaceAllString(text, `"..."`)
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "<", "&lt;")
}

const pageHead = `# When a partner's server misbehaves

What as2drop makes of everything that can go wrong at the partner's side, and what you read of it, in ` + "`as2drop ls`" + `, in the log
and in ` + "`WHY.txt`" + `. The page is written by the test that does each of these things to the real client, with a partner that really
misbehaves: ` + "`go test ./internal/testpartner -run TestFaults -update`" + `.

- **transient**: the partner does not have the message. It is posted again later; the attempt counts.
- **unknown**: the partner may have it. The same bytes are posted again under the same Message-ID, by which he knows it; the attempt counts.
- **waiting**: the partner took it, and his receipt is to come on a connection of its own. When the wait is over it is *unknown*.
- **pausing**: nobody gets through to the partner, and every message would fare like this one. The partner is paused with an alarm, his
  queue stays where it is, nothing counts and nobody's time runs. One message tries again after the wait shown, then less and less often;
  when it gets through all go on by themselves. ` + "`as2drop release PARTNER`" + ` does not wait for that; neither does a config
  that was taken anew, or a restart.
- **final**: posting again would change nothing. The files are in ` + "`failed/`" + ` with ` + "`WHY.txt`" + `.
- **no fault**: the receipt counts, the files are in ` + "`sent/`" + `.

The waits are those of ` + "`retry: {first: 1m, max: 1h, factor: 2, jitter: 0}`" + `, the timeouts are two seconds. A transient or unknown fault that does
not end comes to ` + "`failed/`" + ` when ` + "`retry.attempts`" + ` or ` + "`retry.give_up_after`" + ` are used up; ` + "`WHY.txt`" + ` says then whether the partner may have it, and
` + "`as2drop retry`" + ` posts the same message again.

A wait that the partner asks for with Retry-After is kept to, up to ` + "`retry.max`" + `. After 429 and 503 all his documents keep to it: posted meanwhile,
each would come to nothing and count.
`

// checkPage holds the page against what was seen.
func checkPage(t *testing.T, sections []section, lines [][]told) {
	t.Helper()
	var b strings.Builder
	b.WriteString(pageHead)
	for i, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| the partner | class | next try | attempt | what the operator reads |\n|---|---|---|---|---|\n", s.title)
		for j, r := range s.rows {
			tale := lines[i][j]
			wait, counts, reads := "-", "does not count", settled(tale.reason)
			if tale.wait > 0 {
				wait = "after " + tale.wait.String()
			}
			if tale.counts {
				counts = "counts"
			}
			if tale.class == waiting {
				counts = "counts when the wait is over"
			}
			if tale.hint != "" {
				reads += "<br>*What to do:* " + settled(tale.hint)
			}
			if tale.end != "" {
				reads += "<br>*In the end:* " + settled(tale.end)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s, %s | %s |\n", settled(r.does), tale.class, wait, tale.outcome, counts, reads)
		}
	}
	file := filepath.Join("..", "..", "docs", "partner-faults.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != b.String() {
		t.Errorf("%s is not what was seen; write it with -update and read what changed:\n%s", file, b.String())
	}
}
