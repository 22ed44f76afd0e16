package outbox

// Files of .evidence/<id> that others look for.
const (
	EvidenceTransfer = transferFile // our own record
	EvidenceRequest  = requestFile  // header of every POST
)
