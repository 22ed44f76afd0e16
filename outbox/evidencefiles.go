package outbox

// EvidenceTransfer is our own record in .evidence/<id>.
const EvidenceTransfer = transferFile
