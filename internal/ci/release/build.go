package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// file is one of a package or an archive.
type file struct {
	name    string // with slashes, relative
	mode    os.FileMode
	content []byte
}

// kit is what an archive of one target is made of.
type kit struct {
	program  string // its path
	licences []byte
	sbom     []byte
	pages    []file // manual pages, completion, schema
}

// build makes the program for a target: static, without paths of this machine in it.
func (r *release) build(t target) (string, error) {
	program := filepath.Join(r.work, t.os+"-"+t.arch, "as2drop")
	if t.os == "windows" {
		program += ".exe"
	}
	return program, r.compile(t, program)
}

func (r *release) compile(t target, program string) error {
	stamps := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.revision=%s -X main.released=%s", r.version, r.revision, r.day())
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamps, "-o", program, "./cmd/as2drop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// pages has a program of this machine write what is the same for every target.
func (r *release) pages() ([]file, error) {
	program := filepath.Join(r.work, "here", "as2drop")
	if err := r.compile(target{strings.TrimSpace(goenv("GOHOSTOS")), strings.TrimSpace(goenv("GOHOSTARCH"))}, program); err != nil {
		return nil, err
	}
	man := filepath.Join(r.work, "man")
	if _, err := output(program, "man", "--dir", man); err != nil {
		return nil, err
	}
	var all []file
	for _, section := range []string{"man1", "man5"} {
		entries, err := os.ReadDir(filepath.Join(man, section))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(man, section, e.Name()))
			if err != nil {
				return nil, err
			}
			all = append(all, file{"share/man/" + section + "/" + e.Name() + ".gz", 0o644, zipped(text)})
		}
	}
	for name, args := range map[string][]string{
		"share/as2drop/config.schema.json":                {"config", "schema"},
		"share/bash-completion/completions/as2drop":       {"completion", "bash"},
		"share/zsh/vendor-completions/_as2drop":           {"completion", "zsh"},
		"share/fish/vendor_completions.d/as2drop.fish":    {"completion", "fish"},
		"share/as2drop/completion/as2drop.completion.ps1": {"completion", "powershell"},
	} {
		text, err := output(program, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, 0o644, text})
	}
	return sorted(all), nil
}

func goenv(name string) string {
	out, err := output("go", "env", name)
	if err != nil {
		return ""
	}
	return string(out)
}

func output(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), err)
	}
	return out, nil
}

// zipped is gzip -9n: without a name and a date.
func zipped(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is one
	}
	w.ModTime = time.Time{}
	if _, err := w.Write(content); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
