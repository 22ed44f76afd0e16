package naming

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// match is one way to read a name.
type match struct {
	key         string
	start       int // of the key in the name, bytes
	part, parts int // 0 = the name does not say
}

// matcher reads names. all appends every way to cut the name to found, longest key first.
type matcher interface {
	all(found []match, name string) []match
}

// pattern is a compiled pattern: a literal, the key, and the rest as an anchored
// expression. Every cut is tried, because only the listing knows which key names a
// document.
type pattern struct {
	before *regexp.Regexp // what stands before the key, anchored at both ends; nil = nothing
	after  *regexp.Regexp // what stands behind the key, anchored at both ends
	first  byte           // the literal byte that what follows begins with, 0 = any
	text   string         // as it was written
}

var place = regexp.MustCompile(`\{[^{}]*\}`)

// compilePattern reads one pattern of the language in the package comment.
func compilePattern(text string) (*pattern, error) {
	if strings.Count(text, "{key}") != 1 {
		return nil, fmt.Errorf("pattern %q must contain {key} exactly once", text)
	}
	before, after, _ := strings.Cut(text, "{key}")
	p := &pattern{text: text}
	expr, err := patternExpr(after, text)
	if err != nil {
		return nil, err
	}
	if p.after, err = regexp.Compile(`(?s)^` + expr + `$`); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	if after != "" && after[0] != '{' {
		p.first = after[0]
	}
	if before == "" {
		return p, nil
	}
	if expr, err = patternExpr(before, text); err != nil {
		return nil, err
	}
	if p.before, err = regexp.Compile(`(?s)^` + expr + `$`); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", text, err)
	}
	return p, nil
}

// patternExpr turns a piece of a pattern into a regular expression.
func patternExpr(piece, whole string) (string, error) {
	var b strings.Builder
	at := 0
	literal := func(s string) error {
		if strings.ContainsAny(s, "{}/\\") {
			return fmt.Errorf("pattern %q: %q cannot be part of a file name pattern", whole, s)
		}
		b.WriteString(regexp.QuoteMeta(s))
		return nil
	}
	for _, loc := range place.FindAllStringIndex(piece, -1) {
		if err := literal(piece[at:loc[0]]); err != nil {
			return "", err
		}
		at = loc[1]
		name, list, hasList := strings.Cut(piece[loc[0]+1:loc[1]-1], ":")
		switch {
		case name == "name" && !hasList:
			b.WriteString(`.+`)
		case name == "ext" && !hasList:
			b.WriteString(`[^.]+`)
		case name == "ext" && list != "":
			var alternatives []string
			for a := range strings.SplitSeq(list, "|") {
				if a == "" {
					return "", fmt.Errorf("pattern %q: an extension in {%s:%s} is empty", whole, name, list)
				}
				alternatives = append(alternatives, regexp.QuoteMeta(a))
			}
			b.WriteString(`(?i:` + strings.Join(alternatives, "|") + `)`)
		case (name == "part" || name == "parts") && !hasList:
			b.WriteString(`(?P<` + name + `>[0-9]{1,6})`)
		default:
			return "", fmt.Errorf("pattern %q: {%s} is none of {key} {name} {ext} {ext:a|b} {part} {parts}", whole, piece[loc[0]+1:loc[1]-1])
		}
	}
	if err := literal(piece[at:]); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (p *pattern) all(found []match, name string) []match {
	starts := []int{0}
	if p.before != nil {
		starts = starts[:0]
		for i := 1; i < len(name); i++ {
			if p.before.MatchString(name[:i]) {
				starts = append(starts, i)
			}
		}
	}
	for end := len(name); end > 0; end-- {
		if end < len(name) && p.first != 0 && name[end] != p.first {
			continue
		}
		sub, ok := submatch(p.after, name[end:])
		if !ok {
			continue
		}
		for _, start := range starts {
			if start >= end {
				break
			}
			m := match{key: name[start:end], start: start}
			setParts(&m, p.after, sub)
			if p.before != nil {
				sub, _ := submatch(p.before, name[:start]) // it matched above
				setParts(&m, p.before, sub)
			}
			found = append(found, m)
		}
	}
	return found
}

// fill is a name that reads with this key, made from another name. It is empty where the
// pattern asks for more than a key, a name and an extension.
func (p *pattern) fill(key, name string) string {
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	filled := place.ReplaceAllStringFunc(p.text, func(hole string) string {
		switch hole {
		case "{key}":
			return key
		case "{name}":
			return stem
		case "{ext}":
			return strings.TrimPrefix(ext, ".")
		}
		return ""
	})
	for _, m := range p.all(nil, filled) {
		if m.key == key {
			return filled
		}
	}
	return ""
}

// submatch matches and returns the groups, none if the expression has none.
func submatch(re *regexp.Regexp, s string) (sub []string, ok bool) {
	if re.NumSubexp() == 0 {
		return nil, re.MatchString(s)
	}
	sub = re.FindStringSubmatch(s)
	return sub, sub != nil
}

func setParts(m *match, re *regexp.Regexp, sub []string) {
	if i := re.SubexpIndex("part"); i > 0 {
		m.part, _ = strconv.Atoi(sub[i]) // at most six digits, or empty: 0
	}
	if i := re.SubexpIndex("parts"); i > 0 {
		m.parts, _ = strconv.Atoi(sub[i]) // as above
	}
}

// expression is a regular expression with a group called key.
type expression struct{ re *regexp.Regexp }

func compileExpression(text string) (*expression, error) {
	re, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	if re.SubexpIndex("key") < 0 {
		return nil, fmt.Errorf("regular expression %q has no group (?P<key>...)", text)
	}
	return &expression{re}, nil
}

func (e *expression) all(found []match, name string) []match {
	loc := e.re.FindStringSubmatchIndex(name)
	k := 2 * e.re.SubexpIndex("key")
	if loc == nil || loc[k] < 0 || loc[k] == loc[k+1] {
		return found
	}
	m := match{key: name[loc[k]:loc[k+1]], start: loc[k]}
	sub := make([]string, len(loc)/2)
	for i := range sub {
		if loc[2*i] >= 0 {
			sub[i] = name[loc[2*i]:loc[2*i+1]]
		}
	}
	setParts(&m, e.re, sub)
	return append(found, m)
}
