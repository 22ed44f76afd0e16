package config

import (
	"fmt"
	"runtime"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/naming"
)

func setPath[T any](field func(*T) *string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		if s, ok := d.pathOf(n, path, "text"); ok {
			*field(v) = s
		}
	}
}

func setPaths[T any](field func(*T) *[]string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		*field(v) = nil
		list(d, n, path, func(item *yaml.Node, at string) {
			if s, ok := d.pathOf(item, at, "text"); ok {
				*field(v) = append(*field(v), s)
			}
		})
	}
}

// pathOf reads the path of a file or folder. One that cannot be meant is reported and
// counts as broken, so that nothing is said of a file that is not there.
func (d *decoder) pathOf(n *yaml.Node, path, want string) (string, bool) {
	s, ok := d.scalar(n, path, want)
	if !ok {
		return "", false
	}
	if fact, hint := pathMistake(runtime.GOOS, s); fact != "" {
		d.broken[path] = true
		d.fail(n.Line, path, hint, "%s", fact)
		return "", false
	}
	return s, true
}

const slashes = `write paths of Windows with slashes, C:/as2drop, or in single quotes: 'C:\as2drop'`

// pathMistake says what is wrong with the spelling of a path on a system, by its GOOS,
// and what to do. It does not look at the disk.
func pathMistake(goos, s string) (fact, hint string) {
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		// "C:\new" in double quotes has a new line in it, and "C:\temp" a tabulator.
		return fmt.Sprintf("%q has a control character in it; a backslash between double quotes begins an escape", s), slashes
	}
	drive := len(s) >= 2 && s[1] == ':' && ('a' <= s[0]|0x20 && s[0]|0x20 <= 'z')
	if goos != "windows" {
		if drive && len(s) > 2 && (s[2] == '\\' || s[2] == '/') || strings.HasPrefix(s, `\\`) {
			return fmt.Sprintf("%q is a path of Windows, and this is none", s), "write a path of this system"
		}
		return "", ""
	}
	s = strings.ReplaceAll(s, "/", `\`)
	rest := s
	switch {
	case strings.HasPrefix(s, `\\?\`), strings.HasPrefix(s, `\\.\`):
		return "", "" // he who writes this knows what he does
	case strings.HasPrefix(s, `\\`):
		server, share, _ := strings.Cut(s[2:], `\`)
		share, rest, _ = strings.Cut(share, `\`)
		if server == "" || share == "" {
			return fmt.Sprintf("%q names no share", s), `write //server/share/folder`
		}
	case strings.HasPrefix(s, `\`):
		return fmt.Sprintf("%q names no drive, so it depends on where the program was started", s), "write for example C:" + strings.ReplaceAll(s, `\`, "/")
	case drive && (len(s) == 2 || s[2] != '\\'):
		return fmt.Sprintf("%q is relative to whatever folder is the current one of drive %s", s, s[:2]), "write " + s[:2] + "/" + strings.ReplaceAll(s[2:], `\`, "/")
	case drive:
		rest = s[3:]
	}
	for element := range strings.SplitSeq(rest, `\`) {
		if element == "" || element == "." || element == ".." {
			continue
		}
		if why := naming.NotOnWindows(element); why != "" {
			return fmt.Sprintf("%q cannot be a path: %s", s, why), "use another name"
		}
	}
	return "", ""
}
