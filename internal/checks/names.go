package checks

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/as2drop/as2drop/naming"
)

// PortableCharacters are those that file names may have everywhere (POSIX, portable
// filename character set).
const PortableCharacters = "A-Za-z0-9._-"

// Characters is a set of characters. The zero value holds none.
type Characters struct {
	text   string
	ranges []struct{ from, to rune }
}

func (c Characters) String() string { return c.text }

// ParseCharacters reads a set as it stands between the brackets of a pattern: single
// characters, and ranges of letters or digits. A hyphen that is meant itself comes first
// or last.
func ParseCharacters(text string) (c Characters, err error) {
	if text == "" {
		return c, fmt.Errorf("no character is in it")
	}
	c.text = text
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		from, to := runes[i], runes[i]
		if from == utf8.RuneError || from < 0x20 || from == '/' || from == '\\' {
			return Characters{}, fmt.Errorf("%q cannot be in a file name", from)
		}
		if i+2 < len(runes) && runes[i+1] == '-' {
			to = runes[i+2]
			switch both := func(is func(rune) bool) bool { return is(from) && is(to) }; {
			case !both(unicode.IsLetter) && !both(unicode.IsDigit):
				return Characters{}, fmt.Errorf("%q is no range of letters or digits; put the hyphen first or last", string(runes[i:i+3]))
			case to < from:
				return Characters{}, fmt.Errorf("%q ends before it begins", string(runes[i:i+3]))
			}
			i += 2
		}
		c.ranges = append(c.ranges, struct{ from, to rune }{from, to})
	}
	return c, nil
}

func (c Characters) holds(r rune) bool {
	for _, x := range c.ranges {
		if x.from <= r && r <= x.to {
			return true
		}
	}
	return false
}

// names looks at characters and length.
func (c *checker) names() {
	for _, f := range c.files {
		var bad []string
		for _, r := range naming.Fold(f.Name, false) { // NFC: a letter with its accent is one
			if quoted := fmt.Sprintf("%q", r); !c.rules.Characters.holds(r) && !strings.Contains(strings.Join(bad, " "), quoted) {
				bad = append(bad, quoted)
			}
		}
		if len(bad) > 0 {
			c.add(Names, f.Name, "", "rename it and drop it again, or set name_characters to what the partner takes",
				"has %s in its name, and names may have %s", strings.Join(bad[:min(len(bad), 10)], " "), c.rules.Characters)
		}
		if n := utf8.RuneCountInString(f.Name); n > c.rules.MaxName {
			c.add(Names, f.Name, "", "rename it and drop it again, or raise max_name if the partner takes it", "its name has %d characters, and may have %d", n, c.rules.MaxName)
		}
	}
}

// uniqueNames looks for names that become the same one where upper and lower case, or
// letters with their accents apart, are not told from each other.
func (c *checker) uniqueNames() {
	first := map[string]string{}
	for _, f := range c.files {
		folded := naming.Fold(f.Name, true)
		if other, ok := first[folded]; ok {
			c.add(UniqueNames, f.Name, "", "rename one of them and drop them again",
				"has the name of %q, where upper and lower case and composed letters are not told apart", other)
			continue
		}
		first[folded] = f.Name
	}
}
