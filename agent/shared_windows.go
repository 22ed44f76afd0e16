package agent

import "github.com/as2drop/as2drop/internal/fsx"

// pass is what the group gets on the way to its folders: nothing. On Windows everybody may
// pass, and rights on the folder above would go down to the agent's own.
func pass(fsx.Access) fsx.Access { return fsx.Access{} }
