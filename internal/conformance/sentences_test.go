package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// What binds is found across page breaks, in list items and under the right section; what
// does not bind is left out.
func TestRequirementsAreFound(t *testing.T) {
	const rfc = `1.  Introduction

   Nothing binds here (e.g. This).  Nor here.

2.1.  Names

   A name MUST be short, i.e. Have few
   letters.  It SHOULD be



Author                      Standards Track                     [Page 3]
` + "\f" + `
RFC 4130                AS2 for Business Data                 July 2005


   plain.  The rest is free.

     o  An item that is REQUIRED.
     o  Another one.
`
	const draft = "---\ntitle: T\n# Not counted\n--- middle\n\n# First\n\nOne MUST. Two.\n\n## Below\n\n- Three SHALL\n  follow.\n\n# Second\n\nFour MUST.\n"
	for name, c := range map[string]struct{ file, text, want string }{
		"text":     {"rfc1.txt", rfc, "2.1 MUST A name MUST be short, i.e. Have few letters.\n2.1 SHOULD It SHOULD be plain.\n2.1 MUST An item that is REQUIRED.\n"},
		"markdown": {"d.md", draft, "1 MUST One MUST.\n1.1 MUST Three SHALL follow.\n2 MUST Four MUST.\n"},
	} {
		var got strings.Builder
		for _, r := range extract(c.file, c.text) {
			fmt.Fprintf(&got, "%s %s %s\n", strings.Fields(r.ID)[1], r.Level, r.Text)
		}
		if got.String() != c.want {
			t.Errorf("%s:\n%swant:\n%s", name, got.String(), c.want)
		}
	}
}
