package completion

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type sub struct {
	Config string   `short:"c" placeholder:"FILE" help:"The config."`
	To     string   `enum:"pem,der" default:"pem" help:"A format."`
	JSON   bool     `help:"As JSON."`
	Dir    string   `placeholder:"DIR"`
	Secret string   `hidden:""`
	What   string   `arg:"" name:"partner"`
	Files  []string `arg:"" optional:""`
}

type grammar struct {
	Try    sub      `cmd:"" help:"Try it."`
	Tell   struct{} `cmd:"" help:"Tell."`
	Hidden struct{} `cmd:"" hidden:""`
	Cert   struct {
		New struct {
			Out string `placeholder:"FOLDER"`
		} `cmd:""`
		Show struct{} `cmd:""`
	} `cmd:""`
}

func ask(t *testing.T, words ...string) string {
	t.Helper()
	k, err := kong.New(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	a := Complete(k.Model, words, func(kind string, _ []string) []Candidate {
		if kind != "partner" {
			return nil
		}
		return []Candidate{{"acme", "a partner"}, {"beta", "a partner"}}
	})
	var got []string
	for line := range strings.SplitSeq(strings.TrimSuffix(a.Print(), "\n"), "\n") {
		word, _, _ := strings.Cut(line, "\t")
		got = append(got, word)
	}
	slices.Sort(got)
	return strings.Join(got, " ")
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		typed []string
		want  string
	}{
		{nil, "cert tell try"},
		{[]string{"t"}, "tell try"},
		{[]string{"cert", ""}, "new show"},
		{[]string{"cert", "new", "--"}, "--help --out"},
		{[]string{"cert", "new", "--out", ""}, ":folders"},
		{[]string{"try", ""}, "acme beta"},
		{[]string{"try", "b"}, "beta"},
		{[]string{"try", "acme", ""}, ":files"},
		{[]string{"try", "acme", "one", "two", ""}, ":files"},
		{[]string{"try", "-c", ""}, ":files"},
		{[]string{"try", "-c", "x.yaml", "a"}, "acme"},
		{[]string{"try", "--config=x.yaml", "a"}, "acme"},
		{[]string{"try", "--json", "a"}, "acme"},
		{[]string{"try", "--to", ""}, "der pem"},
		{[]string{"try", "--to=p"}, "--to=pem"},
		{[]string{"try", "--to", "="}, "der pem"},
		{[]string{"try", "--to", "=", "p"}, "pem"},
		{[]string{"try", "--dir", "="}, ":folders"},
		{[]string{"try", "--", "--"}, ""},
		{[]string{"try", "--s"}, ""},
		{[]string{"try", "--j"}, "--json"},
		{[]string{"tell", ""}, ""},
		{[]string{"unknown", "x"}, ""},
	} {
		if got := ask(t, c.typed...); got != c.want {
			t.Errorf("%q: %q, want %q", c.typed, got, c.want)
		}
	}
}

func TestScript(t *testing.T) {
	for _, shell := range Shells {
		if text, err := Script(shell); err != nil || !strings.Contains(text, "as2drop completion "+shell) {
			t.Errorf("%s: %v", shell, err)
		}
	}
	if _, err := Script("../doc"); err == nil {
		t.Error("a shell that nobody knows")
	}
}
