package config

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// said is what a config says at one path, or what a file holds that it names there.
type said struct {
	text   string   // for people
	hidden [32]byte // SHA-256 of what nobody may read: keys and secrets
}

// contentOf is where the content of the file that is named at a path is kept.
func contentOf(path string) string { return path + " (content)" }

// Stamp is a file as the system describes it; the zero value is one that is not there.
type Stamp struct {
	Size  int64
	MTime int64 // nanoseconds since 1970
	Mode  fs.FileMode
}

// StampOf describes a file.
func StampOf(file string) Stamp {
	info, err := os.Stat(file)
	if err != nil {
		return Stamp{} // gone, or on its way
	}
	return Stamp{info.Size(), info.ModTime().UnixNano(), info.Mode()}
}

// reads notes that a file is about to be read.
func (f *finisher) reads(file string) {
	f.config.Files[f.resolve(file)] = StampOf(f.resolve(file))
}

// holds notes the certificates in a file.
func (f *finisher) holds(path string, certs []*x509.Certificate) {
	var texts []string
	for _, c := range certs {
		sum := sha256.Sum256(c.Raw)
		texts = append(texts, fmt.Sprintf("%s, valid to %s, SHA-256 %x", c.Subject, c.NotAfter.UTC().Format(time.DateOnly), sum[:8]))
	}
	f.said[contentOf(path)] = said{text: strings.Join(texts, "; ")}
}

// holdsKey notes that a file holds a private key, by its public half.
func (f *finisher) holdsKey(path string, key crypto.Signer) {
	if der, err := x509.MarshalPKIXPublicKey(key.Public()); err == nil { // else it is none that signs, and is refused
		f.said[contentOf(path)] = said{text: "a private key", hidden: sha256.Sum256(der)}
	}
}

// Change is one difference between two configs.
type Change struct {
	Partner string // that it is about; empty if it is about none alone
	Path    string // such as partners.acme.url
	Text    string // what it was and what it is; never a secret
}

func (c Change) String() string { return c.Path + ": " + c.Text }

// Diff says what changed from one config to another, in the order of the paths: what the
// files say, and the certificates, keys and secrets that they name. A partner that came
// or went is one change. No change means that both do the same.
func Diff(old, new *Config) []Change {
	var changes []Change
	before, after := names(old), names(new)
	for name := range before {
		if !after[name] {
			changes = append(changes, Change{name, "partners." + name, "removed"})
		}
	}
	for name := range after {
		if !before[name] {
			changes = append(changes, Change{name, "partners." + name, "added"})
		}
	}
	paths := maps.Clone(old.said)
	maps.Copy(paths, new.said)
	for path := range paths {
		partner := partnerOf(path, before, after)
		if partner != "" && before[partner] != after[partner] {
			continue // it came or went as a whole
		}
		was, set := old.said[path]
		is, stays := new.said[path]
		if !set || !stays || was != is {
			changes = append(changes, Change{partner, path, difference(was, is, set, stays)})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes
}

func names(c *Config) map[string]bool {
	all := map[string]bool{}
	for _, p := range c.Partners {
		all[p.Name] = true
	}
	return all
}

func difference(was, is said, set, stays bool) string {
	switch {
	case !set:
		return fmt.Sprintf("was not set, is %q", is.text)
	case !stays:
		return fmt.Sprintf("was %q, is not set", was.text)
	case was.text == is.text:
		return "is another one than before: " + is.text
	}
	return fmt.Sprintf("was %q, is %q", was.text, is.text)
}

// partnerOf takes the name of a partner from a path. Names may have dots; the longest one
// that is a partner's counts.
func partnerOf(path string, before, after map[string]bool) (partner string) {
	rest, ok := strings.CutPrefix(path, "partners.")
	for i := range rest {
		if name := rest[:i]; rest[i] == '.' && (before[name] || after[name]) {
			partner = name
		}
	}
	if ok && (before[rest] || after[rest]) {
		return rest
	}
	return partner
}
