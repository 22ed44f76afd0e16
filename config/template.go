package config

import (
	_ "embed" // for the template
	"strings"
	"text/template"
)

//go:embed template.yaml
var templateText string

// TemplateData fills the template of a new set-up.
type TemplateData struct {
	AS2ID   string // ours
	Host    string // the name that partners reach us by
	DataDir string
	Schema  string // where editors find the JSON schema
}

// Packaged fills the template that packages install as /etc/as2drop/config.yaml, where
// nobody has said yet who we are.
var Packaged = TemplateData{AS2ID: `"MYCOMPANY"`, Host: "localhost", DataDir: "/var/lib/as2drop", Schema: "/usr/share/as2drop/config.schema.json"}

// Template is the commented config that `as2drop init` writes.
func Template(d TemplateData) (string, error) {
	t, err := template.New("config.yaml").Parse(templateText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, d)
	return b.String(), err
}
