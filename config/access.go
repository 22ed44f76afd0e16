package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/internal/fsx"
)

// Access is who may use what the agent puts into inbox, sent and failed, beside the agent
// itself.
type Access struct {
	Group    string      // empty = that of the agent
	Owner    *fsx.Group  // the same, as the system knows it
	FileMode fs.FileMode // 0 = as files are dropped, or made
	DirMode  fs.FileMode
	Line     int // of group; 0 = none is named
}

// setMode reads permissions in octal digits; all of least must be among them, and nothing
// but most.
func setMode(least, most uint64, example string, field func(*Access) *fs.FileMode) func(*decoder, *Access, *yaml.Node, string) {
	return func(d *decoder, a *Access, n *yaml.Node, path string) {
		s, ok := d.scalar(n, path, "permissions in octal digits")
		if !ok {
			return
		}
		mode, err := strconv.ParseUint(s, 8, 32)
		switch {
		case err != nil || mode&^most != 0:
			d.fail(n.Line, path, "write for example "+example, "must be permissions in octal digits, is %q", s)
		case mode&least != least:
			d.fail(n.Line, path, "write for example "+example, "%s keeps the agent itself away: it needs %04o", s, least)
		default:
			*field(a) = fs.FileMode(mode & 0o777)
			if mode&0o2000 != 0 {
				*field(a) |= fs.ModeSetgid
			}
		}
	}
}

func accessKeys() []key[Access] {
	return []key[Access]{
		{"group", "name or number", "that of the agent", "The group that files and folders are given to. The agent's user must be a member. On Windows a group or an account, which may then read, change and remove them. Groups of a directory service may need their number.", setString(func(a *Access) *string { return &a.Group })},
		{"file_mode", "permissions", "as dropped; 0640 less the umask for what is made", "The permissions of files, such as \"0660\", whatever the umask says. Not on Windows. Files that belong to the user who dropped them keep theirs: only their owner may change them.", setMode(0o600, 0o666, `"0640"`, func(a *Access) *fs.FileMode { return &a.FileMode })},
		{"dir_mode", "permissions", "0750 less the umask", "The permissions of folders, such as \"2770\" (2: what is made in them belongs to their group). Not on Windows.", setMode(0o700, 0o2777, `"0750"`, func(a *Access) *fs.FileMode { return &a.DirMode })},
	}
}

// access completes what a partner says with what is said for all, and finds the group.
func (f *finisher) access(p *Partner, path string) {
	all, at := f.config.Access, path+".files"
	a := &p.Access
	group := at + ".group"
	if a.Group == "" {
		a.Group, group = all.Group, "files.group"
	}
	if a.FileMode == 0 {
		a.FileMode = all.FileMode
	}
	if a.DirMode == 0 {
		a.DirMode = all.DirMode
	}
	if runtime.GOOS == "windows" {
		for _, key := range []string{"file_mode", "dir_mode"} {
			for _, where := range []string{"files." + key, at + "." + key} {
				if f.lines[where] > 0 {
					f.reportOnce(where, "remove it, and name a group", "Windows has no permissions of this kind")
				}
			}
		}
	}
	if a.Group == "" {
		return
	}
	a.Line = f.line(group)
	var err error
	if a.Owner, err = fsx.LookupGroup(a.Group); err != nil {
		hint := "getent group lists those there are; one of a directory service may need its number"
		if runtime.GOOS == "windows" {
			hint = `net localgroup lists those of this machine; write DOMAIN\name for one of the domain, or its SID`
		}
		f.reportOnce(group, hint, "%v", err)
	}
	f.reachable(a, group, p.Folder)
	for where, mode := range map[string]fs.FileMode{at + ".file_mode": a.FileMode, at + ".dir_mode": a.DirMode} {
		if f.lines[where] > 0 && mode&0o070 == 0 {
			f.warn(where, "", "the group %s gets no rights by it", a.Group)
		}
	}
}

// reachable warns of a folder on the way that keeps the group from its files.
func (f *finisher) reachable(a *Access, path, folder string) {
	if a.Owner == nil {
		return
	}
	abs, err := filepath.Abs(folder)
	if err == nil {
		err = a.Owner.Reachable(abs)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // what does not exist is made private, and told of then
		f.warn(path, "data_dir is the agent's alone: give the partner a folder elsewhere with: folder", "%v", err)
	}
}
