package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is a module that a program is made of.
type part struct {
	path, version string
	sum           string // SHA-256 of its tree, in hex, as go.sum has it
	licence       string // by SPDX
	texts         []file // licences and notices
}

// licenceFile is what licences and notices are called.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// partsOf lists the modules of a program with their licences, and Go itself. A module
// without a licence is an error: it may not be given to anybody.
func partsOf(program string) ([]part, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	goTexts, err := textsIn(strings.TrimSpace(goenv("GOROOT")))
	if err != nil {
		return nil, err
	}
	parts := []part{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go"), licence: "BSD-3-Clause", texts: goTexts}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			return nil, fmt.Errorf("%s is replaced: a release is made of published modules", d.Path)
		}
		out, err := output("go", "mod", "download", "-json", d.Path+"@"+d.Version)
		if err != nil {
			return nil, err
		}
		var m struct{ Dir string }
		if err := json.Unmarshal(out, &m); err != nil {
			return nil, err
		}
		p := part{path: d.Path, version: d.Version}
		if sum, ok := strings.CutPrefix(d.Sum, "h1:"); ok {
			raw, err := base64.StdEncoding.DecodeString(sum)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.Path, err)
			}
			p.sum = hex.EncodeToString(raw)
		}
		if p.texts, err = textsIn(m.Dir); err != nil {
			return nil, err
		}
		if len(p.texts) == 0 {
			return nil, fmt.Errorf("%s %s has no licence", d.Path, d.Version)
		}
		if p.licence = spdx(p.texts); p.licence == "" {
			return nil, fmt.Errorf("%s %s: no known licence in %s", d.Path, d.Version, p.texts[0].name)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func textsIn(dir string) (texts []file, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, file{name: e.Name(), content: bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))})
	}
	return texts, nil
}

// spdx knows a licence by words that no other has.
func spdx(texts []file) string {
	var found []string
	for _, t := range texts {
		text := strings.Join(strings.Fields(string(t.content)), " ")
		for _, l := range []struct{ id, words, not string }{
			{"Apache-2.0", "Apache License Version 2.0, January 2004", ""},
			{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy", ""},
			{"MPL-2.0", "Mozilla Public License Version 2.0", ""},
			{"BSD-3-Clause", "may be used to endorse or promote products", "Apache License"},
			{"BSD-2-Clause", "Redistributions in binary form must reproduce", "may be used to endorse"},
			{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose", ""},
		} {
			if strings.Contains(text, l.words) && (l.not == "" || !strings.Contains(text, l.not)) && !slices.Contains(found, l.id) {
				found = append(found, l.id)
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, " AND ")
}

// licences is one text with the licences of all modules.
func licences(parts []part) []byte {
	var b bytes.Buffer
	b.WriteString("as2drop is licensed under the Apache License 2.0 (LICENSE). It is made of these modules by others:\n\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "  %s %s (%s)\n", p.path, p.version, p.licence)
	}
	for _, p := range parts {
		for _, t := range p.texts {
			fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("=", 78), p.path, p.version, t.name, bytes.TrimRight(t.content, "\n"))
		}
	}
	return b.Bytes()
}
