package config

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// lineOffsets are the offsets of the lines, as YAML counts them.
func lineOffsets(text []byte) []int {
	lines := []int{0}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		i += n
		switch r {
		case '\r':
			if i < len(text) && text[i] == '\n' {
				i++
			}
			lines = append(lines, i)
		case '\n', '\u0085', '\u2028', '\u2029':
			lines = append(lines, i)
		}
	}
	return lines
}

// lineEnd is how the lines of a file end.
func lineEnd(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// line is the text of a line without its end, from 1.
func (e *editor) line(n int) string {
	return strings.TrimRight(string(e.text[e.lines[n-1]:e.after(n)]), "\r\n")
}

// after is the offset behind a line, from 1.
func (e *editor) after(n int) int {
	if n < len(e.lines) {
		return e.lines[n]
	}
	return len(e.text)
}

// offset is where a node begins. Columns are counted in characters.
func (e *editor) offset(n *yaml.Node) int {
	at := e.lines[n.Line-1]
	if n.Line == 1 && bytes.HasPrefix(e.text, []byte("\ufeff")) {
		at += len("\ufeff")
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at
}

// indentStep is how far the file indents below a key.
func (e *editor) indentStep(root *yaml.Node, p place) int {
	step := func(owner, child *yaml.Node) int {
		if owner.Kind != yaml.MappingNode || child.Kind != yaml.MappingNode || child.Style&yaml.FlowStyle != 0 || len(child.Content) == 0 {
			return 0
		}
		return child.Content[0].Column - owner.Content[0].Column
	}
	if p.key != nil && p.value.Kind == yaml.MappingNode {
		for i := len(p.value.Content) - 1; i > 0; i -= 2 {
			if s := step(p.value, p.value.Content[i]); s > 1 {
				return min(s, 8)
			}
		}
	}
	for i := 1; i < len(root.Content); i += 2 {
		if s := step(root, root.Content[i]); s > 1 {
			return min(s, 8)
		}
	}
	return 2
}

// guesses are the places where an addition may go, the best first.
func (e *editor) guesses(p place, path []string, key string, value *yaml.Node) ([][]change, error) {
	inFlow := flow(value, e.json)
	if key != "" {
		inFlow = flow(Text(key).node, e.json) + ": " + inFlow
	}
	switch {
	case p.key == nil:
		return e.intoOwner(p, path[len(path)-1], key, value)
	case key == "" && p.value.Kind == yaml.MappingNode, key == "" && p.flow && p.value.Kind == yaml.ScalarNode:
		return e.aroundValue(p, inFlow), nil
	case p.value.Style&yaml.FlowStyle != 0:
		return e.intoFlow(p, key, value, inFlow)
	case p.flow:
		return nil, nil
	case p.value.ShortTag() == "!!null":
		return e.belowKey(p, p.value.Value, key, value)
	case key == "" && p.value.Kind == yaml.ScalarNode:
		return e.aroundValue(p, inFlow), nil
	case key != "" && p.value.Kind != yaml.MappingNode:
		return nil, nil // nonsense
	}
	first := p.value.Content[0].Column - 1
	if key == "" {
		return e.behindItems(p, value)
	}
	return e.behind(p, first, key, value)
}

// intoOwner adds a key that is missing, with the addition below it.
func (e *editor) intoOwner(p place, name, key string, value *yaml.Node) ([][]change, error) {
	var n *yaml.Node
	if key == "" {
		n = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{inLines(value)}}
	} else {
		n = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, inLines(value)}}
	}
	if p.flow {
		return e.intoFlow(place{value: p.owner, flow: true}, name, n, flow(Text(name).node, e.json)+": "+flow(n, e.json))
	}
	if len(p.owner.Content) == 0 {
		return nil, nil
	}
	return e.behind(place{value: p.owner, limit: p.limit}, p.owner.Content[0].Column-1, name, n)
}

// belowKey puts an addition below a key whose value is nothing, which goes.
func (e *editor) belowKey(p place, nothing, key string, value *yaml.Node) ([][]change, error) {
	lines, err := block(value, key, e.step)
	if err != nil {
		return nil, err
	}
	text := indented(lines, p.key.Column-1+e.step, e.eol)
	from, end := e.offset(p.value), e.after(p.key.Line)
	var changes []change
	if nothing != "" {
		i := strings.Index(string(e.text[min(from, end):end]), nothing)
		if i < 0 {
			return nil, nil
		}
		at := from + i
		to := at + len(nothing)
		if rest := strings.TrimRight(string(e.text[to:end]), "\r\n"); strings.TrimSpace(rest) == "" {
			for at > 0 && e.text[at-1] == ' ' {
				at--
			}
		}
		changes = append(changes, change{at, to, ""})
	}
	return [][]change{append(changes, e.lineAt(end, text))}, nil
}

// lineAt is lines put between two lines, or at the end of the file.
func (e *editor) lineAt(at int, text string) change {
	if at == len(e.text) && at > 0 && e.text[at-1] != '\n' && e.text[at-1] != '\r' {
		return change{at, at, e.eol + text}
	}
	return change{at, at, text + e.eol}
}

// behind puts a key behind the others of a mapping in lines.
func (e *editor) behind(p place, indent int, key string, value *yaml.Node) ([][]change, error) {
	lines, err := block(value, key, e.step)
	if err != nil {
		return nil, err
	}
	return e.behindLines(p, indent, indented(lines, indent, e.eol)), nil
}

// behindItems puts an item behind the others of a list in lines, in the form of the last.
func (e *editor) behindItems(p place, value *yaml.Node) ([][]change, error) {
	last := p.value.Content[len(p.value.Content)-1]
	indent := p.value.Column - 1
	lines := []string{"- " + flow(value, e.json)}
	if last.Kind == yaml.MappingNode && last.Style&yaml.FlowStyle == 0 {
		var err error
		if lines, err = block(value, "", 2); err != nil {
			return nil, err
		}
	}
	return e.behindLines(p, indent, indented(lines, indent, e.eol)), nil
}

// behindLines finds the end of what is indented: behind the comments that belong to it,
// behind the last value, or behind everything up to what follows.
func (e *editor) behindLines(p place, indent int, text string) [][]change {
	begin := p.value.Content[len(p.value.Content)-1].Line
	deep, content, all := begin, begin, begin
	for n := begin; n < p.limit && n <= len(e.lines); n++ {
		line := e.line(n)
		bare := strings.TrimLeft(line, " ")
		if n > begin && (strings.HasPrefix(line, "...") || strings.HasPrefix(line, "---")) {
			break
		}
		if n == len(e.lines) && line == "" {
			break // behind the last line end
		}
		all = n
		switch comment := strings.HasPrefix(bare, "#"); {
		case strings.TrimSpace(bare) == "":
		case !comment:
			deep, content = n, n
		case len(line)-len(bare) >= indent:
			deep = n
		}
	}
	var guesses [][]change
	var seen []int
	for _, n := range []int{deep, content, all} {
		if !slices.Contains(seen, n) {
			seen = append(seen, n)
			guesses = append(guesses, []change{e.lineAt(e.after(n), text)})
		}
	}
	return guesses
}
