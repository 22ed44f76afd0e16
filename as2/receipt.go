package as2

import (
	"slices"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// ReceiptRequest is what a message asks for (RFC 4130, 7.3). The fields that begin
// with Asked say what a received message states; they are empty in a request of ours.
type ReceiptRequest struct {
	Wanted  bool
	Signed  bool         // in the one format there is: pkcs7-signature
	Async   string       // URL to post the receipt to; empty = on the same connection
	Digests []cms.Digest // for the MIC, in order of preference

	AskedProtocols   []string `json:",omitempty"` // of signed-receipt-protocol, as written
	AskedMICs        []string `json:",omitempty"` // of signed-receipt-micalg, as written
	ProtocolRequired bool     `json:",omitempty"` // signed-receipt-protocol is marked "required"
	MICRequired      bool     `json:",omitempty"` // signed-receipt-micalg is marked "required"
	AskedUnknown     []string `json:",omitempty"` // other parameters that are marked "required"
}

// fields are the header fields that ask for the receipt, with digests in the spelling
// of Quirks.MICNames. An empty Receipt-Delivery-Option is never sent: some products
// take it for a URL.
func (r ReceiptRequest) fields(to, spelling string) []Field {
	if !r.Wanted {
		return nil
	}
	fs := []Field{{"Disposition-Notification-To", to}}
	if r.Signed {
		names := make([]string, len(r.Digests))
		for i, d := range r.Digests {
			names[i] = micName(d, spelling)
		}
		fs = append(fs, Field{"Disposition-Notification-Options",
			"signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, " + strings.Join(names, ", ")})
	}
	if r.Async != "" {
		fs = append(fs, Field{"Receipt-Delivery-Option", r.Async})
	}
	return fs
}

// parseReceiptRequest reads the request of a message. Parameters come in any order,
// with any blanks; optional ones that are unknown are skipped; of several algorithms
// the supported ones are kept in order.
func parseReceiptRequest(to, options, delivery string) ReceiptRequest {
	r := ReceiptRequest{Wanted: strings.TrimSpace(to) != "", Async: strings.TrimSpace(delivery)}
	for p := range strings.SplitSeq(options, ";") {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		name = strings.ToLower(strings.TrimSpace(name))
		required, words := optionWords(value)
		switch name {
		case "signed-receipt-protocol":
			r.ProtocolRequired = r.ProtocolRequired || required
			r.AskedProtocols = append(r.AskedProtocols, words...)
		case "signed-receipt-micalg":
			r.MICRequired = r.MICRequired || required
			r.AskedMICs = append(r.AskedMICs, words...)
		default:
			if required {
				r.AskedUnknown = append(r.AskedUnknown, name)
			}
		}
	}
	for _, w := range r.AskedProtocols {
		r.Signed = r.Signed || strings.EqualFold(w, "pkcs7-signature") || strings.EqualFold(w, "x-pkcs7-signature")
	}
	for _, w := range r.AskedMICs {
		if d, err := cms.ParseDigest(w); err == nil && !slices.Contains(r.Digests, d) {
			r.Digests = append(r.Digests, d)
		}
	}
	return r
}

// optionWords splits the value of a parameter (RFC 3798, 2.2): the importance, which
// some products leave out, and the values.
func optionWords(value string) (required bool, words []string) {
	for i, w := range strings.Split(value, ",") {
		w = strings.TrimSpace(strings.Trim(strings.TrimSpace(w), `"`))
		switch {
		case i == 0 && strings.EqualFold(w, "required"):
			required = true
		case i == 0 && strings.EqualFold(w, "optional"), w == "":
		default:
			words = append(words, w)
		}
	}
	return required, words
}

// acceptedDigests is what an empty list of accepted digests means.
func acceptedDigests(accepted []cms.Digest) []cms.Digest {
	if len(accepted) == 0 {
		return []cms.Digest{cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512}
	}
	return accepted
}

// digest is the first one asked for that is accepted.
func (r ReceiptRequest) digest(accepted []cms.Digest) (cms.Digest, bool) {
	for _, d := range r.Digests {
		if slices.Contains(acceptedDigests(accepted), d) {
			return d, true
		}
	}
	return cms.NoDigest, false
}

// Fault is why the receipt cannot be given as the message demands, nil if it can.
// version is the partner's AS2-Version, accepted the digests that may be used; empty =
// SHA-224 and better.
//
// What is "optional" never stands in the way of a receipt (RFC 4130, 7.3), except that
// a partner of version 1.3 wants no digest that he did not list (rfc4130bis, 8.3).
func (r ReceiptRequest) Fault(version string, accepted []cms.Digest) *Fault {
	_, ok := r.digest(accepted)
	switch {
	case len(r.AskedUnknown) > 0: // RFC 3798, 2.2: nothing but "failed" may be answered
		return fault(UnsupportedFormat, "The request for a receipt requires "+strings.Join(r.AskedUnknown, ", ")+", which is not supported here.",
			"required and unknown in Disposition-Notification-Options: "+strings.Join(r.AskedUnknown, ", "))
	case r.ProtocolRequired && !r.Signed:
		return fault(UnsupportedFormat, Failed(UnsupportedFormat).Explain(), "signed-receipt-protocol requires "+strings.Join(r.AskedProtocols, ", "))
	case len(r.AskedMICs) > 0 && !ok && (r.MICRequired || atLeast(version, 3)):
		return fault(UnsupportedMICAlgorithm, Failed(UnsupportedMICAlgorithm).Explain(), "signed-receipt-micalg asks for "+strings.Join(r.AskedMICs, ", "))
	}
	return nil
}

// Signer makes the signer of the receipt out of ours: with the first digest asked for
// that is accepted (empty = SHA-224 and better), else that of the message's signature,
// else SHA-256. nil = the receipt goes unsigned.
func (r ReceiptRequest) Signer(ours *cms.Signer, message cms.Digest, accepted []cms.Digest, q Quirks) *cms.Signer {
	if ours == nil || !r.Signed || q.UnsignedReceipts {
		return nil
	}
	s := *ours
	if d, ok := r.digest(accepted); ok {
		s.Digest = d
	} else if slices.Contains(acceptedDigests(accepted), message) {
		s.Digest = message
	} else {
		s.Digest = cms.SHA256
	}
	return &s
}
