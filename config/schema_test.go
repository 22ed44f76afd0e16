package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
)

func TestSchemaIsFresh(t *testing.T) {
	golden(t, filepath.Join("..", "docs", "config.schema.json"), Schema())
}

// ofShape are the mistakes that a schema can know.
var ofShape = regexp.MustCompile(`is no key that is known|must be (true or false|one of|a whole number|a number|a size|a duration|forever|a mapping|text, is a|permissions)`)

// The schema takes every config that the decoder takes, and refuses every mistake of shape
// that the decoder refuses: the examples of this package, the template, the config of the checkout and
// those of all scripts.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	taken, refused := 0, 0
	for name, text := range configs(t) {
		d := newDecoder(name)
		if root := d.parse([]byte(text)); root != nil {
			mapping(d, &Config{}, root, "", rootKeys())
		}
		var value any
		if yaml.Unmarshal([]byte(text), &value) != nil || strings.Contains(text, "<<:") || d.values > 10_000 {
			continue // no YAML, or none that says the same to others
		}
		wrong := validator{schema}.check(schema, value, "")
		shape := slices.ContainsFunc(d.errs, func(e Error) bool { return ofShape.MatchString(e.Fact) })
		switch {
		case len(d.errs) == 0 && !lacksKey(wrong):
			taken++
			if wrong != "" {
				t.Errorf("%s: the decoder takes it, the schema says: %s", name, wrong)
			}
		case shape:
			refused++
			if wrong == "" {
				t.Errorf("%s: the schema takes what the decoder refuses: %v", name, d.errs)
			}
		}
	}
	if taken < 60 || refused < 20 {
		t.Errorf("only %d configs were taken and %d refused", taken, refused)
	}
}

// lacksKey says whether all that is wrong is a key that is not there: the decoder leaves
// that to what comes after it.
func lacksKey(wrong string) bool { return strings.Contains(wrong, "is required") }

// configs are all texts of a config that there are.
func configs(t *testing.T) map[string]string {
	t.Helper()
	packaged, err := Template(Packaged)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"full": full, "template": packaged, "template, acme": strings.NewReplacer("partners: {}", "partners:", "\n#  ", "\n  ", "\n# Remove", "\n## Remove").Replace(packaged)}
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join("..", "config.yaml")) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(b)
	}
	for _, p := range Presets {
		all["preset "+p.Name] = "stations: {main: {as2_id: A, keys: []}}\npartners:\n  p:\n    as2_id: P\n    station: main\n    url: https://x.example\n    certificates: x.pem\n" + regexp.MustCompile("(?m)^").ReplaceAllString(p.YAML, "    ")
	}
	scripts, err := filepath.Glob(filepath.Join("..", "testdata", "*", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		a, err := txtar.ParseFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				all[filepath.Base(script)+"/"+f.Name] = string(f.Data)
			}
		}
	}
	return all
}

// validator knows as much of JSON schema as Schema uses. That others read the schema in the
// same way is shown by TestJudgeSchema.
type validator struct{ root map[string]any }

func (v validator) check(schema map[string]any, value any, at string) string {
	if r, ok := schema["$ref"].(string); ok {
		target, ok := v.root["$defs"].(map[string]any)[strings.TrimPrefix(r, "#/$defs/")].(map[string]any)
		if !ok {
			return r + ": no such schema"
		}
		return v.check(target, value, at)
	}
	if of, ok := schema["anyOf"].([]any); ok {
		var all []string
		for _, s := range of {
			wrong := v.check(s.(map[string]any), value, at)
			if wrong == "" {
				return ""
			}
			all = append(all, wrong)
		}
		return strings.Join(all, "; ")
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, scalar(value)) {
		return fmt.Sprintf("%s: %v is none of %v", at, value, enum)
	}
	if want, ok := schema["type"]; ok && !slices.ContainsFunc(kindsOf(value), func(k string) bool { return strings.Contains(fmt.Sprint(" ", want, " "), k) }) {
		return fmt.Sprintf("%s: is %T, not %v", at, value, want)
	}
	if s, ok := scalar(value).(string); ok {
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(s) {
			return fmt.Sprintf("%s: %q does not match %s", at, s, p)
		}
	}
	if n, ok := scalar(value).(float64); ok {
		low, isLow := schema["minimum"].(float64)
		high, isHigh := schema["maximum"].(float64)
		if isLow && n < low || isHigh && n > high {
			return fmt.Sprintf("%s: %v is not from %v to %v", at, n, low, high)
		}
	}
	switch x := value.(type) {
	case []any:
		for i, item := range x {
			if wrong := v.check(schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case map[string]any:
		return v.members(schema, x, at)
	}
	return ""
}

func (v validator) members(schema, value map[string]any, at string) string {
	properties, _ := schema["properties"].(map[string]any)
	for name, item := range value {
		under := properties[name]
		if under == nil {
			under = schema["additionalProperties"]
		}
		one, ok := under.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: no key %s", at, name)
		}
		if wrong := v.check(one, item, join(at, name)); wrong != "" {
			return wrong
		}
		if p, ok := schema["propertyNames"].(map[string]any); ok && !regexp.MustCompile(p["pattern"].(string)).MatchString(name) {
			return fmt.Sprintf("%s: %q is no name", at, name)
		}
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if value[name.(string)] == nil {
			return fmt.Sprintf("%s: %s is required", at, name)
		}
	}
	return ""
}

// scalar is a value of YAML as JSON has it.
func scalar(value any) any {
	switch x := value.(type) {
	case int:
		return float64(x)
	case time.Time:
		return x.Format(time.DateOnly)
	}
	return value
}

func kindsOf(value any) []string {
	switch x := scalar(value).(type) {
	case nil:
		return []string{"null"}
	case string:
		return []string{"string"}
	case bool:
		return []string{"boolean"}
	case float64:
		if x == math.Trunc(x) {
			return []string{"number", "integer"}
		}
		return []string{"number"}
	case []any:
		return []string{"array"}
	}
	return []string{"object"}
}
