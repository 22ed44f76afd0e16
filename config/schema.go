package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// object is a JSON object that keeps its order, so that the schema reads as the reference does.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		var value bytes.Buffer
		e := json.NewEncoder(&value)
		e.SetEscapeHTML(false)
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(bytes.TrimSpace(value.Bytes()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// sameTables are mappings whose table is described for another one.
var sameTables = map[string]string{
	"partners.NAME.client.proxy_login":        "partners.NAME.client.basic",
	"partners.NAME.client.client_certificate": "stations.NAME.keys[]",
	"partners.NAME.hooks.after_failed[]":      "partners.NAME.hooks.after_sent[]",
	"partners.NAME.hooks.after_received[]":    "partners.NAME.hooks.after_sent[]",
}

// Schema is the JSON schema (draft 2020-12) of the file, for editors, from the tables that
// the decoder uses. It judges shapes: keys, types, words and forms of values. It never
// refuses what Load takes, but for numbers, true and false in quotes and ciphers in capital
// letters; what takes more than one value or a file to know, Load alone knows.
func Schema() string {
	all := map[string]table{}
	for _, t := range tables() {
		all[t.path] = t
	}
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "config.yaml of as2drop"},
	}
	root = append(root, mappingSchema(all, all[""])...)
	var defs object
	for _, t := range tables() {
		if t.path != "" {
			defs = append(defs, member{t.path, mappingSchema(all, t)})
		}
	}
	root = append(root, member{"$defs", defs})
	raw, err := json.Marshal(root)
	if err != nil {
		panic(err) // it is made of texts, numbers and lists
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		panic(err)
	}
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(b.String())
	return text + "\n"
}

// mappingSchema is the schema of one table.
func mappingSchema(all map[string]table, t table) object {
	var properties object
	var required []string
	for _, r := range t.rows {
		value := append(object{{"description", r.about()}}, valueSchema(all, join(t.path, r.name), r)...)
		properties = append(properties, member{r.name, value})
		if r.def == "required" {
			required = append(required, r.name)
		}
	}
	o := object{{"type", "object"}}
	if t.intro != "" {
		o = append(o, member{"description", t.intro})
	}
	o = append(o, member{"additionalProperties", false}, member{"properties", properties})
	if required != nil {
		o = append(o, member{"required", required})
	}
	return o
}

// orNothing takes a key without a value too, which means the default.
func orNothing(o object) object {
	for i, m := range o {
		switch v := m.value.(type) {
		case string:
			if m.name == "type" {
				o[i].value = []string{v, "null"}
				return o
			}
		case []string:
			o[i].value = append(v, "null")
			return o
		case []any:
			o[i].value = append(v, nil)
			return o
		}
	}
	return anyOf(o, object{{"type", "null"}})
}

func anyOf(of ...object) object { return object{{"anyOf", of}} }

// one or several: a list may be a single value.
func several(of object) object {
	return anyOf(of, object{{"type", "array"}, {"items", of}}, object{{"type", "null"}})
}

func ref(path string) object { return object{{"$ref", "#/$defs/" + path}} }

// known says whether there is a table for a path, and which.
func known(all map[string]table, path string) (string, bool) {
	if same, ok := sameTables[path]; ok {
		path = same
	}
	_, ok := all[path]
	return path, ok
}

// valueSchema is the schema of what may stand behind a key.
func valueSchema(all map[string]table, path string, r row) object {
	if item, ok := known(all, path+"[]"); ok {
		of := ref(item)
		if strings.Contains(r.typ, "files or mappings") {
			of = anyOf(textSchema(""), of)
		}
		return several(of)
	}
	if named, ok := known(all, path+".NAME"); ok {
		return orNothing(namedSchema(ref(named)))
	}
	if same, ok := known(all, path); ok {
		return orNothing(ref(same))
	}
	switch rest, isList := strings.CutPrefix(r.typ, "list of "); {
	case r.typ == "list":
		return several(textSchema(""))
	case r.typ == "mapping" || r.typ == "names with text":
		return orNothing(namedSchema(textSchema("")))
	case isList:
		return several(scalarSchema(rest))
	}
	return orNothing(scalarSchema(r.typ))
}

func namedSchema(of object) object {
	return object{{"type", "object"}, {"propertyNames", object{{"pattern", "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}}}, {"additionalProperties", of}}
}

// text is a scalar, of which numbers and true are texts too where text is wanted. A
// pattern judges what is written as text.
func textSchema(pattern string) object {
	o := object{{"type", []string{"string", "number", "boolean"}}}
	if pattern != "" {
		o = append(o, member{"pattern", pattern})
	}
	return o
}

const (
	durationShape = `\+?(0|[0-9]+d|([0-9]*\.?[0-9]+(ns|us|µs|μs|ms|s|m|h))+)`
	sizeShape     = `[0-9]+ *(KiB|MiB|GiB|TiB|kB|MB|GB|TB|B)`
)

// shapes are the shapes of values by the word of the reference, in singular or plural.
var shapes = map[string]string{
	"duration":               "^" + durationShape + "$",
	"duration or off":        "^(off|" + durationShape + ")$",
	"duration or forever":    "^(forever|" + durationShape + ")$",
	"size":                   "^" + sizeShape + "$",
	"size or off":            "^(off|" + sizeShape + ")$",
	"forever, days or years": `^(forever|[0-9]+[dy])$`,
	"permissions":            `^[0-7]+$`,
}

var word = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)

// kinds are words of the reference that are no values themselves.
var kinds = map[string]bool{"name": true, "number": true, "host": true, "schedules": true, "windows": true, "files": true, "mappings": true, "file": true, "mapping": true}

// scalarSchema is the schema of one scalar by what the reference says of it. What it does
// not understand is text.
func scalarSchema(typ string) object {
	if pattern, ok := shapes[typ]; ok {
		return textSchema(pattern)
	}
	if pattern, ok := shapes[strings.TrimSuffix(typ, "s")]; ok {
		return textSchema(pattern)
	}
	if typ == "true or false" {
		return object{{"type", "boolean"}}
	}
	if least, most, ok := strings.Cut(typ, " to "); ok {
		low, err1 := strconv.ParseFloat(least, 64)
		high, err2 := strconv.ParseFloat(most, 64)
		if err1 == nil && err2 == nil {
			return object{{"type", "number"}, {"minimum", low}, {"maximum", high}}
		}
	}
	if typ == "number" {
		return object{{"type", "integer"}}
	}
	if words := choices(typ); words != nil {
		return choice(words)
	}
	return textSchema("")
}

// choices are the words of "a, b or c" and of "one of a, b".
func choices(typ string) []string {
	rest, one := strings.CutPrefix(typ, "one of ")
	words := strings.FieldsFunc(strings.ReplaceAll(rest, " or ", ", "), func(r rune) bool { return r == ',' })
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
		if !word.MatchString(words[i]) || kinds[words[i]] {
			return nil
		}
	}
	if len(words) < 2 && !one {
		return nil
	}
	return words
}

// choice is one of some words. Ciphers have further names; as2_version may stand without
// quotes, as a number.
func choice(words []string) object {
	values := []any{}
	for _, w := range words {
		values = append(values, w)
		if n, err := strconv.ParseFloat(w, 64); err == nil {
			values = append(values, n)
		}
		if c, err := cms.ParseCipher(w); err == nil {
			for _, alias := range c.Aliases() {
				values = append(values, alias)
			}
		}
	}
	return object{{"enum", values}}
}
