package simdisk

import (
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/as2drop/as2drop/internal/fsx"
)

// file is an open file.
type file struct {
	t      *tree
	n      *node
	name   string
	flag   int
	pos    int64
	closed bool
}

var _ fsx.File = (*file)(nil)

// writable reports whether a handle opened with these flags may write.
func writable(flag int) bool { return flag&(os.O_WRONLY|os.O_RDWR) != 0 }

func (t *tree) OpenFile(name string, flag int, perm fs.FileMode) (fsx.File, error) {
	f := &file{t: t, name: name, flag: flag}
	err := t.do("open", name, flag&(os.O_CREATE|os.O_TRUNC) != 0, func() error {
		n, err := t.openNode(name, flag, perm)
		if err != nil {
			return err
		}
		f.n = n
		if t.outside && writable(flag) {
			n.writers++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openNode finds the file, or makes it, or empties it, as the flags say.
func (t *tree) openNode(name string, flag int, perm fs.FileMode) (*node, error) {
	n, err := t.find(name)
	if err == syscall.ENOENT && flag&os.O_CREATE != 0 {
		folder, err := t.parent(name)
		if err != nil {
			return nil, err
		}
		r := rights{mode: perm.Perm()}
		n = &node{rights: r, safeRights: r}
		t.d.create(folder, path.Base(name), t.full(name), n)
		return n, nil
	}
	switch {
	case err != nil:
		return nil, err
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case n.folder && (writable(flag) || flag&os.O_CREATE != 0):
		return nil, syscall.EISDIR
	case flag&os.O_TRUNC != 0 && len(n.now.b) > 0:
		t.d.truncate(n, t.full(name), 0)
	}
	return n, nil
}

func (f *file) do(c call, refused func(error), g func() error) error {
	c.name, c.outside = f.t.full(f.name), f.t.outside
	err := f.t.d.do(c, refused, func() error {
		if f.closed {
			return fs.ErrClosed
		}
		return g()
	})
	if err == io.EOF {
		return err
	}
	return wrap(c.op, f.name, err)
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.readAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.readAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *file) readAt(p []byte, off int64) (int, error) {
	n := 0
	err := f.do(call{op: "read"}, nil, func() error {
		switch {
		case f.n.folder:
			return syscall.EISDIR
		case f.flag&os.O_WRONLY != 0:
			return syscall.EBADF
		case len(p) == 0:
			return nil
		case off >= int64(len(f.n.now.b)):
			return io.EOF
		}
		n = copy(p, f.n.now.b[off:])
		return nil
	})
	return n, err
}

func (f *file) Write(p []byte) (int, error) {
	n := 0
	put := func(p []byte) {
		if f.flag&os.O_APPEND != 0 {
			f.pos = int64(len(f.n.now.b))
		}
		f.t.d.write(f.n, f.t.full(f.name), p, f.pos)
		n = len(p)
		f.pos += int64(n)
	}
	err := f.do(call{op: "write", n: len(p), changes: true}, func(err error) {
		if full(err) && len(p) > 1 && !f.closed {
			put(p[:len(p)/2])
		}
	}, func() error {
		if !writable(f.flag) {
			return syscall.EBADF
		}
		if len(p) > 0 {
			put(p)
		}
		return nil
	})
	return n, err
}

func (f *file) Stat() (fs.FileInfo, error) {
	var found fs.FileInfo
	err := f.do(call{op: "stat"}, nil, func() error {
		found = f.t.d.infoOf(f.n, path.Base(f.name))
		return nil
	})
	return found, err
}

func (f *file) Sync() error {
	return f.do(call{op: "sync", changes: true}, func(error) { f.t.d.syncFailed(f.n.id) }, func() error {
		f.t.d.sync(f.n.id)
		return nil
	})
}

func (f *file) Close() error {
	err := f.do(call{op: "close"}, nil, func() error { return nil })
	f.t.d.mu.Lock()
	defer f.t.d.mu.Unlock()
	if !f.closed && f.t.outside && writable(f.flag) {
		f.n.writers--
	}
	// Also after an error: a handle is gone in any case.
	f.closed = true
	return err
}
