package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxValues bounds how many values one file may stand for. An alias counts each time
// it is used, so that a few lines cannot expand to millions of partners. Five thousand partners that
// say everything are 600,000.
const maxValues = 1_000_000

// decoder collects mistakes while it walks the nodes.
type decoder struct {
	file   string
	errs   Errors
	lines  map[string]int  // where each key of the file is, by its path
	broken map[string]bool // paths whose value has the wrong type
	said   map[string]said // what stands where, for Diff
	values int
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, lines: map[string]int{}, broken: map[string]bool{}, said: map[string]said{}}
}

// report adds a mistake at a path; its line is that of the nearest key in the file. It
// says nothing where the value could not be read: that was said already.
func (d *decoder) report(path, hint, format string, args ...any) {
	for p := path; ; p = parent(p) {
		if d.broken[p] {
			return
		}
		if p == "" {
			break
		}
	}
	d.fail(d.line(path), path, hint, format, args...)
}

func (d *decoder) fail(line int, path, hint, format string, args ...any) {
	d.errs = append(d.errs, Error{d.file, max(line, 1), path, fmt.Sprintf(format, args...), hint})
}

// line is where a key stands, or else the mapping or list that it would stand in.
func (d *decoder) line(path string) int {
	for path != "" {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = parent(path)
	}
	return 1
}

func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// wrongType adds a mistake and marks the path as broken.
func (d *decoder) wrongType(line int, path, want string, n *yaml.Node) {
	d.broken[path] = true
	d.fail(line, path, "", "must be %s, is %s", want, kindOf(n))
}

// enter notes where a value is and says whether there is room for it.
func (d *decoder) enter(path string, line int) bool {
	d.values++
	if d.values == maxValues+1 {
		d.fail(line, path, "use fewer aliases", "the file stands for more than %d values", maxValues)
	}
	if d.values > maxValues {
		return false
	}
	d.lines[path] = line
	return true
}

// key is one line of the table: a key of a mapping, for people and for the decoder.
type key[T any] struct {
	name, typ, def, doc string
	set                 func(d *decoder, v *T, n *yaml.Node, path string)
}

// mapping decodes a mapping by its table.
func mapping[T any](d *decoder, v *T, n *yaml.Node, path string, table []key[T]) {
	line := n.Line
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		d.wrongType(line, path, "a mapping (key: value)", n)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		at := join(path, plain(k.Value))
		if first, ok := seen[k.Value]; ok {
			d.fail(k.Line, at, "", "is here twice, first on line %d", first)
			continue
		}
		seen[k.Value] = k.Line
		if !d.enter(at, k.Line) {
			return
		}
		if k.Tag == "!!merge" {
			d.fail(k.Line, at, "give the mapping below an anchor and use it as a whole: send: *name", "merge keys are not read")
			continue
		}
		j := slices.IndexFunc(table, func(t key[T]) bool { return t.name == k.Value })
		if j < 0 {
			names := make([]string, len(table))
			for i, t := range table {
				names[i] = t.name
			}
			if hint := secretHint(k.Value, names); hint != "" {
				d.fail(k.Line, at, hint, "a secret does not belong into this file, whose text is kept in the ledger")
				continue
			}
			d.fail(k.Line, at, didYouMean(k.Value, names), "is no key that is known")
			continue
		}
		if isNull(value) {
			continue // "key:" without a value means the default
		}
		table[j].set(d, v, value, at)
	}
}

// named decodes a mapping whose keys are names that the operator chose.
func named(d *decoder, n *yaml.Node, path string, each func(name string, value *yaml.Node, path string)) {
	line := n.Line
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		d.wrongType(line, path, "a mapping of names", n)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := join(path, plain(k.Value))
		if first, ok := seen[strings.ToLower(k.Value)]; ok {
			d.fail(k.Line, at, "upper and lower case do not tell names apart", "is here twice, first on line %d", first)
			continue
		}
		seen[strings.ToLower(k.Value)] = k.Line
		if !d.enter(at, k.Line) {
			return
		}
		if !validName(k.Value) {
			d.fail(k.Line, at, "", "a name has letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
			continue
		}
		each(k.Value, n.Content[i+1], at)
	}
}

// CheckName reports why a partner or station cannot have a name.
func CheckName(name string) error {
	if !validName(name) {
		return fmt.Errorf("%q is no name: it has letters, digits, dots, hyphens and underscores, begins with a letter or digit, and has 64 characters at most", name)
	}
	return nil
}

func validName(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && (i == 0 || r != '.' && r != '-' && r != '_') {
			return false
		}
	}
	return s != "" && len(s) <= 64 && !strings.HasSuffix(s, ".")
}

// list decodes a sequence; a single value is a list of one.
func list(d *decoder, n *yaml.Node, path string, each func(value *yaml.Node, path string)) {
	items := []*yaml.Node{n}
	if seq := resolve(n); seq.Kind == yaml.SequenceNode {
		items = seq.Content
	}
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !d.enter(at, item.Line) {
			return
		}
		each(item, at)
	}
}

// resolve follows an alias. An alias inside its own anchor does no harm: the tables are
// only a few levels deep, and enter counts.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return resolve(n).ShortTag() == "!!null" }

// plain quotes a key of the file that would make a message unreadable.
func plain(key string) string {
	if validName(key) {
		return key
	}
	return strconv.Quote(key)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "empty"
	}
	return fmt.Sprintf("%q", n.Value)
}

func (d *decoder) scalar(n *yaml.Node, path, what string) (string, bool) {
	line := n.Line // of the alias, where the value is used
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.wrongType(line, path, what, n)
		return "", false
	}
	d.said[path] = said{text: n.Value}
	return n.Value, true
}
