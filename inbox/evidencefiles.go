package inbox

// Files of .evidence/<id>, for those who prove something from it.
const (
	EvidenceRecord  = recordFile  // our own record
	EvidenceHeader  = headerFile  // of the request, without credentials
	EvidenceBody    = rawFile     // of the request
	EvidenceReceipt = receiptFile // as it was given
)
