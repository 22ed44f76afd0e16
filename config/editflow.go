package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// span is a value between brackets.
type span struct {
	open, close int // offsets of the brackets
	last        int // behind the last character in it that counts; open+1 = there is none
}

// brackets finds the end of the value between brackets that begins at or after an offset.
func brackets(text []byte, at int) (span, bool) {
	s := span{open: -1}
	depth, start := 0, true // start: a quote begins a text here
	for i := at; i < len(text); i++ {
		c := text[i]
		if s.open < 0 && c != '{' && c != '[' {
			continue // an anchor or a tag
		}
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '#' && i > 0 && strings.IndexByte(" \t\r\n", text[i-1]) >= 0:
			for i+1 < len(text) && text[i+1] != '\n' && text[i+1] != '\r' {
				i++
			}
			continue
		case (c == '"' || c == '\'') && start:
			if i = endOfQuotes(text, i); i < 0 {
				return s, false
			}
		case c == '{' || c == '[':
			if depth++; depth == 1 {
				s.open = i
			}
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				s.close = i
				return s, true
			}
		}
		s.last = i + 1
		start = strings.IndexByte("{[,:?", c) >= 0
	}
	return s, false
}

// endOfQuotes is the offset of the quote that ends a text, -1 if none does.
func endOfQuotes(text []byte, at int) int {
	quote := text[at]
	for i := at + 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] != quote:
		case quote == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		default:
			return i
		}
	}
	return -1
}

// intoFlow puts an addition before the closing bracket. Brackets with nothing in them, in
// a file of lines, give way to lines.
func (e *editor) intoFlow(p place, key string, value *yaml.Node, text string) ([][]change, error) {
	var guesses [][]change
	s, ok := brackets(e.text, e.offset(p.value))
	if !ok {
		return nil, nil
	}
	if len(p.value.Content) == 0 && !p.flow && p.key != nil {
		if nothing := string(e.text[s.open : s.close+1]); strings.TrimSpace(nothing[1:len(nothing)-1]) == "" && p.key.Line == p.value.Line {
			var err error
			if guesses, err = e.belowKey(p, nothing, key, value); err != nil {
				return nil, err
			}
		}
	}
	switch last := e.text[s.last-1]; {
	case s.last == s.open+1:
	case last == ',':
		text = " " + text
	default:
		text = ", " + text
	}
	return append(guesses, []change{{s.last, s.last, text}}), nil
}

// aroundValue makes a list of a single value, with an addition.
func (e *editor) aroundValue(p place, text string) [][]change {
	at := e.offset(p.value)
	end := at
	switch {
	case p.value.Kind == yaml.MappingNode && p.value.Style&yaml.FlowStyle != 0:
		s, ok := brackets(e.text, at)
		if !ok {
			return nil
		}
		end = s.close + 1
	case p.value.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if end = endOfQuotes(e.text, at) + 1; end == 0 {
			return nil
		}
	case p.value.Kind == yaml.ScalarNode && p.value.Style == 0 && strings.HasPrefix(string(e.text[at:]), p.value.Value):
		end = at + len(p.value.Value)
	default:
		return nil
	}
	return [][]change{
		{{at, end, "[" + string(e.text[at:end]) + ", " + text + "]"}},
		{{at, end, "[" + quoted(p.value.Value) + ", " + text + "]"}},
	}
}
