package outbox

import (
	"crypto/x509"
	"strings"
)

// Files of .evidence/<id>, for those who prove something from it. Answers and receipts
// are prefixes of names.
const (
	EvidenceTransfer     = transferFile     // our own record
	EvidenceRequest      = requestFile      // header of every POST
	EvidenceMessage      = messageFile      // body of every POST
	EvidenceAnswers      = answerPrefix     // what came back, one per attempt
	EvidenceReceipts     = receiptPrefix    // what came on connections of their own
	EvidenceCertificates = certificatesFile // of the time
)

// EvidenceCerts are the certificates kept with a transfer.
type EvidenceCerts struct {
	Station []*x509.Certificate // ours
	Partner []*x509.Certificate // the partner's, by configuration or because an authority vouched for them then
}

// ParseEvidenceCerts reads the file with the certificates.
func ParseEvidenceCerts(b []byte) (c EvidenceCerts, err error) {
	certs, err := parseCertificates(b)
	for _, k := range certs {
		switch who, _, _ := strings.Cut(k.role, " "); who {
		case "station":
			c.Station = append(c.Station, k.cert)
		case "partner":
			c.Partner = append(c.Partner, k.cert)
		}
	}
	return c, err
}
