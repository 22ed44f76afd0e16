//go:build judges

package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool asks Prometheus' own tool.
func promtool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Prometheus reads what we answer and finds nothing to complain of.
func TestJudgePrometheusReadsTheMetrics(t *testing.T) {
	_, body := scrape(t, full(), "")
	if out, err := promtool(t, body, "check", "metrics"); err != nil || strings.Contains(out, namespace) {
		t.Errorf("%v\n%s", err, out)
	}
	// The judge notices what it must.
	if out, err := promtool(t, strings.ReplaceAll(body, "as2drop_received_total", "as2drop_received"), "check", "metrics"); err == nil {
		t.Errorf("a counter without _total is right:\n%s", out)
	}
}

// Prometheus loads the rules, and they fire when they should and not otherwise.
func TestJudgePrometheusTriesTheRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", strings.Replace(rules, ".rules.", ".rules.test.", 1)}} {
		if out, err := promtool(t, "", args...); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// Every expression of the dashboard is one that Prometheus takes.
func TestJudgePrometheusReadsTheDashboard(t *testing.T) {
	var list []any
	for _, e := range expressions(t) {
		if e == "prometheus" || strings.HasPrefix(e, "label_values(") {
			continue
		}
		e = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$partner", ".*").Replace(e)
		list = append(list, map[string]any{"record": fmt.Sprintf("panel:%d", len(list)), "expr": e})
	}
	check := func(list []any) (string, error) {
		text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "board", "rules": list}}}) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "board.yml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return promtool(t, "", "check", "rules", file)
	}
	if out, err := check(list); err != nil || !strings.Contains(out, fmt.Sprintf("%d rules found", len(list))) || len(list) < 40 {
		t.Errorf("%d expressions: %v\n%s", len(list), err, out)
	}
	if out, err := check([]any{map[string]any{"record": "wrong", "expr": "sum(rate(x)"}}); err == nil {
		t.Errorf("the judge takes anything:\n%s", out)
	}
}
