package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxName is the longest element that every file system we meet takes, in bytes. It
// leaves room for what programs add (".part", "~12").
const maxName = 200

// Safe makes one path element out of anything a partner may call a file. The result
//
//   - is valid UTF-8 in NFC, 1 to 200 bytes long, and has no separator, control or
//     formatting character and none of < > : " | ? *;
//   - neither begins nor ends with a blank or a dot, so that it is no dot file, not
//     "..", and the same name on Windows;
//   - is no reserved name of Windows (CON, NUL, COM1, ...), with or without extension,
//     and none that means "unfinished" (*.tmp, *.part, ~$*).
//
// A name that is safe already is returned as it is: Safe(Safe(x)) == Safe(x). Two
// different names can become the same one; who cares must check. A name that is cut
// carries eight digits of its hash and keeps its extension.
func Safe(name string) string {
	s := clean(name)
	// Cut so that what is added below still fits, and only what does not fit then:
	// a name that was made safe before must come out as it is.
	if len(harmless(s)) > maxName {
		s = strings.Trim(shorten(s, name), ". ")
	}
	if s == "" {
		return "unnamed"
	}
	return harmless(s)
}

// harmless adds to a name that means something to Windows or to ourselves.
func harmless(s string) string {
	if reservedOnWindows(s) || strings.HasPrefix(s, "~$") {
		s = "_" + s
	}
	if unfinished(s) {
		s += "_"
	}
	return s
}

// clean replaces what must not be in a name.
func clean(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, "_"))
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\<>:"|?*`, r), r == utf8.RuneError:
			return '_'
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return '_'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	return strings.Trim(name, ". ")
}

// shorten cuts a name at a rune boundary and keeps a short extension.
func shorten(s, original string) string {
	sum := sha256.Sum256([]byte(original))
	ext := path.Ext(s)
	if len(ext) > 20 {
		ext = ""
	}
	tail := "~" + hex.EncodeToString(sum[:4]) + ext
	stem := s[:maxName-8-len(tail)] // 8: Safe may add to what it is given
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return norm.NFC.String(stem) + tail
}

// NotOnWindows says why a program on Windows cannot have a file of this name, and is
// empty where it can. Files of such names exist all the same: on shares, and made by
// programs that go around the rules. Most others cannot open them, or open another one.
func NotOnWindows(name string) string {
	switch last := name[len(name)-min(len(name), 1):]; {
	case reservedOnWindows(name):
		return fmt.Sprintf("%q is a device on Windows, whatever its extension", name)
	case last == "." || last == " ":
		return fmt.Sprintf("%q ends with a dot or a blank, which Windows leaves out", name)
	case strings.ContainsAny(name, `<>:"|?*\/`) || strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 }):
		return fmt.Sprintf("%q has a character that Windows does not allow in names", name)
	case len(utf16.Encode([]rune(name))) > maxUnits:
		return fmt.Sprintf("%q is longer than %d characters", name, maxUnits)
	}
	return ""
}

// maxUnits is the longest name on Windows, in units of UTF-16.
const maxUnits = 255

// reservedOnWindows reports whether Windows takes the name for a device, whatever
// its extension.
func reservedOnWindows(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	if base, digit := strings.TrimRight(stem, "0123456789¹²³"), strings.TrimLeft(stem, "COMLPT"); base == "COM" || base == "LPT" {
		return utf8.RuneCountInString(digit) == 1
	}
	return false
}
