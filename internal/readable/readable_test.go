package readable

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// The bytes are those of package json, whatever is in the strings.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `""`, `-1.5e3`, `{"a":1}`, `[[],{},[{}]]`, `{"a":{"b":[1,2,{"c":null}]},"d":[]}`, `"\\"`, `"\\\""`, `["\\","\"",":,{}[]"]`, `{"\"":"\\\\"}`,
		` { "a" : [ 1 , 2 ] } `, `{"pem":"-----BEGIN CERTIFICATE-----\nMIIB\n"}`, `"ü\u2028<>&"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		if json.Unmarshal(b, &v) != nil {
			Append(nil, b) // it comes to an end
			return
		}
		compact, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.MarshalIndent(v, "", "  ")
		if got := Append(nil, compact); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s\nis laid out as\n%s\nand by package json\n%s\n%v", compact, got, want, err)
		}
		if got := Append([]byte("before"), compact); !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%s", got)
		}
		if got, err := JSON(v); err != nil || !bytes.Equal(got, append(want, '\n')) {
			t.Errorf("%s, %v", got, err)
		}
	})
}

func TestWhatIsNoJSON(t *testing.T) {
	if b, err := JSON(func() {}); err == nil || b != nil {
		t.Errorf("%s, %v", b, err)
	}
}

// BenchmarkJSON writes something like the record of a document.
func BenchmarkJSON(b *testing.B) {
	type file struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
	}
	record := struct {
		ID           string `json:"id"`
		Files        []file `json:"files"`
		Receipt      []byte `json:"receipt"`
		Certificates string `json:"certificates"`
	}{"01J", []file{{"INV-1.xml", 10_000}}, make([]byte, 3000), strings.Repeat("MIIDazCCAlOgAwIBAgIUQYwGg8BuZbMFVdF5gq9Bx1yVw8QwDQYJKoZIhvcNAQEL\n", 60)}
	for name, write := range map[string]func(any) ([]byte, error){"readable": JSON, "json": func(v any) ([]byte, error) { return json.MarshalIndent(v, "", "  ") }} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := write(record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
