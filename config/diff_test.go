package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const reloadable = `data_dir: data
stations: {us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}}
partners:
  a.b: {as2_id: AB, station: us, url: "https://ab.example/", certificates: keys/other.pem, client: {basic: {user: me, password_file: keys/secret}}}
  a: {as2_id: A, station: us, certificates: keys/other.pem}
`

// changed loads the text after a change of it and of files, and says what Diff makes of it.
func changed(t *testing.T, change func(string) string) []string {
	t.Helper()
	before, err := load(t, reloadable)
	if err != nil {
		t.Fatal(err)
	}
	after, err := load(t, change(reloadable))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, c := range Diff(before, after) {
		texts = append(texts, c.Partner+" | "+c.String())
	}
	return texts
}

func replaced(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func TestDiff(t *testing.T) {
	workplace(t)
	write := func(file, text string) func(string) string {
		return func(s string) string {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		want   []string
	}{
		"nothing":                  {func(s string) string { return s }, nil},
		"a comment":                {func(s string) string { return s + "# hello\n" }, nil},
		"a value":                  {replaced("https://ab.example/", "https://new.example/"), []string{`a.b | partners.a.b.url: was "https://ab.example/", is "https://new.example/"`}},
		"a key that was not there": {replaced("as2_id: A,", "as2_id: A, allow_http: true,"), []string{`a | partners.a.allow_http: was not set, is "true"`}},
		"a key that goes":          {replaced("data_dir: data\n", ""), []string{`" | data_dir: was "data", is not set`[1:]}},
		"a partner that goes":      {func(s string) string { return s[:strings.Index(s, "  a: ")] }, []string{`a | partners.a: removed`}},
		"a partner that comes":     {func(s string) string { return s + "  c: {as2_id: C, station: us, certificates: keys/other.pem}\n" }, []string{`c | partners.c: added`}},
		"a secret":                 {write("keys/secret", "open barley\n"), []string{`a.b | partners.a.b.client.basic.password_file (content): is another one than before: a secret`}},
	} {
		t.Run(name, func(t *testing.T) {
			workplace(t)
			if got := changed(t, c.change); !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// A certificate that was exchanged in its file is told by subject and date, a key without
// anything of it.
func TestDiffOfKeys(t *testing.T) {
	workplace(t)
	got := changed(t, func(s string) string {
		for _, half := range []string{".pem", ".key"} {
			b, err := os.ReadFile("keys/other" + half)
			if err == nil {
				err = os.WriteFile("keys/us"+half, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return s
	})
	all := strings.Join(got, "\n")
	if len(got) != 2 || !strings.Contains(all, `keys[0].certificate (content): was "CN=us, valid to`) || !strings.Contains(all, `", is "CN=other, valid to`) ||
		!strings.Contains(all, "keys[0].key (content): is another one than before: a private key") {
		t.Error(all)
	}
}

func TestFilesToWatch(t *testing.T) {
	workplace(t)
	c, err := load(t, reloadable)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"config.yaml", "keys/us.pem", "keys/us.key", "keys/other.pem", "keys/secret"} {
		if stamp, ok := c.Files[filepath.FromSlash(want)]; !ok || stamp != StampOf(want) || stamp.Size == 0 {
			t.Error(want, c.Files)
		}
	}
}
