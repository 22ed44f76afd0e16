package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/naming"
)

// defaultDataDir is where the data is if nothing is said.
const defaultDataDir = "./var"

// maxFile bounds config.yaml, in bytes.
const maxFile = 16 << 20

// Load reads a config at the given moment (which certificates have expired). Paths in
// it are relative to its folder. The error is an Errors with every mistake, or says
// why the file could not be read.
//
// With create_keys, key pairs of ours that are missing are made, once the rest of the
// file has no mistake, and Warnings names them; files that exist are never touched.
func Load(path string, now time.Time) (*Config, error) {
	before := StampOf(path)
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parse(path, text, before, now)
}

// parse reads the text of a config as if it stood in its file.
func parse(path string, text []byte, before Stamp, now time.Time) (*Config, error) {
	sum := sha256.Sum256(text)
	c := &Config{Path: path, Text: string(text), Hash: hex.EncodeToString(sum[:]), DataDir: defaultDataDir, Reserve: 256 << 20, Alarms: defaultAlarms(), Retention: Housekeeping{at: []string{"daily at 03:30"}}, Files: map[string]Stamp{path: before}}
	d := newDecoder(path)
	if root := d.parse(text); root != nil {
		mapping(d, c, root, "", rootKeys())
		if d.values <= maxValues {
			f := &finisher{decoder: d, config: c, now: now, toMake: map[string]bool{}, listens: map[string]string{}, rules: map[string]*naming.Rules{}, certs: map[string][]*x509.Certificate{}}
			f.finish()
			c.said = d.said
		}
	}
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
		return nil, d.errs
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	text, err := fsx.ReadPath(path, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist; name the config with --config, or make one with: as2drop init DIR", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: only root and the account of the agent may read it; try again with sudo, or as an administrator", err)
	}
	return text, err
}

// parse returns the root mapping, or nil after reporting why there is none.
func (d *decoder) parse(text []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if err == io.EOF {
			d.fail(0, "", "as2drop init DIR writes one to start from", "the file is empty")
			return nil
		}
		d.yamlError(err, text)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		d.fail(second.Line, "", "remove the line ---", "a second document begins here; it would not be read")
	} else if err != io.EOF {
		d.yamlError(err, text)
	}
	return doc.Content[0]
}

func (d *decoder) yamlError(err error, text []byte) {
	fact := strings.TrimPrefix(err.Error(), "yaml: ")
	line, anchor := 0, ""
	if n, _ := fmt.Sscanf(fact, "line %d:", &line); n == 1 {
		_, fact, _ = strings.Cut(fact, ": ")
	}
	if n, _ := fmt.Sscanf(fact, "unknown anchor '%s", &anchor); n == 1 { // the library does not say where
		before, _, _ := bytes.Cut(text, []byte("*"+strings.TrimSuffix(anchor, "'")))
		line = 1 + bytes.Count(before, []byte("\n"))
	}
	hint := "indent with blanks, not tabs; put text with : # * or @ in quotes"
	if strings.Contains(fact, "escape") || strings.Contains(fact, "hexdecimal") { // "C:\as2drop", "C:\Users"
		hint = "a backslash between double quotes begins an escape; " + slashes
	}
	d.fail(line, "", hint, "this is no YAML: %s", fact)
}
