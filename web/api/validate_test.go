package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// validator holds values against the schemas of a description.
type validator struct{ schemas map[string]any }

// check returns what is wrong with a value, and where.
func (v validator) check(at string, schema map[string]any, value any) (wrong []string) {
	if ref, ok := schema["$ref"].(string); ok {
		of, ok := v.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		if !ok {
			return []string{at + ": there is no schema " + ref}
		}
		return v.check(at, of, value)
	}
	if t := schema["type"]; t != nil && !isOf(t, value) {
		return []string{fmt.Sprintf("%s: %T, want %v", at, value, t)}
	}
	switch x := value.(type) {
	case string:
		if schema["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339Nano, x); err != nil {
				wrong = append(wrong, at+": "+err.Error())
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any) // none = whatever they are
		for i, e := range x {
			wrong = append(wrong, v.check(fmt.Sprintf("%s[%d]", at, i), items, e)...)
		}
	case map[string]any:
		wrong = append(wrong, v.object(at, schema, x)...)
	}
	return wrong
}

func (v validator) object(at string, schema, value map[string]any) (wrong []string) {
	properties, _ := schema["properties"].(map[string]any)
	if required, ok := schema["required"].([]any); ok {
		for _, name := range required {
			if _, there := value[name.(string)]; !there {
				wrong = append(wrong, fmt.Sprintf("%s: %v is missing", at, name))
			}
		}
	}
	for name, e := range value {
		of, known := properties[name].(map[string]any)
		if !known {
			if of, known = schema["additionalProperties"].(map[string]any); !known && schema["additionalProperties"] == false {
				wrong = append(wrong, at+": nobody knows "+name)
			}
		}
		if of != nil {
			wrong = append(wrong, v.check(at+"."+name, of, e)...)
		}
	}
	return wrong
}

func isOf(kind, value any) bool {
	if kinds, ok := kind.([]any); ok {
		return slices.ContainsFunc(kinds, func(k any) bool { return isOf(k, value) })
	}
	switch x := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && x == math.Trunc(x)
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}

// The validator finds what is wrong.
func TestValidator(t *testing.T) {
	var schemas map[string]any
	if err := json.Unmarshal([]byte(`{"A":{"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":{"type":"integer"},"b":{"type":["array","null"],"items":{"type":"string","format":"date-time"}}}}}`), &schemas); err != nil {
		t.Fatal(err)
	}
	v := validator{schemas}
	for text, want := range map[string]int{`{"a":1}`: 0, `{"a":1,"b":null}`: 0, `{"a":1,"b":["2026-11-26T08:00:00Z"]}`: 0, `{}`: 1, `{"a":1.5}`: 1, `{"a":1,"c":1}`: 1, `{"a":1,"b":["x"]}`: 1, `{"a":1,"b":{}}`: 1, `[]`: 1} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatal(err)
		}
		if wrong := v.check("", map[string]any{"$ref": "#/components/schemas/A"}, value); len(wrong) != want {
			t.Errorf("%s: %q", text, wrong)
		}
	}
}
