package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Preset is a named set of defaults for a partner.
type Preset struct {
	Name string
	Doc  string // for whom it is, in a sentence or two
	YAML string // what it sets, as it would stand below the partner's name
}

// Presets are all there are. What one sets is written as in the file, so that showing
// it and using it cannot differ.
var Presets = []Preset{
	{
		Name: "modern",
		Doc:  "A partner with a current product on both ends: AS2 1.3, authenticated encryption, OAEP.",
		YAML: `as2_version: "1.3"
send:
  sign: sha-256
  encrypt: aes-256-cbc
  key_transport: oaep-sha-256
  receipt: signed
receive:
  require: [signed, encrypted]
  digests: [sha-256, sha-384, sha-512]
`,
	},
	{
		Name: "openas2",
		Doc:  "OpenAS2 4.x with its usual partnership. It reads digests by their plain names and answers at once.",
		YAML: `as2_version: "1.2"
send:
  sign: sha-256
  encrypt: aes-256-cbc
  receipt: signed
quirks:
  no_algorithm_protection: true
`,
	},
	{
		Name: "pyas2",
		Doc:  "django-pyas2 and everything else on pyas2-lib. It reads SHA-2 names without hyphen and OAEP with SHA-1 only.",
		YAML: `as2_version: "1.2"
send:
  sign: sha-256
  encrypt: aes-256-cbc
  key_transport: rsa
  receipt: signed
quirks:
  mic_names: sha256
`,
	},
}

// presetNames lists them for people.
func presetNames() string {
	var names []string
	for _, p := range Presets {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// FindPreset finds a preset by its name. The error suggests the nearest one.
func FindPreset(name string) (Preset, error) {
	i := slices.IndexFunc(Presets, func(p Preset) bool { return p.Name == name })
	if i >= 0 {
		return Presets[i], nil
	}
	return Preset{}, fmt.Errorf("%q is no preset (%s)", name, presetHint(name))
}

func presetHint(name string) string {
	var names []string
	for _, p := range Presets {
		names = append(names, p.Name)
	}
	return didYouMean(name, names)
}

// applyPreset sets what the preset of a partner says, before its own keys are read. A
// mistake about such a value is on the line of the preset.
func applyPreset(d *decoder, p *Partner, n *yaml.Node, path string) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], resolve(n.Content[i+1])
		if k.Value != "preset" || value.Kind != yaml.ScalarNode || isNull(value) {
			continue // what is wrong with it is said when the partner is read
		}
		preset, err := FindPreset(value.Value)
		if err != nil {
			d.fail(k.Line, join(path, "preset"), presetHint(value.Value), "%q is no preset", value.Value)
			return
		}
		scratch := &decoder{file: d.file, lines: map[string]int{}, broken: map[string]bool{}}
		mapping(scratch, p, scratch.parse([]byte(preset.YAML)), path, partnerKeys())
		for at := range scratch.lines {
			if !d.enter(at, k.Line) {
				return
			}
		}
		return
	}
}
