package xmlstream

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz target anew")

// seeds are small documents that use what a document can use.
var seeds = map[string]string{
	"declaration": "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<a/>",
	"latin":       "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe4'>\xfc</a>",
	"windows":     "<?xml version='1.0' encoding='windows-1252'?><a>\x80</a>",
	"mark":        "\xef\xbb\xbf<a>\xc3\xa4</a>",
	"namespaces":  "<a xmlns='u:1' xmlns:p='u:2' p:b='1' b='2'><p:c xmlns=''/></a>",
	"references":  "<a b='&lt;&#65;'>&amp;&#x1F4CE;</a>",
	"cdata":       "<a>x<![CDATA[<&]] ]>]]]]><![CDATA[>]]></a>",
	"comments":    "<!-- x --><?p q?><a><!----><?r?></a><!-- y -->",
	"doctype":     "<!DOCTYPE a PUBLIC '-//X' \"y\"><a/>",
	"bomb":        "<!DOCTYPE a [<!ENTITY b '&c;'>]><a>&b;</a>",
	"long name":   "<?" + strings.Repeat("E", 3000) + "\x80",
	"long value":  "<a b='" + strings.Repeat("c", 3000) + "\x80",
	"ends":        "<a b='1\r\n2\r3'>\r\n\r4\n</a>\r\n",
}

// The seeds are there: a target that starts from noise finds nothing.
// go test ./internal/xmlstream -run Seeds -update writes them anew.
func TestSeeds(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzReader")
	for name, doc := range seeds {
		file, want := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", doc)
		if *update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", file, got, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc []byte) { agrees(t, doc) })
}
