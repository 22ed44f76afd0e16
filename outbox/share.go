package outbox

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
)

// share makes the folder that a transfer is filed in, and gives what is to be filed the
// rights that are configured while nobody else can see it. It may be repeated.
//
// Files that belong to the user who dropped them stay as they are where only their owner
// may change that: they are filed all the same.
func (o *Outbox) share(ctx context.Context, t *ledger.Transfer, dir string) error {
	into := path.Dir(t.FilePath)
	if err := o.makeDay(into); err != nil {
		return err
	}
	if o.p.Access.IsZero() {
		return nil
	}
	if last := o.sharedDay.Load(); into != failedDir && (last == nil || *last != into) {
		if err := fsx.Grant(o.p.Folder, into, o.p.Access); err != nil {
			return err
		}
		o.sharedDay.Store(&into)
	}
	entries, err := o.p.Folder.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := fsx.Grant(o.p.Folder, path.Join(dir, e.Name()), o.p.Access)
		dropped := slices.ContainsFunc(t.Members, func(m ledger.Member) bool { return m.Name == e.Name() })
		if dropped && errors.Is(err, fs.ErrPermission) {
			err = o.tellForeign(ctx, t, e.Name(), err)
		}
		if err != nil {
			return err
		}
	}
	for _, c := range t.Changed {
		if err := fsx.Grant(o.p.Folder, path.Join(dir, changedDir, c.Name), o.p.Access); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fsx.Grant(o.p.Folder, dir, o.p.Access)
}

// makeDay makes the folder that transfers are filed in, unless this process has and nobody
// has removed it since: retention, or whoever reads what was sent.
func (o *Outbox) makeDay(into string) error {
	if made := o.madeDay.Load(); made != nil && *made == into {
		if there, err := fsx.Exists(o.p.Folder, into); err != nil || there {
			return err
		}
	}
	if err := fsx.MkdirAll(o.p.Folder, into, dirPerm); err != nil {
		return err
	}
	o.madeDay.Store(&into)
	o.sharedDay.Store(nil)
	return nil
}

// tellForeign tells once that files of others keep their rights.
func (o *Outbox) tellForeign(ctx context.Context, t *ledger.Transfer, name string, why error) error {
	if !o.foreign.CompareAndSwap(false, true) {
		return nil
	}
	return o.Ledger.Update(context.WithoutCancel(ctx), o.event(t, ledger.Warning, "files-foreign",
		"let the program that drops them set group and mode, run the agent as the same user, or let it change files of others (on Linux CAP_CHOWN and CAP_FOWNER)",
		"%s: %q is filed as it was dropped, without what files says of group and mode: %v; so are all files of others", t.Document, name, why))
}
