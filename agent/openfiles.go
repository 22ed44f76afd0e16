package agent

import (
	"errors"
	"fmt"
	"syscall"
)

// moreFiles is what to do where a process may have no more files open.
const moreFiles = "raise the limit of open files (ulimit -Hn, LimitNOFILE= of a unit) to two for each partner and a few hundred more, and restart"

// outOfFiles reports whether the process, or the system, may have no more files open.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// filesApart are those that are open beside the partners' folders: connections, messages,
// the ledger.
const filesApart = 200

// fewFiles says that a limit of open files is low for so many partners; empty = it is not.
// Of each partner the folder is open, and for a moment what is read or written there.
func fewFiles(limit uint64, partners int) string {
	want := uint64(2*partners + filesApart)
	if limit >= want {
		return ""
	}
	return fmt.Sprintf("only %d files may be open at once, and for %d partners it should be %d: folders that cannot be opened, and connections, wait", limit, partners, want)
}
