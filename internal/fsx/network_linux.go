package fsx

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var networkFileSystems = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	0xff534d42:            "CIFS",
	unix.SMB2_SUPER_MAGIC: "SMB2",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.V9FS_MAGIC:       "9P",
	0x00c36400:            "Ceph",
	unix.AFS_FS_MAGIC:     "AFS",
	0x0bd00bd0:            "Lustre",
	0x786f4256:            "VirtualBox",
	unix.FUSE_SUPER_MAGIC: "FUSE",
}

// Network says on what kind of network file system a folder lies, and is empty where it is
// on a disk of this machine. On such a file system nobody is told of what others change,
// and locks are not to be relied upon.
func Network(dir string) (kind string, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", fmt.Errorf("file system of %q: %w", dir, err)
	}
	if name, ok := networkFileSystems[int64(s.Type)]; ok {
		return name + " file system", nil
	}
	return "", nil
}
