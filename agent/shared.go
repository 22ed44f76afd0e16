package agent

import (
	"io/fs"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/fsx"
)

// accessOf is what others may do with the files of a partner.
func accessOf(p *config.Partner) fsx.Access {
	return fsx.Access{Group: p.Access.Owner, File: p.Access.FileMode, Dir: p.Access.DirMode}
}

// sameAccess reports whether two partners are open to the same others.
func sameAccess(a, b *config.Partner) bool {
	id := func(p *config.Partner) string {
		if p.Access.Owner == nil {
			return ""
		}
		return p.Access.Owner.ID
	}
	return id(a) == id(b) && a.Access.FileMode == b.Access.FileMode && a.Access.DirMode == b.Access.DirMode
}

// sharedFolders are those of a partner that others than the agent have to do with.
var sharedFolders = []string{"outbox", "inbox", "sent", "failed"}

// share opens the folders of a partner to the group that is configured. Nobody but the
// agent may put anything beside them, where its own folders are.
func share(cfg *config.Config, p *config.Partner, dir fsx.FS) error {
	a := accessOf(p)
	if a.IsZero() {
		return nil
	}
	if a.Group != nil {
		if err := a.Group.Usable(); err != nil {
			return config.Error{File: cfg.Path, Line: p.Access.Line, Path: "partners." + p.Name + ".files.group", Fact: err.Error(),
				Hint: "make that user a member (usermod -aG " + a.Group.Name + " USER) and start the agent anew, or name another group"}
		}
	}
	for _, f := range sharedFolders {
		if err := fsx.Grant(dir, f, a); err != nil {
			return folderError(cfg, p, "it cannot be opened to others: "+err.Error(), "the folders must belong to the user that the agent runs as")
		}
	}
	a.Dir &^= fs.ModeSetgid | 0o022
	if err := fsx.Grant(dir, ".", pass(a)); err != nil {
		return folderError(cfg, p, "it cannot be opened to others: "+err.Error(), "it must belong to the user that the agent runs as")
	}
	return nil
}
