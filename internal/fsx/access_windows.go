package fsx

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// chmod does nothing: rights are entries of a list on Windows, and Share adds one.
func chmod(*os.Root, string, fs.FileMode) error { return nil }

// modify is what Windows calls the right to read, change and remove.
const modify = windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE | windows.FILE_GENERIC_EXECUTE | windows.DELETE

// share lets a group or account read, change and remove a file, or a folder with all that
// is and will be in it. It goes by a handle on the entry itself, so that no link put in
// its place leads the right elsewhere.
func share(r *os.Root, name string, g Group) error {
	sid, err := windows.StringToSid(g.ID)
	if err != nil {
		return fmt.Errorf("%q is no SID: %w", g.ID, err)
	}
	info, err := r.Lstat(name)
	if err != nil {
		return err
	}
	p, err := windows.UTF16PtrFromString(longPath(r.Name(), filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	h, err := windows.CreateFile(p, windows.READ_CONTROL|windows.WRITE_DAC, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return &fs.PathError{Op: "share", Path: name, Err: err}
	}
	defer windows.CloseHandle(h) // nothing was written through it
	descriptor, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return &fs.PathError{Op: "share", Path: name, Err: err}
	}
	old, _, err := descriptor.DACL()
	if err != nil {
		old = nil // no list: everybody may do everything already
	}
	entry := windows.EXPLICIT_ACCESS{
		AccessPermissions: windows.ACCESS_MASK(modify), AccessMode: windows.GRANT_ACCESS,
		Trustee: windows.TRUSTEE{TrusteeForm: windows.TRUSTEE_IS_SID, TrusteeType: windows.TRUSTEE_IS_UNKNOWN, TrusteeValue: windows.TrusteeValueFromSID(sid)},
	}
	if info.IsDir() {
		entry.Inheritance = windows.SUB_CONTAINERS_AND_OBJECTS_INHERIT
	}
	list, err := windows.ACLFromEntries([]windows.EXPLICIT_ACCESS{entry}, old)
	if err == nil {
		err = windows.SetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return &fs.PathError{Op: "share", Path: name, Err: err}
	}
	return nil
}

// LookupGroup finds a group or account by name (Users, DOMAIN\name) or SID.
func LookupGroup(name string) (*Group, error) {
	if sid, err := windows.StringToSid(name); err == nil {
		return &Group{name, sid.String()}, nil
	}
	sid, _, _, err := windows.LookupSID("", name)
	if err != nil {
		return nil, fmt.Errorf("there is no group or account %q on this machine or in its domain", name)
	}
	return &Group{name, sid.String()}, nil
}

// Usable is always nil: whoever owns a file may give rights on it to anybody.
func (g *Group) Usable() error { return nil }

// Reachable is always nil: by default everybody may pass through folders on Windows.
func (g *Group) Reachable(string) error { return nil }
