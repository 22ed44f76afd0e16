package as2

import (
	"fmt"
	"slices"

	"github.com/as2drop/as2drop/cms"
)

// Versions are the values of AS2-Version that Seal takes.
var Versions = []string{"1.0", "1.1", "1.2", "1.3"}

// features is our EDIINT-Features (RFC 6017), of the agent as a whole: several files
// in one message are received as a batch (RFC 6362), and a message is repeated under
// its Message-ID until a receipt comes, each repeat getting the first receipt again.
// Certificates are not exchanged by message (CEM), and no restart is offered.
const features = "multiple-attachments, AS2-Reliability"

// CheckModern reports which algorithm a message with this AS2-Version must not use.
// Below 1.3 nothing is forbidden. From 1.3 on neither a legacy cipher nor SHA-1 is
// ever written (rfc4130bis, 6.1 and 7), and OAEP with SHA-1 is SHA-1 too.
func CheckModern(version string, c cms.Cipher, k cms.KeyTransport, ds ...cms.Digest) error {
	switch {
	case !atLeast(version, 3):
		return nil
	case c.Legacy():
		return fmt.Errorf("as2: AS2-Version %s forbids the cipher %s", version, c)
	case c != cms.NoCipher && k == cms.OAEPSHA1:
		return fmt.Errorf("as2: AS2-Version %s forbids SHA-1, which this OAEP key transport uses", version)
	case slices.Contains(ds, cms.SHA1):
		return fmt.Errorf("as2: AS2-Version %s forbids the digest %s", version, cms.SHA1)
	}
	return nil
}
