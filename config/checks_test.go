package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/filetype"
)

func TestChecks(t *testing.T) {
	workplace(t)
	of := func(text string) checks.Rules {
		t.Helper()
		c, err := load(t, ofPreset+text)
		if err != nil {
			t.Fatal(err)
		}
		return c.Partners[0].Outbox.Checks.Rules
	}
	// Nothing is checked that nobody asked for.
	r := of("")
	if r.Any() || r.MaxAttachment != 5_000_000 || r.MaxTotal != 50_000_000 || r.MaxName != 128 || r.Characters.String() != "A-Za-z0-9._-" || len(r.Types) != len(filetype.Types()) {
		t.Errorf("%+v", r)
	}
	r = of("    outbox:\n      checks: {types: refuse, allowed_types: [pdf, jpeg], other_types: [.DWG, stp], total_size: off, all: warn, max_attachment: 2MB, max_total: 9MB, name_characters: A-Z, max_name: 20}\n")
	want := "map[attachment_size:warn envelopes:warn names:warn one_document:warn total_size:off types:refuse unique_names:warn well_formed_xml:warn]"
	if fmt.Sprint(r.Effects) != want || fmt.Sprint(r.Types, r.Others) != "[pdf jpeg] [dwg stp]" || r.MaxAttachment != 2_000_000 || r.MaxTotal != 9_000_000 || r.Characters.String() != "A-Z" || r.MaxName != 20 {
		t.Errorf("%+v", r)
	}
	if len(r.Effects) != len(checks.All()) {
		t.Errorf("%d rules in the config, %d there are", len(r.Effects), len(checks.All()))
	}
}

func TestChecksThatCannotBe(t *testing.T) {
	workplace(t)
	for text, want := range map[string]string{
		"allowed_types: jpg":        `outbox.checks.allowed_types[0]: "jpg" is an extension of a type (write jpeg)`,
		"allowed_types: [pdf, dwg]": `outbox.checks.allowed_types[1]: "dwg" is no type that is known (known are pdf, jpeg, png, `,
		"other_types: [dwg, xlsx]":  `outbox.checks.other_types[1]: "xlsx" is an extension of a type that is known (put office into allowed_types)`,
		"other_types: tar.gz":       `outbox.checks.other_types[0]: "tar.gz" is no extension (write for example dwg)`,
		"name_characters: z-a":      `outbox.checks.name_characters: "z-a" ends before it begins (write for example A-Za-z0-9._-)`,
		`name_characters: ""`:       `outbox.checks.name_characters: no character is in it`,
		"types: maybe":              `outbox.checks.types: must be one of off, warn, refuse, is "maybe"`,
		"type: warn":                `outbox.checks.type: is no key that is known (did you mean "types"?)`,
		"max_attachment: 5":         `outbox.checks.max_attachment: must be a size with its unit, 1 B or more, is "5"`,
		"max_name: 300":             `outbox.checks.max_name: must be a whole number from 1 to 255, is "300"`,
	} {
		_, err := load(t, ofPreset+"    outbox:\n      checks:\n        "+text+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A bound whose rule is off does nothing, which is seldom meant; a rule that says off is.
func TestChecksWithoutEffect(t *testing.T) {
	workplace(t)
	for text, want := range map[string]string{
		"{max_total: 9MB}":                    "has no effect while total_size is off (set total_size: refuse, or warn)",
		"{max_total: 9MB, total_size: off}":   "",
		"{max_total: 9MB, all: warn}":         "",
		"{max_name: 9, types: refuse}":        "has no effect while names is off",
		"{allowed_types: pdf, names: refuse}": "has no effect while types is off",
	} {
		c, err := load(t, ofPreset+"    outbox: {checks: "+text+"}\n")
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, w := range c.Warnings {
			if strings.Contains(w.Path, "checks") {
				got += w.Error()
			}
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
