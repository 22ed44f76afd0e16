//go:build judges

package embedded

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rules unpacks the rules of EN 16931 for a syntax, ubl or cii, and gives the class path of
// what runs them.
func rules(t *testing.T, syntax string) (sheet, classes string) {
	t.Helper()
	dir := os.Getenv("AS2DROP_JUDGE_EN16931")
	if dir == "" {
		t.Fatal("AS2DROP_JUDGE_EN16931 is not set: run make judges")
	}
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(jars, func(j string) bool { return strings.HasPrefix(filepath.Base(j), "phive-rules-en16931-") })
	if i < 0 {
		t.Fatalf("no rules in %s", dir)
	}
	jar, err := zip.OpenReader(jars[i])
	if err != nil {
		t.Fatal(err)
	}
	defer jar.Close() // nothing is written
	in, err := jar.Open("external/schematron/1.3.13/" + syntax + "/EN16931-" + strings.ToUpper(syntax) + "-validation.xslt")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	sheet = filepath.Join(t.TempDir(), "rules.xslt")
	if err := os.WriteFile(sheet, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return sheet, strings.Join(jars, string(os.PathListSeparator))
}

// findings has the rules hold the documents of a folder, and counts by document and rule
// what they object to.
func findings(t *testing.T, syntax, folder string) map[string]map[string]int {
	t.Helper()
	sheet, classes := rules(t, syntax)
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "java", "-cp", classes, "net.sf.saxon.Transform", "-s:"+folder, "-xsl:"+sheet, "-o:"+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("saxon: %v: %s", err, text)
	}
	reports, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]int{}
	for _, file := range reports {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Rules  []struct{} `xml:"fired-rule"`
			Failed []struct {
				ID string `xml:"id,attr"`
			} `xml:"failed-assert"`
		}
		if err := xml.Unmarshal(body, &report); err != nil {
			t.Fatal(err)
		}
		if len(report.Rules) == 0 {
			t.Errorf("%s: no rule was asked", file)
		}
		ids := map[string]int{}
		for _, f := range report.Failed {
			ids[f.ID]++
		}
		all[strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))] = ids
	}
	return all
}

// The rules of EN 16931 object to nothing that was embedded: neither to references of its
// own nor to content in those that the invoice has. They do to a type that they do not
// allow, which shows that they look.
func TestJudgeRulesOfEN16931(t *testing.T) {
	folders := map[string]string{"ubl": t.TempDir(), "cii": t.TempDir()}
	put := func(syntax, name string, doc []byte) {
		if err := os.WriteFile(filepath.Join(folders[syntax], name+".xml"), doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for path, doc := range samples(t) {
		kind, refs, err := References(bytes.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		syntax := "ubl"
		switch kind {
		case CrossIndustryInvoice:
			syntax = "cii"
		case Order, DespatchAdvice:
			continue
		}
		files := []file{{"scan.pdf", []byte("%PDF")}, {"Maße & Gewicht.csv", []byte("a;b")}}
		for _, r := range refs {
			if !r.Embedded {
				files = append(files, file{r.Name, []byte("named by the invoice")})
			}
		}
		name := syntax + " " + strings.TrimSuffix(filepath.Base(path), ".xml")
		names = append(names, name)
		with, _, err := embed(t, doc, files...)
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := embed(t, doc, file{"data.bin", []byte("abc")})
		if err != nil {
			t.Fatal(err)
		}
		put(syntax, name, doc)
		put(syntax, name+" with", with)
		put(syntax, name+" other", other)
	}
	found := findings(t, "ubl", folders["ubl"])
	for name, ids := range findings(t, "cii", folders["cii"]) {
		found[name] = ids
	}
	for _, name := range names {
		before, with, other := found[name], found[name+" with"], found[name+" other"]
		if before == nil || with == nil || other == nil {
			t.Fatalf("%s: the rules said nothing", name)
		}
		if fmt.Sprint(with) != fmt.Sprint(before) {
			t.Errorf("%s: without attachments %v, with %v", name, before, with)
		}
		if other["BR-CL-24"] != before["BR-CL-24"]+1 {
			t.Errorf("%s: a type that is not allowed: %v", name, other)
		}
	}
	t.Logf("%d invoices", len(names))
}
