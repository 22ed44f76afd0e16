package outbox

import (
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// hints say what an operator can do about a negative receipt, by its modifier.
var hints = map[string]string{
	as2.DecryptionFailed:        "the partner cannot decrypt: ask him for his present certificate, and whether he knows the cipher",
	as2.AuthenticationFailed:    "the partner does not accept our signature or our AS2 ID: send him our present certificate, and compare the IDs",
	as2.IntegrityCheckFailed:    "the content arrived changed: look for a proxy that touches it",
	as2.InsufficientSecurity:    "the partner wants more protection: set sign and encrypt as agreed",
	as2.DecompressionFailed:     "the partner cannot decompress: set compress: none",
	as2.UnexpectedProcessing:    "the partner had trouble of his own: ask him, with the Message-ID, and once it is mended: as2drop retry ID",
	as2.DuplicateFilename:       "the partner has a file of this name already: drop the files again under a new key",
	as2.IllegalFilename:         "the partner cannot store a file of this name: drop it again under a plain name, letters and digits only",
	as2.InvalidMessageID:        "the partner does not like our Message-ID: ask him what he wants of it; as2drop retry ID makes a new one",
	as2.UnknownRelationship:     "the partner does not know this pair of AS2 IDs: compare as2_id of the station and of the partner with his, letter by letter",
	as2.UnsupportedFormat:       "the partner cannot give the receipt that was asked for: agree on another one, with receipt",
	as2.UnsupportedMICAlgorithm: "the partner does not know the digests that were offered: agree on another one, with sign",
	as2.SenderEqualsReceiver:    "the partner takes us for himself: as2_id of the station and of the partner must differ",
	as2.DuplicateDocument:       "the partner says he has the message already: ask him whether he processed it, before anything is sent again",
	as2.AuthenticationContinued: "the partner processed the message and could not check our signature: send him our present certificate",
}

// hintFor says what an operator can do about a negative receipt. Modifiers are compared
// in any case (RFC 4130, 7.4.3).
func hintFor(d as2.Disposition) string {
	word := strings.ToLower(d.Modifier)
	for modifier, hint := range hints {
		if strings.ToLower(modifier) == word {
			return hint
		}
	}
	if d.Duplicate() {
		return hints[as2.DuplicateDocument]
	}
	return "ask the partner what is wrong, mend it, and drop the files again or: as2drop retry ID"
}

// commands puts the names into the commands of a hint.
func commands(t *ledger.Transfer, hint string) string {
	return strings.NewReplacer("as2drop retry ID", "as2drop retry "+t.ID, "as2drop release ID", "as2drop release "+t.ID,
		"as2drop dismiss ID", "as2drop dismiss "+t.ID, "as2drop release PARTNER", "as2drop release "+t.Partner).Replace(hint)
}
