package as2

import (
	"errors"
	"fmt"
	"strings"
)

// maxName is the longest AS2 name (RFC 4130, 6.2).
const maxName = 128

// quoting escapes what ends a quoted string, or escapes in it.
var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// QuoteName writes an AS2 name as it stands in AS2-From and AS2-To: quoted if and
// only if needed (RFC 4130, 6.2).
func QuoteName(name string) string {
	if !strings.ContainsAny(name, " \"\\\t") {
		return name
	}
	return `"` + quoting.Replace(name) + `"`
}

// UnquoteName reads an AS2 name from a header. Case matters.
func UnquoteName(value string) string {
	value = strings.TrimSpace(value)
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var b strings.Builder
	escaped := false
	for _, c := range []byte(value[1 : len(value)-1]) {
		if c == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		b.WriteByte(c)
	}
	return b.String()
}

// CheckName reports why a name is no AS2 name.
func CheckName(name string) error {
	if name == "" {
		return errors.New("an AS2 name must not be empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("%q has %d characters; an AS2 name has %d at most", name, len(name), maxName)
	}
	for _, r := range name {
		if r < 0x20 || r > 0x7e {
			return fmt.Errorf("%q has the character %q; an AS2 name is printable ASCII", name, r)
		}
	}
	return nil
}

// StripID takes the angle brackets off a Message-ID, which is how identifiers are
// compared.
func StripID(id string) string {
	id = strings.TrimSpace(id)
	if len(id) > 1 && id[0] == '<' && id[len(id)-1] == '>' {
		id = id[1 : len(id)-1]
	}
	return id
}
