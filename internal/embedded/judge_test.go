//go:build judges

package embedded

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// schema is one that libxml2 can use for the documents of a kind: those of UBL import some
// namespaces without saying where they are.
func schema(t *testing.T, kind Kind) string {
	t.Helper()
	dir := os.Getenv("AS2DROP_JUDGE_SCHEMAS")
	if dir == "" {
		t.Fatal("AS2DROP_JUDGE_SCHEMAS is not set: run make judges")
	}
	if kind == CrossIndustryInvoice {
		return filepath.Join(dir, "schemas/d16b/data/standard/CrossIndustryInvoice_100pD16B.xsd")
	}
	local := strings.TrimPrefix(kind.String(), "UBL ")
	var b strings.Builder
	b.WriteString(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">`)
	for _, s := range []struct{ space, file string }{
		{"urn:un:unece:uncefact:data:specification:CoreComponentTypeSchemaModule:2", "schemas/CCTS_CCT_SchemaModule.xsd"},
		{dsig, "schemas/xmldsig-core-schema.xsd"},
		{"http://uri.etsi.org/01903/v1.3.2#", "schemas/XAdES01903v132-201601.xsd"},
		{"http://uri.etsi.org/01903/v1.4.1#", "schemas/XAdES01903v141-201601.xsd"},
		{ubl + local + "-2", "external/schemas/ubl21/maindoc/UBL-" + local + "-2.1.xsd"},
	} {
		fmt.Fprintf(&b, `<xs:import namespace="%s" schemaLocation="file://%s"/>`, s.space, filepath.ToSlash(filepath.Join(dir, s.file)))
	}
	b.WriteString(`</xs:schema>`)
	file := filepath.Join(t.TempDir(), local+".xsd")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// valid has xmllint hold files against a schema and returns what it says of each that is not.
func valid(t *testing.T, schema string, files ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xmllint", append([]string{"--noout", "--nonet", "--huge", "--schema", schema}, files...)...)
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			t.Fatalf("xmllint: %v: apt-get install libxml2-utils", err)
		}
		return out.String()
	}
	for _, f := range files {
		if !strings.Contains(out.String(), f+" validates") {
			return f + " was not judged: " + out.String()
		}
	}
	return ""
}

// What comes out is valid by the schemas of OASIS and UN/CEFACT, as what went in was: for
// every kind of document, with files that have a place in it and files that have none.
func TestJudgeXmllintOnEmbeddedAttachments(t *testing.T) {
	dir := t.TempDir()
	byKind := map[Kind][]string{}
	for path, doc := range samples(t) {
		kind, refs, err := References(bytes.NewReader(doc))
		if err != nil || kind == Unknown {
			t.Fatalf("%s: %v, %v", path, kind, err)
		}
		files := []file{{"INV_scan.pdf", bytes.Repeat([]byte("%PDF"), 100_000)}, {"Maße & <Daten> 検.csv", []byte("a;b")}, {"empty.bin", nil}}
		for _, r := range refs {
			if !r.Embedded {
				files = append(files, file{r.Name, []byte("named by the document")})
			}
		}
		for n := range len(files) + 1 {
			got, _, err := embed(t, doc, files[:n]...)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			out := filepath.Join(dir, fmt.Sprintf("%d-%s-%s", n, filepath.Base(filepath.Dir(path)), filepath.Base(path)))
			if err := os.WriteFile(out, got, 0o600); err != nil {
				t.Fatal(err)
			}
			byKind[kind] = append(byKind[kind], out)
		}
	}
	for _, kind := range []Kind{Invoice, CreditNote, Order, DespatchAdvice, CrossIndustryInvoice} {
		if len(byKind[kind]) == 0 {
			t.Errorf("no sample of a %v", kind)
			continue
		}
		if fault := valid(t, schema(t, kind), byKind[kind]...); fault != "" {
			t.Errorf("%v: %.3000s", kind, fault)
		}
		t.Logf("%v: %d documents are valid", kind, len(byKind[kind]))
	}
}

// The judge sees an attachment that is in the wrong place.
func TestJudgeXmllintSeesTheWrongPlace(t *testing.T) {
	doc := samples(t)[filepath.Join("..", "..", "testdata", "samples", "ubl", "order.xml")]
	got, _, err := embed(t, bytes.ReplaceAll(doc, []byte("cac:Contract>"), []byte("cac:CatalogueReference>")), file{"a.pdf", []byte("abc")})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "order.xml")
	if err := os.WriteFile(out, bytes.ReplaceAll(got, []byte("cac:CatalogueReference>"), []byte("cac:Contract>")), 0o600); err != nil {
		t.Fatal(err)
	}
	if fault := valid(t, schema(t, Order), out); !strings.Contains(fault, "AdditionalDocumentReference") {
		t.Errorf("%q", fault)
	}
}
