package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/config"
)

func sorted(files []file) []file {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files
}

// texts are what every archive holds beside the program.
func (r *release) texts(k kit) ([]file, error) {
	all := []file{
		{"THIRD-PARTY-LICENSES.txt", 0o644, k.licences},
		{"as2drop.cdx.json", 0o644, k.sbom},
	}
	names := []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"}
	var docs []string
	if err := filepath.WalkDir("docs", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && path.Ext(name) != ".png" { // pictures are for the web
			docs = append(docs, name)
		}
		return err
	}); err != nil {
		return nil, err
	}
	for _, name := range append(names, docs...) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, file{filepath.ToSlash(name), 0o644, text})
	}
	return sorted(all), nil
}

// tarball is for a Linux without packages: everything in one folder, whose parts lie as
// they would below /usr/local.
func (r *release) tarball(base string, k kit) error {
	program, err := os.ReadFile(k.program)
	if err != nil {
		return err
	}
	files, err := r.texts(k)
	if err != nil {
		return err
	}
	example, err := config.Template(config.Packaged)
	if err != nil {
		return err
	}
	files = append(files, file{"bin/as2drop", 0o755, program}, file{"config.yaml.example", 0o644, []byte(example)},
		file{"lib/systemd/system/as2drop.service", 0o644, []byte(unit("/usr/local/bin/as2drop"))})
	files = append(files, k.pages...)
	var b bytes.Buffer
	if err := r.tar(&b, base, files); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, base+".tar.gz"), zipped(b.Bytes()), 0o644)
}

// tar writes files into an archive, each with its folders before it, all of root and of
// the moment of the commit.
func (r *release) tar(w io.Writer, top string, files []file) error {
	t := tar.NewWriter(w)
	made := map[string]bool{".": true}
	var folder func(name string) error
	folder = func(name string) error {
		if made[name] {
			return nil
		}
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		made[name] = true
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: r.when, Format: tar.FormatUSTAR})
	}
	for _, f := range sorted(files) {
		name := path.Join(top, f.name)
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(f.mode.Perm()), Size: int64(len(f.content)), ModTime: r.when, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := t.Write(f.content); err != nil {
			return err
		}
	}
	return t.Close()
}

// zip is for Windows: the program, what to do with it, and an example of a config.
func (r *release) zip(base string, k kit) error {
	program, err := os.ReadFile(k.program)
	if err != nil {
		return err
	}
	files, err := r.texts(k)
	if err != nil {
		return err
	}
	start, err := os.ReadFile("packaging/README-windows.txt")
	if err != nil {
		return err
	}
	data := config.Packaged
	data.DataDir, data.Schema = "C:/ProgramData/as2drop/data", "config.schema.json"
	example, err := config.Template(data)
	if err != nil {
		return err
	}
	files = append(files, file{"as2drop.exe", 0o755, program}, file{"README.txt", 0o644, crlf(start)}, file{"config.yaml.example", 0o644, crlf([]byte(example))})
	for _, p := range k.pages {
		switch path.Base(p.name) {
		case "config.schema.json", "as2drop.completion.ps1":
			files = append(files, file{path.Base(p.name), 0o644, p.content})
		}
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range sorted(files) {
		h := &zip.FileHeader{Name: base + "/" + f.name, Method: zip.Deflate, Modified: r.when}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, base+".zip"), b.Bytes(), 0o644)
}

// crlf is a text as Notepad of older Windows reads it.
func crlf(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")) }

// touch gives a file of the work folder the moment of the commit.
func (r *release) touch(name string) error { return os.Chtimes(name, time.Time{}, r.when) }
