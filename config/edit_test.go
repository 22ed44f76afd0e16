package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

func nodeOf(t interface{ Fatal(...any) }, text string) *yaml.Node {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n.Content[0]
}

const gammaYAML = `{as2_id: "GAMMA: #1", station: us, url: "https://gamma.example/as2", certificates: [keys/other.pem], send: {encrypt: aes-256-gcm}}`

// What people wrote stays, in whatever way they wrote it.
func TestAddPartner(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"behind the last one":          {"partners:\n  a:\n    as2_id: A\n", "partners:\n  a:\n    as2_id: A\n  g:\n    x: \"1\"\n"},
		"before what follows":          {"partners:\n  a: {x: y}\n\n# health\nhealth: {}\n", "partners:\n  a: {x: y}\n  g:\n    x: \"1\"\n\n# health\nhealth: {}\n"},
		"behind its own comments":      {"partners:\n  a:\n    x: y\n    # z: 1\n  # b:\n\n# c\nq: r\n", "partners:\n  a:\n    x: y\n    # z: 1\n  # b:\n  g:\n    x: \"1\"\n\n# c\nq: r\n"},
		"another indentation":          {"partners:\n    a:\n        x: y\n", "partners:\n    a:\n        x: y\n    g:\n        x: \"1\"\n"},
		"line ends of Windows":         {"partners:\r\n  a: {x: y}\r\nq: r\r\n", "partners:\r\n  a: {x: y}\r\n  g:\r\n    x: \"1\"\r\nq: r\r\n"},
		"no line end":                  {"partners:\n  a: {x: y}", "partners:\n  a: {x: y}\n  g:\n    x: \"1\""},
		"none yet":                     {"partners: {}\n# Remove the {} above\nq: r\n", "partners:\n  g:\n    x: \"1\"\n# Remove the {} above\nq: r\n"},
		"none yet, with a word":        {"partners: { } # nobody\n", "partners:  # nobody\n  g:\n    x: \"1\"\n"},
		"nothing":                      {"partners:\nq: r\n", "partners:\n  g:\n    x: \"1\"\nq: r\n"},
		"null":                         {"partners: ~ # none\nq: r\n", "partners:  # none\n  g:\n    x: \"1\"\nq: r\n"},
		"missing":                      {"q: r\n", "q: r\npartners:\n  g:\n    x: \"1\"\n"},
		"missing, before the end":      {"q: r\n...\n", "q: r\npartners:\n  g:\n    x: \"1\"\n...\n"},
		"in brackets":                  {"partners: {a: {x: 'it''s }'}, # }\n  b: {x: y} }\n", "partners: {a: {x: 'it''s }'}, # }\n  b: {x: y}, g: {x: \"1\"} }\n"},
		"in brackets, a comma":         {"partners: {\n  a: {x: y}, # last\n}\n", "partners: {\n  a: {x: y}, g: {x: \"1\"} # last\n}\n"},
		"all of it JSON":               {"{\"partners\": {}}\n", "{\"partners\": {\"g\": {\"x\": \"1\"}}}\n"},
		"JSON without any":             {"{\"q\": \"r\"}\n", "{\"q\": \"r\", \"partners\": {\"g\": {\"x\": \"1\"}}}\n"},
		"a text with # in it":          {"partners:\n  a:\n    x: |\n      1\n      # 2\nq: r\n", "partners:\n  a:\n    x: |\n      1\n      # 2\n  g:\n    x: \"1\"\nq: r\n"},
		"a text that keeps blank ends": {"partners:\n  a:\n    x: |+\n      1\n\n\nq: r\n", "partners:\n  a:\n    x: |+\n      1\n\n\n  g:\n    x: \"1\"\nq: r\n"},
		"a text at the left margin":    {"partners:\n  a:\n    x: \"1\n# 2\n3\"\nq: r\n", "partners:\n  a:\n    x: \"1\n# 2\n3\"\n  g:\n    x: \"1\"\nq: r\n"},
		"a mark at its beginning":      {"\ufeffpartners: {a: {x: y}}\n", "\ufeffpartners: {a: {x: y}, g: {x: \"1\"}}\n"},
		"an anchor":                    {"partners: &all\n  a: &a {x: y}\n  b: *a\n", "partners: &all\n  a: &a {x: y}\n  b: *a\n  g:\n    x: \"1\"\n"},
		"an anchor of nobody":          {"partners: &all {}\nq: r\n", "partners: &all\n  g:\n    x: \"1\"\nq: r\n"},
	} {
		got, err := AddPartner([]byte(c.before), "g", Value{nodeOf(t, `{x: "1"}`)})
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, c.after)
		}
	}
}

// Where it cannot be done, the operator gets the lines to write himself.
func TestAddPartnerCannot(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: &a {}\npartners: *a\n", "partners: *a stands for it, which may stand for others too; nothing was changed. Add it by hand:\n  g:\n    x: \"1\""},
		{"? partners\n: \n", "partners: it is written in a way that cannot be added to"},
		{"partners: [a]\n", "partners: it is written in a way that cannot be added to"},
		{"a: 1\n---\nb: 2\n", "the file is no single document"},
		{"[]", "the file is no mapping"},
	} {
		got, err := AddPartner([]byte(c.text), "g", Value{nodeOf(t, `{x: "1"}`)})
		var e *EditError
		if got != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func TestAddItem(t *testing.T) {
	item := Value{nodeOf(t, `{file: b.pem, encrypt_from: "2027-01-31"}`)}
	const in = `{file: b.pem, encrypt_from: "2027-01-31"}`
	for name, c := range map[string]struct{ before, after string }{
		"brackets":       {"p:\n  c: [a.pem] # his\n", "p:\n  c: [a.pem, " + in + "] # his\n"},
		"a single file":  {"p:\n  c: a.pem # his\n", "p:\n  c: [a.pem, " + in + "] # his\n"},
		"one in quotes":  {"p: {c: \"a, b.pem\"}\n", "p: {c: [\"a, b.pem\", " + in + "]}\n"},
		"with a bracket": {"p:\n  c: a]b.pem\n", "p:\n  c: [\"a]b.pem\", " + in + "]\n"},
		"one in braces":  {"p:\n  c: {file: a.pem}\n", "p:\n  c: [{file: a.pem}, " + in + "]\n"},
		"lines":          {"p:\n  c:\n    - a.pem\n  d: e\n", "p:\n  c:\n    - a.pem\n    - " + in + "\n  d: e\n"},
		"at the margin":  {"p:\n  c:\n  - a.pem\n  d: e\n", "p:\n  c:\n  - a.pem\n  - " + in + "\n  d: e\n"},
		"mappings":       {"p:\n  c:\n    - file: a.pem   # old\nq: r\n", "p:\n  c:\n    - file: a.pem   # old\n    - file: b.pem\n      encrypt_from: \"2027-01-31\"\nq: r\n"},
		"none":           {"p:\n  d: e\nq: r\n", "p:\n  d: e\n  c:\n    - file: b.pem\n      encrypt_from: \"2027-01-31\"\nq: r\n"},
	} {
		got, err := AddItem([]byte(c.before), []string{"p", "c"}, item)
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, c.after)
		}
	}
	if _, err := AddItem([]byte("p:\n  c:\n    file: a.pem\n"), []string{"p", "c"}, item); err == nil || !strings.Contains(err.Error(), "Add it by hand:\n    - file: b.pem") {
		t.Error(err)
	}
	if _, err := AddItem([]byte("q: r\n"), []string{"p", "c"}, item); err == nil || !strings.Contains(err.Error(), "there is no p") {
		t.Error(err)
	}
}

// nothings may give way to an addition.
var nothings = []string{"{}", "~", "null", "Null", "NULL"}

// checkAddition adds a partner and holds the result against what was there: every other
// byte is kept, and the file means the same with the partner.
func checkAddition(t interface {
	Fatalf(string, ...any)
	Fatal(...any)
}, text []byte) (added []byte) {
	changes, err := planEdit(text, []string{"partners"}, "gamma", nodeOf(t, gammaYAML))
	var e *EditError
	if errors.As(err, &e) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, c := range changes {
		gone := strings.Join(strings.Fields(string(text[c.from:c.to])), "")
		if c.from < at || c.to < c.from || gone != "" && !slices.Contains(nothings, gone) {
			t.Fatalf("%q would go from %q", text[c.from:c.to], text)
		}
		at = c.to
	}
	added = applied(text, changes)
	before, err := rootOf(text)
	if err != nil {
		t.Fatal(err)
	}
	after, err := rootOf(added)
	if err != nil {
		t.Fatalf("%v:\n%s", err, added)
	}
	if !sameNode(after, expected(before, []string{"partners"}, "gamma", nodeOf(t, gammaYAML))) {
		t.Fatalf("it means something else:\n%s", added)
	}
	return added
}

// A config in any style of writing loads to the same with the partner, and nothing else.
func TestAddPartnerToAnyConfig(t *testing.T) {
	workplace(t)
	rapid.Check(t, func(t *rapid.T) {
		text := drawConfig(t)
		if err := os.WriteFile("config.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := Load("config.yaml", now)
		if err != nil {
			t.Fatalf("the generator is wrong: %v\n%s", err, text)
		}
		added := checkAddition(t, []byte(text))
		if added == nil {
			t.Fatalf("refused:\n%s", text)
		}
		d, err := NewDraft(before, added, now)
		if err != nil {
			t.Fatalf("%v\n%s", err, added)
		}
		if len(d.Changes) != 1 || d.Changes[0].String() != "partners.gamma: added" {
			t.Fatalf("%v\n%s", d.Changes, added)
		}
	})
}

// drawConfig writes a valid config in one of many styles.
func drawConfig(t *rapid.T) string {
	pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	blanks := pick("indent", "  ", "    ", "   ")
	noise := func() string { return pick("noise", "", "\n", "# a word: {}\n", "\n# partners:\n\n", "  # deep\n") }
	partner := func(name string) string {
		in := blanks + blanks
		switch rapid.IntRange(0, 3).Draw(t, "style") {
		case 0:
			return blanks + name + ": {as2_id: " + name + ", station: us, certificates: keys/other.pem} # }\n"
		case 1:
			return blanks + name + ":\n" + in + "as2_id: \"" + name + "\"\n" + in + "station: us\n" + in + "certificates:\n" + in + "- keys/other.pem\n"
		case 2:
			return blanks + "\"" + name + "\":   # his\n" + in + "station: us\n" + in + "certificates: [keys/other.pem]\n" + in + "as2_id: " + name + "\n" + in + "send:\n" + in + "  subject: >-\n" + in + "    a\n" + in + "    # b\n\n"
		}
		return blanks + name + ": &" + name + " {as2_id: '" + name + "', station: us,\n" + blanks + blanks + "certificates: [keys/other.pem],}\n" + blanks + "# end\n"
	}
	sections := []string{
		"stations:\n" + blanks + "us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}\n",
		pick("data", "", "data_dir: there   # disk\n", "reserve: 1GiB\n"),
	}
	switch rapid.IntRange(0, 4).Draw(t, "partners") {
	case 0:
	case 1:
		sections = append(sections, "partners: {}"+pick("tail", "", "  # none")+"\n")
	case 2:
		sections = append(sections, "partners:"+pick("nothing", "", " ~", " null # none")+"\n")
	case 3:
		sections = append(sections, "partners: {a: {as2_id: 'A}', station: us, certificates: keys/other.pem},\n"+blanks+"b: {as2_id: B, station: us, certificates: [keys/other.pem]}"+pick("end", "", ",", "\n  ")+"}\n")
	default:
		text := "partners:\n"
		for _, name := range []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "n")] {
			text += noise() + partner(name)
		}
		sections = append(sections, text)
	}
	text := pick("head", "", "# as2drop\n", "---\n", "%YAML 1.1\n---\n")
	for _, s := range rapid.Permutation(sections).Draw(t, "order") {
		text += noise() + s
	}
	text += pick("foot", "", "# end\n", "\n\n", "...\n")
	if rapid.Bool().Draw(t, "no line end") {
		text = strings.TrimRight(text, "\n")
	}
	if rapid.Bool().Draw(t, "windows") {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// configsOfScripts are the files of the scripts, as people write them.
func configsOfScripts(t testing.TB) (texts [][]byte) {
	scripts, err := filepath.Glob("../testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal(len(scripts), err)
	}
	for _, s := range scripts {
		a, err := txtar.ParseFile(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				texts = append(texts, f.Data)
			}
		}
	}
	return texts
}

func TestAddPartnerToTheConfigsOfScripts(t *testing.T) {
	done := 0
	for _, text := range configsOfScripts(t) {
		if checkAddition(t, text) != nil {
			done++
		} else if _, err := rootOf(text); err == nil {
			t.Errorf("refused:\n%s", text)
		}
	}
	if done < 50 {
		t.Errorf("%d configs", done)
	}
	text, err := os.ReadFile("../config.yaml")
	if err != nil || checkAddition(t, text) == nil {
		t.Errorf("the config of the repository: %v", err)
	}
}

func FuzzAddPartner(f *testing.F) {
	for _, text := range configsOfScripts(f) {
		f.Add(text)
	}
	f.Add([]byte("\ufeffpartners: {}\u2028# x\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if added := checkAddition(t, text); added != nil && bytes.Equal(added, text) {
			t.Fatal("nothing was added")
		}
	})
}
