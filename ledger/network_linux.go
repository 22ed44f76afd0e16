package ledger

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// networkFileSystems are those whose locks SQLite cannot rely on.
var networkFileSystems = map[int64]string{
	unix.NFS_SUPER_MAGIC:  "NFS",
	unix.SMB_SUPER_MAGIC:  "SMB",
	0xff534d42:            "CIFS",
	unix.SMB2_SUPER_MAGIC: "SMB2",
	unix.CODA_SUPER_MAGIC: "Coda",
	unix.AFS_SUPER_MAGIC:  "AFS",
	unix.V9FS_MAGIC:       "9P",
	0x00c36400:            "Ceph",
	unix.FUSE_SUPER_MAGIC: "FUSE",
}

func refuseNetwork(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return err
	}
	if name, ok := networkFileSystems[int64(s.Type)]; ok {
		return fmt.Errorf("the ledger must be on a local disk, this is a %s file system; set data_dir to a local folder (partner folders may stay where they are)", name)
	}
	return nil
}
