package as2

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every modifier that the specifications name is known, in exactly their letters. The
// two lists are theirs: RFC 4130, 7.4.3, 7.5.3 to 7.5.6, and rfc4130bis, 8.4.3.
func TestEveryModifierOfTheSpecifications(t *testing.T) {
	rfc := []string{"automatic-action/MDN-sent-automatically; processed/error: authentication-failed", "automatic-action/MDN-sent-automatically; processed/error: decompression-failed",
		"automatic-action/MDN-sent-automatically; processed/error: decryption-failed", "automatic-action/MDN-sent-automatically; processed/error: insufficient-message-security",
		"automatic-action/MDN-sent-automatically; processed/error: integrity-check-failed", "automatic-action/MDN-sent-automatically; processed/error: unexpected-processing-error",
		"automatic-action/MDN-sent-automatically; failed/Failure: unsupported format", "automatic-action/MDN-sent-automatically; failed/Failure: unsupported MIC-algorithms",
		"automatic-action/MDN-sent-automatically; failed/Failure: sender-equals-receiver", "automatic-action/MDN-sent-automatically; processed/warning: duplicate-document",
		"automatic-action/MDN-sent-automatically; processed/warning: authentication-failed, processing continued"}
	revision := map[string]string{"duplicate-filename": UnexpectedProcessing, "illegal-filename": UnexpectedProcessing, "invalid-message-id": UnexpectedProcessing, "unknown-trading-relationship": AuthenticationFailed}
	written := map[string]bool{}
	for _, m := range Modifiers() {
		d := Failed(m.Word)
		if m.Kind == "warning" {
			d = Warned(m.Word)
		}
		if d.Kind != m.Kind || d.Accepted() != (m.Kind == "warning") || (d.Type == "failed") != (m.Kind == "failure") {
			t.Errorf("%s: %+v", m.Word, d)
		}
		if text := d.Explain(); text == "" || !strings.HasSuffix(text, ".") || m.Clause == "" {
			t.Errorf("%s: text %q, clause %q", m.Word, text, m.Clause)
		}
		if back, err := ParseDisposition(d.String()); err != nil || back != d {
			t.Errorf("%s: read back as %+v, %v", m.Word, back, err)
		}
		old, isNew := revision[m.Word]
		if d.For("1.3") != d || d.For("1.2") != d.For("1.0") || isNew != (d.For("") != d) || isNew && d.For("1.2") != Failed(old) {
			t.Errorf("%s: to old partners %v", m.Word, d.For("1.2"))
		}
		if isNew {
			delete(revision, m.Word)
		} else {
			written[d.String()] = true
		}
	}
	for _, s := range rfc {
		if !written[s] {
			t.Errorf("missing: %s", s)
		}
		delete(written, s)
	}
	if len(written) > 0 || len(revision) > 0 {
		t.Errorf("not of RFC 4130: %v; missing of rfc4130bis: %v", written, revision)
	}
}

// A message that was received is "processed" and nothing else.
func TestWhatCountsAsAccepted(t *testing.T) {
	for text, want := range map[string]bool{
		"x; processed": true, "x;PROCESSED ": true, "x; processed/warning": true, "x; processed/Warning: y": true,
		"x; processed/error": false, "x; processed/failure: y": false, "x; failed": false, "x; failed/warning: y": false, "x; processed/warning,error": false,
	} {
		if d, err := ParseDisposition(text); err != nil || d.Accepted() != want {
			t.Errorf("%q: %+v, %v", text, d, err)
		}
	}
	for word, want := range map[string]bool{"duplicate-document": true, "Duplicate Message": true, "duplicate": true, "duplicate-filename": false, "Duplicate File Name": false, "": false, "decryption-failed": false} {
		if Failed(word).Duplicate() != want {
			t.Errorf("%q: duplicate %v", word, !want)
		}
	}
}

// What stands in the first part says what the reader can do, and never more than the
// disposition does: there is one text for each.
func TestExplanations(t *testing.T) {
	seen := map[string]string{Processed.Explain(): "processed"}
	for _, m := range Modifiers() {
		if other, ok := seen[m.Text]; ok {
			t.Errorf("%s says what %s says", m.Word, other)
		}
		seen[m.Text] = m.Word
	}
	if Failed("their own").Explain() != "" {
		t.Error("a text for a word of others")
	}
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// Fuzzing starts from committed seeds; a target without them starts from nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	targets := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		src, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fuzzTarget.FindAllSubmatch(src, -1) {
			targets++
			if seeds, err := os.ReadDir("testdata/fuzz/" + string(m[1])); err != nil || len(seeds) == 0 {
				t.Errorf("%s has no seeds in testdata/fuzz: %v", m[1], err)
			}
		}
	}
	if targets == 0 {
		t.Error("no fuzz target at all")
	}
}
