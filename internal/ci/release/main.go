// Command release makes everything that is given to users: programs for Linux and Windows,
// packages, archives and container images, with checksums and lists of what is in them.
//
// It runs in the root of the repository, on Linux, and needs git, Go and the Go proxy:
//
//	go run ./internal/ci/release -out dist
//
// The same commit and the same Go give the same bytes, in whatever folder and at whatever
// time: every date is that of the commit, every list is sorted, nothing is asked of the machine.
// The test of CI makes all of it twice and compares SHA256SUMS.
//
// Signing is left to whoever has a key: -sign names a program that is run in the
// folder after SHA256SUMS is there, with that file as its argument.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// target is a system that programs are made for.
type target struct{ os, arch string }

var targets = []target{{"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}}

func main() {
	out := flag.String("out", "dist", "the folder to write to; what was in it is removed")
	sign := flag.String("sign", "", "a program that signs SHA256SUMS")
	flag.Parse()
	if err := run(*out, *sign); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what is made, and where.
type release struct {
	edition
	out  string // the folder with what is given to users
	work string // what it is made of
}

func run(out, sign string) error {
	e, err := editionOf()
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "as2drop-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) // a temporary folder that stays does no harm
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	r := &release{edition: e, out: out, work: work}
	pages, err := r.pages()
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.target(t, pages); err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
	}
	if err := r.checksums(); err != nil {
		return err
	}
	if sign != "" {
		cmd := exec.Command(sign, "SHA256SUMS")
		cmd.Dir, cmd.Stdout, cmd.Stderr = out, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", sign, err)
		}
	}
	fmt.Printf("as2drop %s is in %s\n", r.version, out)
	return nil
}

// target makes all that there is for one system.
func (r *release) target(t target, pages []file) error {
	program, err := r.build(t)
	if err != nil {
		return err
	}
	parts, err := partsOf(program)
	if err != nil {
		return err
	}
	sbom, err := r.sbom(t, program, parts)
	if err != nil {
		return err
	}
	base := fmt.Sprintf("as2drop_%s_%s_%s", r.version, t.os, t.arch)
	if err := os.WriteFile(filepath.Join(r.out, base+".cdx.json"), sbom, 0o644); err != nil {
		return err
	}
	k := kit{program: program, licences: licences(parts), sbom: sbom, pages: pages}
	if t.os == "windows" {
		return r.zip(base, k)
	}
	if err := r.tarball(base, k); err != nil {
		return err
	}
	if err := r.image(t, k); err != nil {
		return err
	}
	return r.packages(t, k)
}

// checksums lists what is in the folder in the form that sha256sum -c reads.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries { // sorted by name
		content, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		b.WriteString(hex.EncodeToString(sum[:]) + "  " + e.Name() + "\n")
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644)
}
