package as2

import (
	"fmt"
	"slices"
	"strings"
)

// Modifiers of a disposition: what RFC 4130 and its revision (rfc4130bis) name.
const (
	AuthenticationFailed    = "authentication-failed"
	DecompressionFailed     = "decompression-failed" // RFC 5402, 5
	DecryptionFailed        = "decryption-failed"
	InsufficientSecurity    = "insufficient-message-security"
	IntegrityCheckFailed    = "integrity-check-failed"
	UnexpectedProcessing    = "unexpected-processing-error"
	DuplicateFilename       = "duplicate-filename"
	IllegalFilename         = "illegal-filename"
	InvalidMessageID        = "invalid-message-id"
	UnknownRelationship     = "unknown-trading-relationship"
	UnsupportedFormat       = "unsupported format"
	UnsupportedMICAlgorithm = "unsupported MIC-algorithms"
	SenderEqualsReceiver    = "sender-equals-receiver"
	DuplicateDocument       = "duplicate-document"
	AuthenticationContinued = "authentication-failed, processing continued"
)

// Modifier describes a modifier: where it belongs and what it tells people.
type Modifier struct {
	Word   string
	Kind   string // "error", "failure" or "warning"
	Clause string // that names it first
	Text   string // for the people of the side that reads the receipt: fact and remedy
	older  string // what RFC 4130 has instead; empty = it has the word itself
}

var modifiers = []Modifier{
	{AuthenticationFailed, "error", "RFC 4130, 7.5.4",
		"The sender could not be authenticated: the signature does not verify with the certificates agreed upon, or the credentials are others. Send your present certificate to the receiver, or sign with the one he has.", ""},
	{DecompressionFailed, "error", "RFC 4130, 7.4.3",
		"The message could not be decompressed. Compress with zlib as RFC 3274 has it, or send without compression.", ""},
	{DecryptionFailed, "error", "RFC 4130, 7.5.4",
		"The message could not be decrypted. Encrypt to the present certificate of the receiver, with an algorithm agreed upon.", ""},
	{InsufficientSecurity, "error", "RFC 4130, 7.4.3",
		"The message is less protected than was agreed. Sign and encrypt as agreed with the receiver, with algorithms that he accepts.", ""},
	{IntegrityCheckFailed, "error", "RFC 4130, 7.5.4",
		"The content is not what was signed: it was changed on the way. Look for a proxy or gateway that touches messages, and send again.", ""},
	{UnexpectedProcessing, "error", "RFC 4130, 7.5.4",
		"The message could not be processed. Ask the receiver for the reason, with the Message-ID at hand.", ""},
	{DuplicateFilename, "error", "rfc4130bis, 8.5.4",
		"A file of this name was received before. Give each file a name of its own and send again.", UnexpectedProcessing},
	{IllegalFilename, "error", "rfc4130bis, 8.5.4",
		"The name of the file cannot be used by the receiver. Send it again under a plain name.", UnexpectedProcessing},
	{InvalidMessageID, "error", "rfc4130bis, 8.5.4",
		"The Message-ID is missing or malformed. Send one in angle brackets, without blanks, of at most 998 characters.", UnexpectedProcessing},
	{UnknownRelationship, "error", "rfc4130bis, 8.5.4",
		"AS2-From and AS2-To are no pair that the receiver knows. Compare both identifiers with him, upper and lower case included.", AuthenticationFailed},
	{UnsupportedFormat, "failure", "RFC 4130, 7.5.3",
		"The receipt cannot be given in the format that was asked for. Ask for signed-receipt-protocol=optional, pkcs7-signature.", ""},
	{UnsupportedMICAlgorithm, "failure", "RFC 4130, 7.5.3",
		"None of the digests in signed-receipt-micalg is accepted. Ask for sha-256.", ""},
	{SenderEqualsReceiver, "failure", "RFC 4130, 7.5.6",
		"AS2-From and AS2-To are the same name. Correct the identifiers.", ""},
	{DuplicateDocument, "warning", "RFC 4130, 7.5.6",
		"The same message was received before and was not processed again.", ""},
	{AuthenticationContinued, "warning", "RFC 4130, 7.5.5",
		"The sender could not be authenticated; the message was processed all the same. Compare certificates with the receiver.", ""},
}

// Modifiers lists all that this package knows, in the order of its table.
func Modifiers() []Modifier { return slices.Clone(modifiers) }

// findModifier looks a word up, in any case (RFC 4130, 7.4.3).
func findModifier(word string) (Modifier, bool) {
	i := slices.IndexFunc(modifiers, func(m Modifier) bool { return strings.EqualFold(m.Word, word) })
	if i < 0 {
		return Modifier{}, false
	}
	return modifiers[i], true
}

// Disposition is the outcome that a receipt states (RFC 4130, 7.4.3).
type Disposition struct {
	Type     string // "processed" or "failed", lower case
	Kind     string // "error", "failure", "warning", lower case; empty = none
	Modifier string // as written, blanks trimmed
}

// Processed is the disposition of success.
var Processed = Disposition{Type: "processed"}

// Failed is the disposition of a message with a fault: "failed/Failure" for faults of
// the request for a receipt (RFC 4130, 7.5.3), "processed/error" for all others (7.5.4).
func Failed(modifier string) Disposition {
	if m, ok := findModifier(modifier); ok && m.Kind == "failure" {
		return Disposition{Type: "failed", Kind: "failure", Modifier: modifier}
	}
	return Disposition{Type: "processed", Kind: "error", Modifier: modifier}
}

// Warned is the disposition of a message that was processed in spite of something
// (RFC 4130, 7.5.5). It is a success.
func Warned(modifier string) Disposition {
	return Disposition{Type: "processed", Kind: "warning", Modifier: modifier}
}

// For is the disposition as a partner of an AS2-Version knows it: one below 1.3 gets
// the nearest modifier of RFC 4130.
func (d Disposition) For(version string) Disposition {
	if m, ok := findModifier(d.Modifier); ok && m.older != "" && !atLeast(version, 3) {
		d.Modifier = m.older
	}
	return d
}

// Explain says to the people of the other side what a disposition means and what they
// should do; empty where the modifier is not one of this package.
func (d Disposition) Explain() string {
	if d.Kind == "" && d.Type == "processed" {
		return "The message was received, verified and stored. This says nothing about what the business application makes of it."
	}
	m, _ := findModifier(d.Modifier)
	return m.Text
}

// String is the form on the wire, with the mode of an agent that acts by itself.
func (d Disposition) String() string {
	s := "automatic-action/MDN-sent-automatically; " + d.Type
	if d.Kind == "" {
		return s
	}
	kind := d.Kind
	if kind == "failure" {
		kind = "Failure" // RFC 4130, 7.5.3, to the letter
	}
	if d.Modifier == "" {
		return s + "/" + kind
	}
	return s + "/" + kind + ": " + d.Modifier
}

// Accepted reports whether the partner took the message: exactly "processed", or
// "processed" with a warning.
func (d Disposition) Accepted() bool {
	return d.Type == "processed" && (d.Kind == "" || d.Kind == "warning")
}

// Duplicate reports whether the partner says that it has the message already. A
// duplicate file name is another matter: there the message is a new one.
func (d Disposition) Duplicate() bool {
	word := strings.ToLower(d.Modifier)
	return strings.HasPrefix(word, "duplicate") && !strings.Contains(word, "filename") && !strings.Contains(word, "file name")
}

// ParseDisposition reads a Disposition field: any case, any blanks, ":" or "=" before
// the modifier. On an error the Disposition is zero.
func ParseDisposition(value string) (Disposition, error) {
	_, rest, ok := strings.Cut(value, ";")
	if !ok {
		return Disposition{}, fmt.Errorf("as2: disposition %q has no type", value)
	}
	typ, modifier, has := strings.Cut(rest, "/")
	d := Disposition{Type: strings.ToLower(strings.TrimSpace(typ))}
	if d.Type != "processed" && d.Type != "failed" {
		return Disposition{}, fmt.Errorf("as2: disposition %q is neither processed nor failed", value)
	}
	if !has {
		return d, nil
	}
	kind := modifier
	if i := strings.IndexAny(modifier, ":="); i >= 0 {
		kind, d.Modifier = modifier[:i], strings.TrimSpace(modifier[i+1:])
	}
	if d.Kind = strings.ToLower(strings.TrimSpace(kind)); d.Kind == "" {
		return Disposition{}, fmt.Errorf("as2: disposition %q has an empty modifier", value)
	}
	return d, nil
}
