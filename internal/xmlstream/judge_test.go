//go:build judges

package xmlstream

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// xmllint says of each document what libxml2 finds wrong with it, empty for nothing.
func xmllint(t *testing.T, docs [][]byte) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--noout", "--nonet"}
	for i, doc := range docs {
		args = append(args, filepath.Join(dir, fmt.Sprintf("d%d.xml", i)))
		if err := os.WriteFile(args[len(args)-1], doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "xmllint", args...)
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("xmllint: %v: apt-get install libxml2-utils", err)
	}
	found := make([]string, len(docs))
	for line := range strings.Lines(out.String()) {
		rest, ok := strings.CutPrefix(line, dir+"/d")
		if !ok || !strings.Contains(line, " error : ") {
			continue
		}
		var i int
		if _, err := fmt.Sscanf(rest, "%d.xml:", &i); err == nil && found[i] == "" {
			found[i] = strings.TrimSpace(rest)
		}
	}
	return found
}

// colonAtAnEnd is in a document type whose name begins or ends with a colon.
var colonAtAnEnd = regexp.MustCompile(`<!DOCTYPE\s+(:|[^\s>]*:[\s>])`)

// disputed are documents that libxml2 is known to see differently, with the reason.
func disputed(doc []byte, ours error, theirs string) bool {
	fault := fmt.Sprint(ours)
	switch {
	case strings.Contains(fault, "declares entities"): // refused here on purpose
	case strings.Contains(fault, "not read here"): // so are encodings
	case strings.Contains(fault, "byte order mark says"): // it believes the mark and goes on
	case strings.Contains(fault, "not declared") && bytes.Contains(doc, []byte("<!DOCTYPE")):
	case strings.Contains(fault, "is no version"), strings.Contains(fault, "is no character of"):
	case strings.Contains(theirs, "is not a valid URI"): // no matter of being well-formed
	case colonAtAnEnd.Match(doc): // which it lets through, against Namespaces in XML, 4
	case strings.Contains(fault, "missing in the document type"): // XML 1.0, production 28 wants it
	case bytes.IndexByte(doc, 0) > 0: // where the document ends for a program in C
	default:
		return false
	}
	return true
}

// Both accept the same documents, good and spoilt ones.
func TestJudgeXmllintOnMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 2026))
	var docs [][]byte
	all := samples(t)
	for _, name := range slices.Sorted(maps.Keys(all)) { // the same mutations each time
		doc := all[name]
		docs = append(docs, doc)
		for range 1 + 8_000_000/(len(doc)+4_000) {
			docs = append(docs, mutate(r, doc))
		}
	}
	for _, doc := range seeds {
		docs = append(docs, []byte(doc))
		for range 1000 {
			docs = append(docs, mutate(r, []byte(doc)))
		}
	}
	good, bad := 0, 0
	for len(docs) > 0 {
		batch := docs[:min(len(docs), 1000)]
		docs = docs[len(batch):]
		for i, theirs := range xmllint(t, batch) {
			ours := Check(bytes.NewReader(batch[i]), Limits{})
			switch {
			case ours == nil && theirs == "":
				good++
			case ours != nil && theirs != "":
				bad++
			case !disputed(batch[i], ours, theirs):
				t.Errorf("%.400q\nwe       %v\nxmllint  %s", batch[i], ours, theirs)
			}
		}
	}
	t.Logf("%d documents are well-formed for both, %d for neither", good, bad)
	if good < 1000 || bad < 1000 {
		t.Error("the documents prove nothing")
	}
}
