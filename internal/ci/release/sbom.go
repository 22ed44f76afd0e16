package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// The parts of CycloneDX 1.6 that say what a program is made of.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string    `json:"type"`
		Ref      string    `json:"bom-ref"`
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		Hashes   []hash    `json:"hashes,omitempty"`
		Licences []licence `json:"licenses"`
		PURL     string    `json:"purl"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		Expression string `json:"expression"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// sbom lists what a program is made of, in the form of CycloneDX. Its number follows
// from the program, so that it is the same for the same program.
func (r *release) sbom(t target, program string, parts []part) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	id := sha256.Sum256(append([]byte("as2drop sbom "), sum[:]...))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, 5.8: version 8
	main := component{Type: "application", Ref: "as2drop", Name: "as2drop", Version: r.version,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, Licences: []licence{{"Apache-2.0"}},
		PURL: fmt.Sprintf("pkg:golang/github.com/as2drop/as2drop@v%s?goos=%s&goarch=%s", r.version, t.os, t.arch)}
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1,
		Serial:   fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]),
		Metadata: metadata{r.when.Format(time.RFC3339), main}}
	on := dependency{Ref: "as2drop"}
	for _, p := range parts {
		version := p.version
		c := component{Type: "library", Name: p.path, Version: version, Licences: []licence{{p.licence}}, PURL: "pkg:golang/" + p.path + "@" + version}
		c.Ref = c.PURL
		if p.sum != "" {
			c.Hashes = []hash{{"SHA-256", p.sum}}
		}
		b.Components = append(b.Components, c)
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.Ref})
		on.DependsOn = append(on.DependsOn, c.Ref)
	}
	b.Dependencies = append([]dependency{on}, b.Dependencies...)
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}
