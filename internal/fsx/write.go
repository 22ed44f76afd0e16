package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// Publish makes a new file appear under its name complete and durable, or not at
// all. It fails with an error wrapping ErrTargetTaken where the name is in use. Until
// then it is name.part in the same folder, which must be a folder of ours; a crash may
// leave that behind, and the next try for the same name writes it anew. Two calls for
// one name must not overlap.
func Publish(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	part := name + ".part"
	if err := WriteUnsynced(fsys, part, perm, write); err != nil {
		return err
	}
	if err := rename(fsys, part, name); err != nil {
		// The name belongs to somebody else; only our own part goes away.
		return errors.Join(fmt.Errorf("publish %q: %w", name, err), fsys.Remove(part))
	}
	return fsys.SyncDir(path.Dir(name))
}

// Rewrite gives a file of the agent's own new content in one step: a reader sees
// the old bytes or the new ones. It is the one recipe that replaces, and only for
// files that nobody but the agent writes (transfer.json, markers).
func Rewrite(fsys FS, name string, perm fs.FileMode, content []byte) error {
	if err := RewriteUnsynced(fsys, name, perm, content); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

// RewriteUnsynced is Rewrite but for the sync of the folder. The content is durable when
// it returns, its name is not: a power cut leaves the old file or the new one. It is for
// callers that make other changes in the same folder and sync it once, before anything
// depends on them.
func RewriteUnsynced(fsys FS, name string, perm fs.FileMode, content []byte) error {
	part := name + ".part"
	err := WriteUnsynced(fsys, part, perm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := fsys.Replace(part, name); err != nil {
		return errors.Join(fmt.Errorf("rewrite %q: %w", name, err), fsys.Remove(part))
	}
	return nil
}

// WriteUnsynced writes a new file under its name, without a name.part before it. Its content
// is durable when it returns, its name is not: that takes a sync of the folder. A crash
// leaves any part of the content, so it is for folders of ours in which nothing counts
// before a later commit, and which are made anew after a crash. What has the name is
// replaced; after an error nothing is left.
func WriteUnsynced(fsys FS, name string, perm fs.FileMode, write func(io.Writer) error) error {
	f, err := fsys.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	err = write(Eager(f))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(name))
	}
	return nil
}
