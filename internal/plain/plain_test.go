package plain

import "testing"

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"CN=Grüße\x1b[2J\r\nSHA-256\tok":       "CN=Grüße\ufffd[2J\ufffd\ufffdSHA-256\ufffdok",
		"O=Ελλάδα, 日本 \U0001f4e6":              "O=Ελλάδα, 日本 \U0001f4e6",
		"a\u202eb\u2066c\u2069d\u061ce\u200ff": "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf",
		"a\u200bb\ufeffc\u0085d\u2028e\x7f":    "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd",
		"\xffa":                                "\ufffda",
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
