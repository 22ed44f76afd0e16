package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// containerUser is the user of the container, by number: no name has to be known outside.
const containerUser = 65532

type (
	descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	imageConfig struct {
		Created      string         `json:"created"`
		Architecture string         `json:"architecture"`
		OS           string         `json:"os"`
		Config       containerStart `json:"config"`
		RootFS       rootFS         `json:"rootfs"`
		History      []history      `json:"history"`
	}
	containerStart struct {
		User         string
		ExposedPorts map[string]struct{}
		Env          []string
		Entrypoint   []string
		Cmd          []string
		Volumes      map[string]struct{}
		WorkingDir   string
		StopSignal   string
		Labels       map[string]string
		Healthcheck  healthcheck
	}
	healthcheck struct {
		Test                           []string
		Interval, Timeout, StartPeriod time.Duration
		Retries                        int
	}
	rootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	history struct {
		Created string `json:"created"`
		By      string `json:"created_by"`
	}
)

// image writes a container image as one file that docker load, podman load and skopeo read:
// an OCI layout, and beside it the manifest.json that older Dockers look for. It holds what
// packaging/Containerfile makes.
func (r *release) image(t target, k kit) error {
	layer, err := r.layer(k)
	if err != nil {
		return err
	}
	packed := zipped(layer)
	created := r.when.Format(time.RFC3339)
	text, err := json.Marshal(imageConfig{
		Created: created, Architecture: t.arch, OS: t.os,
		Config: containerStart{
			User: fmt.Sprintf("%d:%d", containerUser, containerUser), ExposedPorts: map[string]struct{}{"8443/tcp": {}},
			Env: []string{"PATH=/usr/bin", "AS2DROP_CONFIG=/etc/as2drop/config.yaml"}, Entrypoint: []string{"/usr/bin/as2drop"}, Cmd: []string{"run"},
			Volumes: map[string]struct{}{"/var/lib/as2drop": {}}, WorkingDir: "/var/lib/as2drop", StopSignal: "SIGTERM",
			Labels:      map[string]string{"org.opencontainers.image.title": "as2drop", "org.opencontainers.image.version": r.version, "org.opencontainers.image.revision": r.revision, "org.opencontainers.image.licenses": "Apache-2.0"},
			Healthcheck: healthcheck{Test: []string{"CMD", "/usr/bin/as2drop", "status", "--alive"}, Interval: 30 * time.Second, Timeout: 10 * time.Second, StartPeriod: time.Minute, Retries: 3},
		},
		RootFS: rootFS{"layers", []string{digest(layer)}}, History: []history{{created, "as2drop " + r.version}},
	})
	if err != nil {
		return err
	}
	config := descriptor{MediaType: "application/vnd.oci.image.config.v1+json", Digest: digest(text), Size: len(text)}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
		"layers": []descriptor{{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Digest: digest(packed), Size: len(packed)}}})
	if err != nil {
		return err
	}
	tag := "as2drop:" + r.version
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
		"manifests": []descriptor{{"application/vnd.oci.image.manifest.v1+json", digest(manifest), len(manifest), map[string]string{"org.opencontainers.image.ref.name": r.version, "io.containerd.image.name": "docker.io/library/" + tag}}}})
	if err != nil {
		return err
	}
	old, err := json.Marshal([]map[string]any{{"Config": blob(text), "RepoTags": []string{tag}, "Layers": []string{blob(packed)}}})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := r.tar(&b, "", []file{
		{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {"index.json", 0o644, index}, {"manifest.json", 0o644, old},
		{blob(manifest), 0o644, manifest}, {blob(text), 0o644, text}, {blob(packed), 0o644, packed},
	}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("as2drop_%s_container_%s.tar", r.version, t.arch)), b.Bytes(), 0o644)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blob(content []byte) string { return "blobs/sha256/" + digest(content)[len("sha256:"):] }

// layer is the only one: the program, the licences, and the folders that a process needs.
func (r *release) layer(k kit) ([]byte, error) {
	program, err := os.ReadFile(k.program)
	if err != nil {
		return nil, err
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	names := fmt.Sprintf("as2drop:x:%d:", containerUser)
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, e := range []struct {
		name    string
		mode    int64
		owner   int
		content []byte
	}{
		{"etc/", 0o755, 0, nil},
		{"etc/as2drop/", 0o755, 0, nil},
		{"etc/group", 0o644, 0, []byte(names + "\n")},
		{"etc/passwd", 0o644, 0, fmt.Appendf(nil, "%s%d:as2drop:/var/lib/as2drop:/usr/bin/as2drop\n", names, containerUser)},
		{"tmp/", 0o1777, 0, nil},
		{"usr/", 0o755, 0, nil},
		{"usr/bin/", 0o755, 0, nil},
		{"usr/bin/as2drop", 0o755, 0, program},
		{"usr/share/", 0o755, 0, nil},
		{"usr/share/doc/", 0o755, 0, nil},
		{"usr/share/doc/as2drop/", 0o755, 0, nil},
		{"usr/share/doc/as2drop/LICENSE", 0o644, 0, licence},
		{"usr/share/doc/as2drop/THIRD-PARTY-LICENSES.txt", 0o644, 0, k.licences},
		{"usr/share/doc/as2drop/as2drop.cdx.json", 0o644, 0, k.sbom},
		{"var/", 0o755, 0, nil},
		{"var/lib/", 0o755, 0, nil},
		{"var/lib/as2drop/", 0o700, containerUser, nil},
	} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.content)), ModTime: r.when, Format: tar.FormatUSTAR}
		if e.content == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
