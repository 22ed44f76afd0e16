package service

import (
	"io/fs"
	"syscall"
)

// allowed reports whether the mode of a file gives a user all the bits: 4 to read, 2 to
// write, 1 to pass.
func (w who) allowed(info fs.FileInfo, want uint32) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || w.uid == 0 {
		return true
	}
	mode := uint32(info.Mode().Perm())
	switch {
	case st.Uid == w.uid:
		mode >>= 6
	case w.groups[st.Gid]:
		mode >>= 3
	}
	return mode&want == want
}
