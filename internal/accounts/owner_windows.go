package accounts

import "os"

// lockFlags open a lock.
const lockFlags = os.O_CREATE | os.O_RDONLY

// ownedLikeFolder has nothing to do here: files have the access list of their folder.
func ownedLikeFolder(string) error { return nil }
