//go:build judges

package config

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The library jsonschema of Python finds the schema right by its draft, and thinks of every
// config what our own reading of the schema does.
func TestJudgeSchema(t *testing.T) {
	python := os.Getenv("AS2DROP_JUDGE_PYTHON")
	if python == "" {
		t.Fatal("AS2DROP_JUDGE_PYTHON is not set; run make judges")
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "schema.json"), Schema())
	want := map[string]bool{}
	for name, text := range configs(t) {
		var value any
		if yaml.Unmarshal([]byte(text), &value) != nil || len(text) > 100_000 || strings.Contains(name, "alias") {
			continue
		}
		file := strings.NewReplacer("/", "_", string(filepath.Separator), "_", " ", "_").Replace(name) + ".yaml"
		write(t, filepath.Join(dir, file), text)
		want[file] = validator{schema}.check(schema, value, "") == ""
	}
	cmd := exec.Command(python, filepath.Join("..", "testdata", "judges", "config_schema.py"), dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || len(want) < 100 {
		t.Errorf("%d configs were judged, there are %d", len(got), len(want))
	}
	for file, taken := range want {
		if strings.HasPrefix(got[file], "no YAML") {
			continue // ruamel.yaml is stricter than the library that the agent reads with
		}
		if (got[file] == "") != taken {
			t.Errorf("%s: we say %v, jsonschema says %q", file, taken, got[file])
		}
	}
}
