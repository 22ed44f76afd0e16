// Package plain makes texts of others fit to be shown: the subject of a certificate, the
// disposition of a receipt, a header of a server.
//
// Line is for terminals and for one line of a list. It changes what does not print and
// escapes nothing for HTML, shells or file names: naming.Safe makes names.
package plain

import (
	"strings"
	"unicode"
)

// Line replaces what would end a line, steer a terminal, take no space, or show in another
// order than it is written. A text of other alphabets stays as it is.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
