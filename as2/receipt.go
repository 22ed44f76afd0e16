package as2

import (
	"fmt"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// ReceiptRequest is what a message asks for (RFC 4130, 7.3).
type ReceiptRequest struct {
	Wanted  bool
	Signed  bool
	Async   string       // URL to post the receipt to; empty = on the same connection
	Digests []cms.Digest // for the MIC, in order of preference
}

// fields are the header fields that ask for the receipt.
func (r ReceiptRequest) fields(to string) []Field {
	if !r.Wanted {
		return nil
	}
	fs := []Field{{"Disposition-Notification-To", to}}
	if r.Signed {
		names := make([]string, len(r.Digests))
		for i, d := range r.Digests {
			names[i] = d.String()
		}
		fs = append(fs, Field{"Disposition-Notification-Options",
			"signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, " + strings.Join(names, ", ")})
	}
	return fs
}

// parseReceiptRequest reads the request of a message. Parameters come in any order,
// unknown ones are skipped, of several algorithms the supported ones are kept in order.
func parseReceiptRequest(to, options, delivery string) ReceiptRequest {
	r := ReceiptRequest{Wanted: to != "", Async: strings.TrimSpace(delivery)}
	for p := range strings.SplitSeq(options, ";") {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		// "required" or "optional" comes first and makes no difference: what we can do we do.
		words := strings.Split(value, ",")
		for i := range words {
			words[i] = strings.Trim(strings.TrimSpace(words[i]), `"`)
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "signed-receipt-protocol":
			for _, w := range words {
				if strings.EqualFold(w, "pkcs7-signature") || strings.EqualFold(w, "x-pkcs7-signature") {
					r.Signed = true
				}
			}
		case "signed-receipt-micalg":
			for _, w := range words {
				if d, err := cms.ParseDigest(w); err == nil {
					r.Digests = append(r.Digests, d)
				}
			}
		}
	}
	return r
}

// Modifiers of a disposition (RFC 4130, 7.5.3 to 7.5.6).
const (
	AuthenticationFailed    = "authentication-failed"
	DecompressionFailed     = "decompression-failed" // RFC 5402, 5
	DecryptionFailed        = "decryption-failed"
	InsufficientSecurity    = "insufficient-message-security"
	IntegrityCheckFailed    = "integrity-check-failed"
	UnexpectedProcessing    = "unexpected-processing-error"
	DuplicateDocument       = "duplicate-document"
	UnsupportedFormat       = "unsupported format"
	UnsupportedMICAlgorithm = "unsupported MIC-algorithms"
)

// Disposition is the outcome that a receipt states (RFC 4130, 7.4.3).
type Disposition struct {
	Type     string // "processed" or "failed", lower case
	Kind     string // "error", "failure", "warning", lower case; empty = none
	Modifier string // as written, blanks trimmed
}

// Processed is the disposition of success.
var Processed = Disposition{Type: "processed"}

// Failed is the disposition of a message with a fault.
func Failed(modifier string) Disposition {
	if modifier == UnsupportedFormat || modifier == UnsupportedMICAlgorithm {
		return Disposition{Type: "failed", Kind: "failure", Modifier: modifier} // RFC 4130, 7.5.3
	}
	return Disposition{Type: "processed", Kind: "error", Modifier: modifier}
}

// String is the form on the wire, with the mode of an agent that acts by itself.
func (d Disposition) String() string {
	s := "automatic-action/MDN-sent-automatically; " + d.Type
	if d.Kind == "" {
		return s
	}
	kind := d.Kind
	if kind == "failure" {
		kind = "Failure"
	}
	return s + "/" + kind + ": " + d.Modifier
}

// Accepted reports whether the partner took the message: exactly "processed", or
// "processed" with a warning.
func (d Disposition) Accepted() bool {
	return d.Type == "processed" && (d.Kind == "" || d.Kind == "warning")
}

// Duplicate reports whether the partner says that it has the message already.
func (d Disposition) Duplicate() bool {
	return strings.HasPrefix(strings.ToLower(d.Modifier), "duplicate")
}

// ParseDisposition reads a Disposition field: any case, any blanks, ":" or "=" before
// the modifier.
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
	i := strings.IndexAny(modifier, ":=")
	kind := modifier
	if i >= 0 {
		kind, d.Modifier = modifier[:i], strings.TrimSpace(modifier[i+1:])
	}
	d.Kind = strings.ToLower(strings.TrimSpace(kind))
	return d, nil
}
