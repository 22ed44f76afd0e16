package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// AddPartner puts a partner at the end of the partners of a config. Every byte that is
// there stays, but for the {} or null of a file that had no partner. What cannot be done
// so is an *EditError, and nothing was changed.
func AddPartner(text []byte, name string, value Value) ([]byte, error) {
	return edit(text, []string{"partners"}, name, value.node)
}

// AddItem puts an item at the end of a list such as stations, main, keys. A single value
// becomes a list.
func AddItem(text []byte, path []string, item Value) ([]byte, error) {
	return edit(text, path, "", item.node)
}

// EditError says why a file cannot be added to, and what was to be added.
type EditError struct {
	Path  string // where
	Fact  string
	Lines string // as they would stand there
}

func (e *EditError) Error() string {
	return fmt.Sprintf("%s: %s; nothing was changed. Add it by hand:\n%s", e.Path, e.Fact, e.Lines)
}

// change is one way to write an addition: what stands from one offset to another is
// replaced. Several are in the order of their offsets.
type change struct {
	from, to int
	text     string
}

// editor knows where the lines of a file are. YAML says of a value where it begins and
// not where it ends, so places are guessed, and a guess counts only if the file then means
// what it meant before, with the addition.
type editor struct {
	text  []byte
	lines []int // offset of each line
	eol   string
	step  int  // of indentation
	json  bool // the whole file is between brackets
}

// edit adds a key with its value to the mapping at a path, or without a key an item to the
// list there.
func edit(text []byte, path []string, key string, value *yaml.Node) ([]byte, error) {
	changes, err := planEdit(text, path, key, value)
	if err != nil {
		return nil, err
	}
	return applied(text, changes), nil
}

// planEdit finds the changes that make an addition.
func planEdit(text []byte, path []string, key string, value *yaml.Node) ([]change, error) {
	fail := func(fact string) error {
		lines, _ := block(value, key, 2) // for people only
		return &EditError{strings.Join(path, "."), fact, indented(lines, 2*len(path), "\n")}
	}
	root, err := rootOf(text)
	if err != nil {
		return nil, fail(err.Error())
	}
	e := &editor{text: text, lines: lineOffsets(text), eol: lineEnd(text), json: root.Style&yaml.FlowStyle != 0}
	p, err := e.find(root, path)
	if err != nil {
		return nil, fail(err.Error())
	}
	e.step = e.indentStep(root, p)
	guesses, err := e.guesses(p, path, key, value)
	if err != nil {
		return nil, fail(err.Error())
	}
	want := expected(root, path, key, value)
	for _, g := range guesses {
		if got, err := rootOf(applied(text, g)); err == nil && sameNode(got, want) {
			return g, nil
		}
	}
	return nil, fail("it is written in a way that cannot be added to")
}

// rootOf reads the one document of a file.
func rootOf(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("the file is no YAML: %w", err)
	}
	if err := dec.Decode(&second); err != io.EOF {
		return nil, errors.New("the file is no single document")
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the file is no mapping")
	}
	return doc.Content[0], nil
}

// place is where an addition goes.
type place struct {
	key   *yaml.Node // of the value; nil = it is missing from owner
	value *yaml.Node
	owner *yaml.Node // the mapping that key stands in
	limit int        // the line of what follows, from 1
	flow  bool       // within { } or [ ]
}

// find follows a path. Only its last key may be missing.
func (e *editor) find(root *yaml.Node, path []string) (place, error) {
	p := place{value: root, owner: root, limit: len(e.lines) + 1}
	for i, name := range path {
		p.owner, p.key = p.value, nil
		if p.owner.Kind == yaml.AliasNode {
			return p, fmt.Errorf("*%s stands for it, which may stand for others too", p.owner.Value)
		}
		p.flow = p.flow || p.owner.Style&yaml.FlowStyle != 0
		for j := 0; j+1 < len(p.owner.Content); j += 2 {
			if p.owner.Content[j].Value != name {
				continue
			}
			p.key, p.value = p.owner.Content[j], p.owner.Content[j+1]
			if j+2 < len(p.owner.Content) {
				p.limit = min(p.limit, p.owner.Content[j+2].Line)
			}
			break
		}
		if p.key == nil && i+1 < len(path) {
			return p, fmt.Errorf("there is no %s", strings.Join(path[:i+1], "."))
		}
	}
	if p.key != nil && p.value.Kind == yaml.AliasNode {
		return p, fmt.Errorf("*%s stands for it, which may stand for others too", p.value.Value)
	}
	return p, nil
}

// expected is a tree with the addition.
func expected(root *yaml.Node, path []string, key string, value *yaml.Node) *yaml.Node {
	copied := *root
	copied.Content = slices.Clone(root.Content)
	if len(path) == 0 {
		return added(&copied, key, value)
	}
	for i := 0; i+1 < len(copied.Content); i += 2 {
		if copied.Content[i].Value == path[0] {
			copied.Content[i+1] = expected(copied.Content[i+1], path[1:], key, value)
			return &copied
		}
	}
	name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0]}
	copied.Content = append(copied.Content, name, added(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, key, value))
	return &copied
}

// added is a value with a key, or an item, more.
func added(n *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	if key != "" {
		name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Anchor: n.Anchor, Content: append(slices.Clone(n.Content), name, value)}
	}
	items := n.Content
	switch {
	case n.ShortTag() == "!!null":
		items = nil
	case n.Kind != yaml.SequenceNode:
		items = []*yaml.Node{n}
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: append(slices.Clone(items), value)}
	if n.Kind == yaml.SequenceNode {
		list.Anchor = n.Anchor
	}
	return list
}

// sameNode reports whether two values mean the same, however they are written.
func sameNode(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !sameNode(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func applied(text []byte, changes []change) []byte {
	var b bytes.Buffer
	at := 0
	for _, c := range changes {
		b.Write(text[at:c.from])
		b.WriteString(c.text)
		at = c.to
	}
	b.Write(text[at:])
	return b.Bytes()
}

// block is a value in lines: a key with it, or without a key an item of a list.
func block(value *yaml.Node, key string, step int) ([]string, error) {
	value = inLines(value)
	if key == "" {
		value = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{value}}
	} else {
		value = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key, Tag: "!!str"}, value}}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(step)
	if err := errors.Join(enc.Encode(value), enc.Close()); err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"), nil
}

// inLines is a value that is not written between brackets; what is in it stays as it is.
func inLines(n *yaml.Node) *yaml.Node {
	copied := *n
	copied.Style &^= yaml.FlowStyle
	return &copied
}

func indented(lines []string, indent int, eol string) string {
	blanks := strings.Repeat(" ", indent)
	return blanks + strings.Join(lines, eol+blanks)
}

// flow is a value between brackets, in one line; with all texts in quotes it is JSON too.
func flow(n *yaml.Node, quotes bool) string {
	switch n.Kind {
	case yaml.MappingNode:
		var parts []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, flow(n.Content[i], quotes)+": "+flow(n.Content[i+1], quotes))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		var parts []string
		for _, c := range n.Content {
			parts = append(parts, flow(c, quotes))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if n.ShortTag() != "!!str" || !quotes && bare.MatchString(n.Value) && !slices.Contains(words, strings.ToLower(n.Value)) {
		return n.Value
	}
	return quoted(n.Value)
}

// bare is a text that needs no quotes, unless it is one of words, which mean something.
var (
	bare  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)
	words = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
)

// quoted is a text between double quotes, as YAML and JSON both read it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
