package ledger

// Stand is where a transfer stands, for those who look for one: each is in exactly one.
type Stand string

const (
	StandOpen    Stand = "open"    // under way
	StandWaiting Stand = "waiting" // posted; the receipt comes later
	StandHeld    Stand = "held"    // until somebody releases it
	StandSent    Stand = "sent"
	StandFailed  Stand = "failed"
	StandUndone  Stand = "undone" // the claim was undone, the files are back
)

// Stands are all of them.
var Stands = []Stand{StandOpen, StandWaiting, StandHeld, StandSent, StandFailed, StandUndone}
