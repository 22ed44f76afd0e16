//go:build linux

package bench

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// operations lists what is summed up as the limit of a row.
//
//go:embed operations.txt
var operations string

// operation is a line of it.
type operation struct {
	row, stage string
	name       string // of a primitive
	of         string // whose bytes: document, message, receipt; - = none
	why        string
}

// operationsOf reads those of one row.
func operationsOf(t testing.TB, row string) (all []operation) {
	t.Helper()
	for line := range strings.Lines(operations) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" || fields[0] != row {
			continue
		}
		if len(fields) < 5 || primitives[fields[2]] == nil {
			t.Fatalf("operations.txt: %q", line)
		}
		all = append(all, operation{fields[0], fields[1], fields[2], fields[3], strings.Join(fields[4:], " ")})
	}
	if len(all) == 0 {
		t.Fatalf("operations.txt has nothing for %q", row)
	}
	return all
}

// bytes is how many of them the operation is about.
func (o operation) bytes(t testing.TB, l lengths) int64 {
	switch o.of {
	case "-":
		return 0
	case "document":
		return l.Document
	case "message":
		return l.Message
	case "receipt":
		return l.Receipt
	}
	t.Fatalf("operations.txt: %s: bytes of %q", o.name, o.of)
	return 0
}

// limit is what one message takes at the least: the primitives alone.
type limit struct {
	crypto time.Duration            // the cryptography of both ends
	all    time.Duration            // with compressing, and writing
	stage  map[string]time.Duration // of each stage alone
}

// probe is how many bytes are measured of large messages, and multiplied.
const probe = 64 << 20

// limitOf measures the primitives of a row, for messages of these lengths. sample is a part
// of the document.
func limitOf(t testing.TB, row string, l lengths, sample []byte) limit {
	t.Helper()
	lim := limit{stage: map[string]time.Duration{}}
	known := map[string]time.Duration{}
	for _, o := range operationsOf(t, row) {
		n, times := o.bytes(t, l), 1.0
		if n > probe {
			n, times = probe, float64(n)/probe
		}
		id := fmt.Sprint(o.name, n)
		if _, ok := known[id]; !ok {
			known[id] = alone(t, o.name, n, sample)
		}
		took := time.Duration(float64(known[id]) * times)
		lim.all += took
		lim.stage[o.stage] += took
		if cryptographic(o.name) {
			lim.crypto += took
		}
	}
	return lim
}

// slowest is the stage that takes longest.
func (l limit) slowest() (stage string, took time.Duration) {
	for name, d := range l.stage {
		if d > took {
			stage, took = name, d
		}
	}
	return stage, took
}

// Whoever changes what the limit is says so to those who compare figures.
func TestChangeOfOperationsIsAnnounced(t *testing.T) {
	log, err := os.ReadFile("../../CHANGELOG.md")
	must(t, err)
	if sum := fmt.Sprintf("operations.txt %x", sha256.Sum256([]byte(operations)))[:len("operations.txt ")+8]; !bytes.Contains(log, []byte(sum)) {
		t.Errorf("internal/bench/operations.txt has changed: say in CHANGELOG.md what and why, with the words %q", sum)
	}
}

// Each operation can be measured, and each row has a limit.
func TestLimit(t *testing.T) {
	for _, row := range []string{"small", "disk", "cbc", "gcm", "xml"} {
		for _, o := range operationsOf(t, row) {
			if err := primitives[o.name](t, o.bytes(t, lengths{10_000, 3000, 4000}), []byte("text"))(); err != nil {
				t.Errorf("%s, %s, %s: %v", o.row, o.stage, o.name, err)
			}
		}
	}
}
