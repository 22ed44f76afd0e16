package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// requirement is one sentence of a specification that binds.
type requirement struct {
	ID    string // such as "rfc4130 7.3.1 a1b2c3"
	Level string // MUST or SHOULD
	Text  string // never written to a file of ours
}

var (
	must   = regexp.MustCompile(`\b(MUST|SHALL|REQUIRED)\b`)
	should = regexp.MustCompile(`\b(SHOULD|RECOMMENDED)\b`)

	// pageFoot and pageHead are what a page break of an RFC leaves between two lines.
	pageFoot = regexp.MustCompile(`\[Page \d+\]\s*$`)
	pageHead = regexp.MustCompile(`^(RFC \d+|Internet-Draft)\s.*\d{4}\s*$`)

	numbered = regexp.MustCompile(`^(?:Appendix )?([A-Z]|\d+)((?:\.\d+)*)\.?\s+[A-Z]`)
	marked   = regexp.MustCompile(`^(#+) (.*)$`)
	item     = regexp.MustCompile(`^\s*(?:[-*o+]|\(?[0-9a-z]{1,3}[.)])\s+`)
	space    = regexp.MustCompile(`\s+`)
	// stop ends a sentence: a full stop before a blank and a capital, a bracket or a quote.
	stop = regexp.MustCompile("([.:;!?][)\"'\u201d]?) +([A-Z(\"'\u201c`\\[*0-9])")
	// short are words whose full stop ends no sentence.
	short = regexp.MustCompile(`(?:\b(?:e\.g|i\.e|etc|vs|Sec|No|cf|al|ver|Fig)|\b[A-Z])\.$`)
)

// extract lists the requirements of one document in the order of the text.
func extract(name, text string) []requirement {
	document := strings.TrimSuffix(strings.TrimSuffix(name, ".txt"), ".md")
	var all []requirement
	seen := map[string]int{}
	for _, p := range paragraphs(name, text) {
		for _, s := range sentences(p.text) {
			level := ""
			switch {
			case must.MatchString(s):
				level = "MUST"
			case should.MatchString(s):
				level = "SHOULD"
			default:
				continue
			}
			sum := sha256.Sum256([]byte(s))
			id := fmt.Sprintf("%s %s %s", document, p.section, hex.EncodeToString(sum[:3]))
			if seen[id]++; seen[id] > 1 {
				continue // the same sentence twice in one section is one requirement
			}
			all = append(all, requirement{id, level, s})
		}
	}
	return all
}

type paragraph struct{ section, text string }

// paragraphs joins lines and gives each block its section. A list item is a paragraph
// of its own.
func paragraphs(name, text string) []paragraph {
	var all []paragraph
	section, block := "0", []string{}
	end := func() {
		if len(block) > 0 {
			all = append(all, paragraph{section, space.ReplaceAllString(strings.TrimSpace(strings.Join(block, " ")), " ")})
			block = block[:0]
		}
	}
	heads := markdownHeads{on: strings.HasSuffix(name, ".md")}
	// Blank lines around a page break do not end a paragraph: the break comes anywhere.
	blank, broken := false, false
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\f", "\n"), "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case pageFoot.MatchString(line) || pageHead.MatchString(line):
			broken = true
			continue
		case line == "":
			blank = true
			continue
		}
		if blank && !broken {
			end()
		}
		blank, broken = false, false
		if s, ok := heads.section(line); ok {
			end()
			section = s
			continue
		}
		if item.MatchString(line) {
			end()
			line = item.ReplaceAllString(line, "")
		}
		block = append(block, strings.TrimSpace(line))
	}
	end()
	return all
}

// markdownHeads counts the headings of a document whose numbers are made when it is
// published, or reads those of one that was.
type markdownHeads struct {
	on    bool
	count [8]int
	begun bool
}

func (h *markdownHeads) section(line string) (string, bool) {
	if !h.on {
		m := numbered.FindStringSubmatch(line)
		if m == nil || strings.HasSuffix(line, ".") && strings.Contains(line, " . ") {
			return "", false
		}
		return m[1] + m[2], true
	}
	if line == "--- middle" {
		h.begun = true
	}
	m := marked.FindStringSubmatch(line)
	if m == nil || !h.begun {
		return "", false
	}
	depth := len(m[1])
	h.count[depth]++
	for i := depth + 1; i < len(h.count); i++ {
		h.count[i] = 0
	}
	parts := make([]string, depth)
	for i := range parts {
		parts[i] = fmt.Sprint(h.count[i+1])
	}
	return strings.Join(parts, "."), true
}

func sentences(text string) []string {
	var all []string
	for {
		at := -1
		for _, m := range stop.FindAllStringSubmatchIndex(text, -1) {
			if text[m[2]] != '.' || !short.MatchString(text[:m[2]+1]) {
				at = m[3]
				break
			}
		}
		if at < 0 {
			return append(all, strings.TrimSpace(text))
		}
		all = append(all, strings.TrimSpace(text[:at]))
		text = strings.TrimSpace(text[at:])
	}
}
