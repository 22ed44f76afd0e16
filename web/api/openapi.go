package api

import (
	"encoding"
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Description is the OpenAPI description of the API (OpenAPI 3.1). It is made of the routes,
// and its schemas of the Go types that are answered.
func Description() map[string]any {
	s := schemas{"Problem": nil}
	s["Problem"] = s.object(reflect.TypeFor[problem]())
	paths := map[string]any{}
	for _, r := range routes() {
		at, ok := paths[Prefix+r.path].(map[string]any)
		if !ok {
			at = map[string]any{}
			paths[Prefix+r.path] = at
		}
		at[strings.ToLower(r.method)] = s.operation(r)
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "as2drop", "version": "1",
			"description": "What an operator sees of a running as2drop agent, and what he can ask of it. Errors are application/problem+json (RFC 9457). Moments are RFC 3339; one that is left out has not come. Pages are the newest first: while there is a next, ask again with after=next.",
		},
		"servers":    []any{map[string]any{"url": "/"}},
		"security":   []any{map[string]any{"token": []any{}}},
		"paths":      paths,
		"components": map[string]any{"schemas": s, "securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer", "description": "as2drop token add makes one"}}},
	}
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

// operation describes one route.
func (s schemas) operation(r route) map[string]any {
	params := []any{}
	for _, m := range inPath.FindAllStringSubmatch(r.path, -1) {
		params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	for _, p := range r.params {
		schema := map[string]any{"type": p.kind}
		if p.kind == "moment" {
			schema["type"] = "string"
		}
		if p.enum != nil {
			schema["enum"] = p.enum
		}
		params = append(params, map[string]any{"name": p.name, "in": "query", "description": p.text, "schema": schema})
	}
	o := map[string]any{"operationId": operationID(r), "summary": r.summary, "description": "Takes the role " + string(r.role) + ".", "parameters": params}
	answers := map[string]any{
		strconv.Itoa(r.status): map[string]any{"description": http.StatusText(r.status), "content": content("application/json", s.of(r.result))},
		"default":              map[string]any{"description": "What is wrong, and what to do.", "content": content("application/problem+json", map[string]any{"$ref": "#/components/schemas/Problem"})},
	}
	if r.body != nil {
		o["requestBody"] = map[string]any{"required": true, "content": content("application/json", s.of(r.body))}
		o["parameters"] = append(params, map[string]any{"name": KeyField, "in": "header", "description": "Whatever the client chooses; a request with the same one is the same request.", "schema": map[string]any{"type": "string", "maxLength": 200}})
		answers[strconv.Itoa(r.status)].(map[string]any)["headers"] = map[string]any{"Location": map[string]any{"description": "Where to ask what became of it.", "schema": map[string]any{"type": "string"}}}
	}
	o["responses"] = answers
	return o
}

// operationID is a name for a route: getTransfersById.
func operationID(r route) string {
	name := strings.ToLower(r.method)
	for _, part := range strings.FieldsFunc(r.path, func(c rune) bool { return c == '/' || c == '.' }) {
		if m := inPath.FindStringSubmatch(part); m != nil {
			part = "by" + title(m[1])
		}
		name += title(part)
	}
	return name
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func content(kind string, schema any) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

// schemas are the components, by name.
type schemas map[string]any

// of is the schema of a type, as encoding/json writes it.
func (s schemas) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": []any{"string", "null"}, "contentEncoding": "base64"}
		}
		return map[string]any{"type": []any{"array", "null"}, "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": []any{"object", "null"}, "additionalProperties": s.of(t.Elem())}
	}
	name := nameOf(t)
	if _, known := s[name]; !known {
		s[name] = nil // it may be in itself
		s[name] = s.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// object is the schema of a struct.
func (s schemas) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []any{}
	s.fields(t, properties, &required)
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func (s schemas) fields(t reflect.Type, properties map[string]any, required *[]any) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "":
			s.fields(f.Type, properties, required)
			continue
		case tag == "-" || !f.IsExported():
			continue
		}
		properties[tag] = s.of(f.Type)
		if !strings.Contains(options, "omit") {
			*required = append(*required, tag)
		}
	}
}

// nameOf is what a type is called: Transfer of package views, LedgerTransfer of ledger,
// PageOfTransfer.
func nameOf(t reflect.Type) string {
	name, of, generic := strings.Cut(t.Name(), "[")
	if generic {
		return name + "Of" + strings.TrimSuffix(of[strings.LastIndex(of, ".")+1:], "]")
	}
	if p := path.Base(t.PkgPath()); p != "views" && p != "api" {
		name = title(p) + title(name)
	}
	return title(name)
}
