package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

const ofPreset = `stations:
  us: {as2_id: US, keys: [{certificate: keys/us.pem, key: keys/us.key}]}
partners:
  acme:
    as2_id: A
    station: us
    url: https://a.example/as2
    certificates: keys/other.pem
`

func indent(yaml string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(yaml, "\n"), "\n", "\n    ") + "\n"
}

// What a preset sets is what its text sets when it is written below the partner.
func TestPresets(t *testing.T) {
	workplace(t)
	for _, preset := range Presets {
		named, err := load(t, ofPreset+"    preset: "+preset.Name+"\n")
		if err != nil {
			t.Errorf("%s: %v", preset.Name, err)
			continue
		}
		written, err := load(t, ofPreset+indent(preset.YAML))
		if err != nil {
			t.Errorf("%s: %v", preset.Name, err)
			continue
		}
		plain, err := load(t, ofPreset)
		if err != nil {
			t.Fatal(err)
		}
		got, want := named.Partners[0], written.Partners[0]
		if got.Preset != preset.Name || preset.Doc == "" {
			t.Errorf("%+v", preset)
		}
		got.Preset = ""
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: by name %+v, by text %+v", preset.Name, got, want)
		}
		if reflect.DeepEqual(got, plain.Partners[0]) {
			t.Errorf("%s sets nothing", preset.Name)
		}
		for _, w := range named.Warnings {
			if w.Line != 9 {
				t.Errorf("%s: a warning is on line %d, not on that of the preset: %v", preset.Name, w.Line, w)
			}
		}
		if len(named.Warnings) != len(written.Warnings) {
			t.Errorf("%s: %d warnings, written out %d", preset.Name, len(named.Warnings), len(written.Warnings))
		}
	}
}

// What a partner says itself wins, wherever it stands, and has its own line.
func TestPartnerOverridesPreset(t *testing.T) {
	workplace(t)
	for _, text := range []string{
		"    preset: modern\n    send: {sign: sha-512, encrypt: aes-128-cbc}\n",
		"    send: {sign: sha-512, encrypt: aes-128-cbc}\n    preset: modern\n",
	} {
		c, err := load(t, ofPreset+text)
		if err != nil {
			t.Fatal(err)
		}
		if p := c.Partners[0]; p.Send.Sign != cms.SHA512 || p.Send.Cipher != cms.AES128CBC || p.Version != "1.3" || p.Send.Transport != cms.OAEPSHA256 {
			t.Errorf("%+v", p)
		}
	}
	_, err := load(t, ofPreset+"    preset: modern\n    send:\n      sign: sha1\n")
	if errs, ok := err.(Errors); !ok || len(errs) != 1 || errs[0].Line != 11 {
		t.Errorf("%v", err)
	}
	if _, err := FindPreset("modem"); err == nil || !strings.Contains(err.Error(), `did you mean "modern"?`) {
		t.Error(err)
	}
	if !strings.Contains(Reference(), "### modern") || !strings.Contains(Reference(), fmt.Sprint(Presets[0].YAML)) {
		t.Error("the reference shows no presets")
	}
}

// A thousand partners whose certificates stand in one file hold them once.
func TestPartnersShareTheCertificatesOfAFile(t *testing.T) {
	workplace(t)
	c, err := load(t, ofPreset+strings.Replace(ofPreset[strings.Index(ofPreset, "  acme:"):], "acme:\n    as2_id: A", "beta:\n    as2_id: B", 1))
	if err != nil {
		t.Fatal(err)
	}
	one, other := c.Partners[0].Certificates[0].Certificates, c.Partners[1].Certificates[0].Certificates
	if one[0] != other[0] {
		t.Error("each has a copy")
	}
	if &one[0] == &other[0] {
		t.Error("to add one to a partner's list would change that of the other")
	}
}
