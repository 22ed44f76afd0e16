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
		Doc:  "A current product at both ends: AS2 1.3, authenticated encryption, OAEP.",
		YAML: `as2_version: "1.3"
send:
  sign: sha-256
  encrypt: aes-256-gcm
  key_transport: oaep-sha-256
  receipt: signed
  receipt_micalgs: [sha-256]
receive:
  require: [signed, encrypted]
  digests: [sha-256, sha-384, sha-512]
`,
	},
	{
		Name: "openas2",
		Doc:  "OpenAS2 4 with a partnership that signs with SHA-256 and encrypts with AES. Set content_transfer_encoding=binary there.",
		YAML: `as2_version: "1.2"
send:
  sign: sha-256
  encrypt: aes-256-cbc
  compress: none
  receipt: signed
  receipt_delivery: sync
  receipt_micalgs: [sha-256]
receive:
  require: [signed, encrypted]
`,
	},
	{
		Name: "pyas2",
		Doc:  "django-pyas2 and whatever else is built on pyas2-lib, which takes the last of several digests, knows OAEP with SHA-1 only and no message with several parts.",
		YAML: `as2_version: "1.2"
send:
  sign: sha-256
  signature: pkcs1
  encrypt: aes-256-cbc
  key_transport: rsa
  receipt: signed
  receipt_micalgs: [sha-256]
receive:
  require: [signed, encrypted]
outbox:
  bundle: always
`,
	},
	{
		Name: "mendelson",
		Doc:  "mendelson AS2, signed and encrypted both ways: in its plain and its encrypted-only messages headers and MIC differ from the standard. Its receipts often come on a connection of their own; say receipt_delivery: async then.",
		YAML: `as2_version: "1.2"
send:
  sign: sha-256
  encrypt: aes-256-cbc
  compress: none
  receipt: signed
  receipt_micalgs: [sha-256]
receive:
  require: [signed, encrypted]
`,
	},
	{
		Name: "legacy-3des",
		Doc:  "An old product that knows Triple DES and nothing newer, but signs with SHA-256. Add sha1 to send.sign and receive.digests only if it knows nothing else.",
		YAML: `as2_version: "1.1"
send:
  sign: sha-256
  encrypt: des-ede3-cbc
  receipt: signed
  receipt_micalgs: [sha-256]
receive:
  require: [signed, encrypted]
  ciphers: [des-ede3-cbc]
`,
	},
	{
		Name: "one-document-network",
		Doc: "Two-way with a network that requires TLS, synchronous signed receipts and SHA-2, and takes one document with its attachments per zip. What it sends is encrypted with old ciphers, what it takes may be AES. " +
			"Such a network has one AS2 ID for tests and one for production: make them two partners, each with a station of its own.",
		YAML: `as2_version: "1.2"
allow_http: false
send:
  sign: sha-256
  encrypt: aes-256-cbc
  compress: none
  receipt: signed
  receipt_delivery: sync
  receipt_micalgs: [sha-256, sha-384, sha-512, sha-224]
receive:
  require: [signed, encrypted]
  ciphers: [des-ede3-cbc, cast5-cbc, idea-cbc, rc2-128-cbc]
  digests: [sha-224, sha-256, sha-384, sha-512]
outbox:
  bundle: always
inbox:
  unpack: auto
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
		scratch := newDecoder(d.file)
		mapping(scratch, p, scratch.parse([]byte(preset.YAML)), path, partnerKeys())
		for at := range scratch.lines {
			if !d.enter(at, k.Line) {
				return
			}
		}
		return
	}
}
