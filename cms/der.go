package cms

import (
	"bytes"
	"encoding/asn1"
)

// DER reads one BER encoding within limits and returns it in definite lengths, with
// constructed octet strings joined: what encoding/asn1 understands. What was DER comes
// out byte for byte. Bytes behind the end are left out.
func DER(ber []byte, lim Limits) ([]byte, error) {
	return newBER(bytes.NewReader(ber), lim).der("element")
}

// JoinOctets joins the octet strings that a constructed encoding holds. Behind an
// implicit tag a reader cannot know that they are pieces of one.
func JoinOctets(der []byte) ([]byte, error) {
	var joined []byte
	for rest := der; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagOctetString {
			return nil, syntaxError("octet string segment expected: %v", err)
		}
		joined = append(joined, v.Bytes...)
	}
	return joined, nil
}
