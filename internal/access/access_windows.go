package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Remedy is what to do about a file that is exposed.
const Remedy = "icacls FILE /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F, and a grant of R for the account of the service"

const (
	sidSystem         = "S-1-5-18"
	sidAdministrators = "S-1-5-32-544"
)

// everybody are the groups of which every user of the machine, or nobody in particular, is
// one: Everyone, Anonymous, Authenticated Users, Interactive, Users, Guests.
var everybody = []string{"S-1-1-0", "S-1-5-7", "S-1-5-11", "S-1-5-4", "S-1-5-32-545", "S-1-5-32-546"}

// Create makes a private file that is not there yet, for writing.
func Create(path string) (*os.File, error) {
	name, attributes, err := private(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		attributes, windows.CREATE_NEW, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

func mkdir(path string) error {
	name, attributes, err := private(path)
	if err != nil {
		return err
	}
	if err := windows.CreateDirectory(name, attributes); err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// private is the name for the system, with the access list for a file or folder that is
// going to be made.
func private(path string) (*uint16, *windows.SecurityAttributes, error) {
	list, err := privateList(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("access: %s: %w", path, err)
	}
	d, err := windows.NewSecurityDescriptor()
	if err == nil {
		err = errors.Join(d.SetDACL(list, true, false), d.SetControl(windows.SE_DACL_PROTECTED, windows.SE_DACL_PROTECTED))
	}
	if err == nil {
		d, err = d.ToSelfRelative()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("access: %s: %w", path, err)
	}
	attributes := &windows.SecurityAttributes{SecurityDescriptor: d}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	name, err := windows.UTF16PtrFromString(path)
	return name, attributes, err
}

// privateList allows everything to the operating system, the administrators, the user we
// run as, and the accounts, by their SID.
func privateList(accounts []string) (*windows.ACL, error) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("who we are: %w", err)
	}
	var entries []windows.EXPLICIT_ACCESS
	for _, account := range append([]string{sidSystem, sidAdministrators, me.User.Sid.String()}, accounts...) {
		e, err := entry(account, Change)
		if err != nil {
			return nil, err
		}
		e.AccessPermissions = windows.GENERIC_ALL
		entries = append(entries, e)
	}
	return windows.ACLFromEntries(entries, nil)
}

// Private gives a file or folder that is there an access list of its own.
func Private(path string, accounts ...string) error {
	list, err := privateList(accounts)
	if err == nil {
		err = windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil)
	}
	if err != nil {
		return fmt.Errorf("access: %s: %w", path, err)
	}
	return nil
}

// Grant adds a right of an account, by its SID, to those that a file or folder has.
func Grant(path, account string, right Right) error {
	err := grant(path, account, right)
	if err != nil {
		return fmt.Errorf("access: %s: %w", path, err)
	}
	return nil
}

func grant(path, account string, right Right) error {
	now, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	list, _, err := now.DACL()
	if err != nil {
		return err
	}
	e, err := entry(account, right)
	if err != nil {
		return err
	}
	if list, err = windows.ACLFromEntries([]windows.EXPLICIT_ACCESS{e}, list); err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}

func entry(account string, right Right) (windows.EXPLICIT_ACCESS, error) {
	sid, err := windows.StringToSid(account)
	if err != nil {
		return windows.EXPLICIT_ACCESS{}, fmt.Errorf("%q is no SID: %w", account, err)
	}
	mask := windows.ACCESS_MASK(windows.FILE_GENERIC_READ | windows.FILE_GENERIC_EXECUTE)
	if right == Change {
		mask |= windows.FILE_GENERIC_WRITE | windows.DELETE
	}
	return windows.EXPLICIT_ACCESS{
		AccessPermissions: mask, AccessMode: windows.GRANT_ACCESS, Inheritance: windows.SUB_CONTAINERS_AND_OBJECTS_INHERIT,
		Trustee: windows.TRUSTEE{TrusteeForm: windows.TRUSTEE_IS_SID, TrusteeType: windows.TRUSTEE_IS_UNKNOWN, TrusteeValue: windows.TrusteeValueFromSID(sid)},
	}, nil
}

// Exposed reports whether every user of the machine may read or change a file. Where the
// list cannot be read the answer is no.
func Exposed(path string) bool {
	const content = windows.FILE_READ_DATA | windows.FILE_WRITE_DATA | windows.GENERIC_READ | windows.GENERIC_WRITE | windows.GENERIC_ALL
	allowed := false
	err := eachAllowed(path, func(account string, mask windows.ACCESS_MASK) {
		for _, group := range everybody {
			allowed = allowed || account == group && mask&content != 0
		}
	})
	return err == nil && allowed
}

// eachAllowed calls f for every entry of the access list that allows something.
func eachAllowed(path string, f func(account string, mask windows.ACCESS_MASK)) error {
	now, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	list, _, err := now.DACL()
	if err != nil {
		return err
	}
	if list == nil { // no list at all: everybody may do everything
		f(everybody[0], windows.GENERIC_ALL)
		return nil
	}
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &ace); err != nil {
			return err
		}
		if ace.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE {
			f((*windows.SID)(unsafe.Pointer(&ace.SidStart)).String(), ace.Mask)
		}
	}
	return nil
}

// Like gives a file the owner and the mode of another one. On Windows a file has what its
// folder passes on, and so has the other one.
func Like(string, os.FileInfo) error { return nil }

// GiveTree gives what this process made in a folder and below to the owner of like: on
// Windows it has what its folder passes on.
func GiveTree(string, os.FileInfo) error { return nil }
