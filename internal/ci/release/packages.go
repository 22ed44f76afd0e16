package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/as2drop/as2drop/agent"
	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/service"
)

// nfpm writes .deb and .rpm. Later ones need modules that the Go proxy does not have.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"

// The config of nfpm, which reads JSON as YAML.
type (
	nfpmConfig struct {
		Name        string         `json:"name"`
		Arch        string         `json:"arch"`
		Platform    string         `json:"platform"`
		Version     string         `json:"version"`
		Section     string         `json:"section"`
		Priority    string         `json:"priority"`
		Maintainer  string         `json:"maintainer"`
		Description string         `json:"description"`
		Homepage    string         `json:"homepage"`
		License     string         `json:"license"`
		MTime       string         `json:"mtime"`
		Contents    []nfpmContent  `json:"contents"`
		Scripts     nfpmScripts    `json:"scripts"`
		RPM         map[string]any `json:"rpm"`
	}
	nfpmContent struct {
		Src      string   `json:"src,omitempty"`
		Dst      string   `json:"dst"`
		Type     string   `json:"type,omitempty"`
		Packager string   `json:"packager,omitempty"`
		Info     nfpmInfo `json:"file_info"`
	}
	nfpmInfo struct {
		Mode  int    `json:"mode"`
		MTime string `json:"mtime"`
		Owner string `json:"owner,omitempty"`
		Group string `json:"group,omitempty"`
	}
	nfpmScripts struct {
		PreInstall  string `json:"preinstall"`
		PostInstall string `json:"postinstall"`
		PreRemove   string `json:"preremove"`
		PostRemove  string `json:"postremove"`
	}
)

// unit is the systemd unit of the packages: what as2drop service unit prints for the
// config that they install. The test of the packages compares the two.
func unit(program string) string {
	return service.Unit(service.Definition{
		Name: "as2drop", Description: service.Description, Program: program,
		Args: service.Arguments("/etc/as2drop/config.yaml", ""), Config: "/etc/as2drop/config.yaml",
		DataDir: config.Packaged.DataDir, Grace: agent.ShutdownGrace,
	})
}

// packages writes the .deb and the .rpm of a target.
func (r *release) packages(t target, k kit) error {
	root := filepath.Join(r.work, "packages-"+t.arch)
	c := nfpmConfig{
		Name: "as2drop", Arch: t.arch, Platform: t.os, Version: r.version, Section: "net", Priority: "optional",
		Maintainer:  "The as2drop project <packages@as2drop.invalid>",
		Description: "AS2 agent that watches folders\nDocuments that are dropped into a folder are sent over AS2 (RFC 4130) with\ntheir attachments and filed by the partner's signed receipt; what partners\nsend is verified, unpacked and receipted. One static program.",
		Homepage:    "https://github.com/as2drop/as2drop", License: "Apache-2.0", MTime: r.when.Format(time.RFC3339),
		RPM: map[string]any{"group": "Applications/Internet", "summary": "AS2 agent that watches folders", "buildhost": "localhost"},
	}
	for name, to := range map[string]*string{"preinstall.sh": &c.Scripts.PreInstall, "postinstall.sh": &c.Scripts.PostInstall, "preremove.sh": &c.Scripts.PreRemove, "postremove.sh": &c.Scripts.PostRemove} {
		*to = filepath.Join("packaging", name)
	}
	files, err := r.packaged(k)
	if err != nil {
		return err
	}
	for _, f := range files {
		src := filepath.Join(root, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(src), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(src, f.content, f.mode); err != nil {
			return err
		}
		if err := r.touch(src); err != nil {
			return err
		}
		content := nfpmContent{Src: src, Dst: "/" + f.name, Info: nfpmInfo{Mode: int(f.mode), MTime: c.MTime}}
		switch {
		case f.name == "etc/as2drop/config.yaml":
			content.Type, content.Info.Group = "config|noreplace", "as2drop"
		case strings.HasPrefix(f.name, "usr/share/zsh/vendor-completions/"):
			content.Packager = "deb"
			other := content
			other.Packager, other.Dst = "rpm", "/usr/share/zsh/site-functions/_as2drop"
			c.Contents = append(c.Contents, other)
		case strings.HasPrefix(f.name, "usr/share/doc/as2drop/copyright"):
			content.Packager = "deb"
		}
		c.Contents = append(c.Contents, content)
	}
	for _, d := range []struct {
		name, owner string
		mode        int
	}{{"/etc/as2drop", "root", 0o750}, {"/etc/as2drop/partners", "root", 0o750}, {"/etc/as2drop/keys", "as2drop", 0o700}, {"/var/lib/as2drop", "as2drop", 0o700}} {
		c.Contents = append(c.Contents, nfpmContent{Dst: d.name, Type: "dir", Info: nfpmInfo{Mode: d.mode, MTime: c.MTime, Owner: d.owner, Group: "as2drop"}})
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(root, "nfpm.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	for _, format := range []string{"deb", "rpm"} {
		cmd := exec.Command("go", "run", nfpm, "package", "--config", file, "--packager", format, "--target", filepath.Join(r.out, fmt.Sprintf("as2drop_%s_linux_%s.%s", r.version, t.arch, format)))
		cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.when.Unix()), "GOFLAGS=", "TZ=UTC")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("nfpm, %s: %w", format, err)
		}
	}
	return nil
}

// packaged are the files of a package, by the path that they get.
func (r *release) packaged(k kit) ([]file, error) {
	program, err := os.ReadFile(k.program)
	if err != nil {
		return nil, err
	}
	start, err := config.Template(config.Packaged)
	if err != nil {
		return nil, err
	}
	sysusers, err := os.ReadFile("packaging/sysusers.conf")
	if err != nil {
		return nil, err
	}
	copyright, err := os.ReadFile("packaging/copyright")
	if err != nil {
		return nil, err
	}
	all := []file{
		{"usr/bin/as2drop", 0o755, program},
		{"usr/lib/systemd/system/as2drop.service", 0o644, []byte(unit("/usr/bin/as2drop"))},
		{"usr/lib/sysusers.d/as2drop.conf", 0o644, sysusers},
		{"etc/as2drop/config.yaml", 0o640, []byte(start)},
		{"usr/share/doc/as2drop/config.yaml.example", 0o644, []byte(start)},
		{"usr/share/doc/as2drop/copyright", 0o644, copyright},
	}
	for _, p := range k.pages {
		all = append(all, file{"usr/" + p.name, p.mode, p.content})
	}
	texts, err := r.texts(k)
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		all = append(all, file{"usr/share/doc/as2drop/" + t.name, t.mode, t.content})
	}
	return sorted(all), nil
}
