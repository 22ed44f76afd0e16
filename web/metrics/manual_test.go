package metrics

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table into docs/monitoring.md anew")

var (
	docs   = filepath.Join("..", "..", "docs")
	manual = filepath.Join(docs, "monitoring.md")
	rules  = filepath.Join(docs, "prometheus", "as2drop.rules.yml")
	board  = filepath.Join(docs, "grafana", "as2drop.json")
)

// kindOf are the metrics of a scrape with their types.
func kindOf(body string) map[string]string {
	kinds := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(body, -1) {
		kinds[m[1]] = m[2]
	}
	return kinds
}

// table is what the manual says of each metric of ours, as a scrape describes itself.
func table(body string) string {
	kinds := kindOf(body)
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range regexp.MustCompile(`(?m)^# HELP (as2drop_\S+) (.*)$`).FindAllStringSubmatch(body, -1) {
		labels := map[string]bool{}
		for _, s := range regexp.MustCompile(`(?m)^`+m[1]+`(?:_bucket)?\{(.*)\} `).FindAllStringSubmatch(body, -1) {
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(s[1], -1) {
				if l[1] != "le" {
					labels[l[1]] = true
				}
			}
		}
		var names []string
		for l := range labels {
			names = append(names, "`"+l+"`")
		}
		slices.Sort(names)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m[1], kinds[m[1]], strings.Join(names, ", "), m[2])
	}
	return b.String()
}

func TestTableInTheManual(t *testing.T) {
	_, body := scrape(t, full(), "")
	raw, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "\r\n", "\n")
	const begin, end = "<!-- metrics: go test ./web/metrics -update -->\n", "<!-- end of metrics -->\n"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", manual)
	}
	want := before + begin + table(body) + end + after
	if *update {
		if err := os.WriteFile(manual, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != want {
		t.Errorf("%s is older than the metrics: go test ./web/metrics -update", manual)
	}
}

// word is the name of a metric in an expression.
var word = regexp.MustCompile(`\b(?:as2drop|go|process)_[a-z0-9_]+`)

// expressions are those of the dashboard and of the rules.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	raw, err := os.ReadFile(board)
	if err != nil {
		t.Fatal(err)
	}
	var d any
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				if text, ok := inner.(string); ok && (key == "expr" || key == "query" || key == "definition") {
					all = append(all, text)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(d)
	raw, err = os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(string(raw), -1) {
		all = append(all, m[1])
	}
	return all
}

// What the dashboard and the rules ask for exists, and so does what the manual names.
func TestEveryNameExists(t *testing.T) {
	_, body := scrape(t, full(), "")
	kinds := kindOf(body)
	exprs := expressions(t)
	if len(exprs) < 40 {
		t.Errorf("only %d expressions were found", len(exprs))
	}
	raw, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(exprs, string(raw)) {
		for _, name := range word.FindAllString(e, -1) {
			if name == "go_" || name == "process_" {
				continue // "go_*" of the manual
			}
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if kinds[name] == "" && kinds[base] != "histogram" {
				t.Errorf("%s: there is no such metric", name)
			}
		}
	}
}
