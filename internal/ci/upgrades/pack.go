package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pack writes config and data of a site into an archive, without its keys, and without
// the shared memory of SQLite, which no other machine would read.
func pack(archive, dir string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || name == "." {
			return err
		}
		if name == "keys" {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, "-shm") || e.Name() == "agent.lock" {
			return nil
		}
		return add(t, path, filepath.ToSlash(name), e)
	})
	return errors.Join(err, t.Close(), z.Close(), f.Close())
}

func add(t *tar.Writer, path, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	if e.IsDir() {
		h.Typeflag = tar.TypeDir
		return t.WriteHeader(h)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	h.Size = int64(len(content))
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = t.Write(content)
	return err
}
