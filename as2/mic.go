package as2

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// MIC is a message integrity check: a digest and what it was taken with (RFC 4130, 7.3.1).
type MIC struct {
	Digest cms.Digest `json:"digest"`
	Sum    []byte     `json:"sum"`
}

// String is the form of Received-Content-MIC (RFC 4130, 7.4.3).
func (m MIC) String() string { return m.text("") }

// text is String with the digest in the spelling of Quirks.MICNames.
func (m MIC) text(spelling string) string {
	return base64.StdEncoding.EncodeToString(m.Sum) + ", " + micName(m.Digest, spelling)
}

// Equal compares digest bytes.
func (m MIC) Equal(o MIC) bool { return m.Digest == o.Digest && bytes.Equal(m.Sum, o.Sum) }

// ParseMIC reads a Received-Content-MIC in the spellings that products use.
func ParseMIC(value string) (MIC, error) {
	sum, name, ok := strings.Cut(value, ",")
	if !ok {
		return MIC{}, fmt.Errorf("as2: MIC %q has no algorithm", value)
	}
	digest, err := cms.ParseDigest(name)
	if err != nil {
		return MIC{}, fmt.Errorf("as2: MIC %q: %w", value, err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(sum))
	if err != nil || len(raw) != digest.Hash().Size() {
		return MIC{}, fmt.Errorf("as2: MIC %q is no digest in base64", value)
	}
	return MIC{digest, raw}, nil
}

// FindMIC returns the MIC of a digest.
func FindMIC(mics []MIC, d cms.Digest) (MIC, bool) {
	i := slices.IndexFunc(mics, func(m MIC) bool { return m.Digest == d })
	if i < 0 {
		return MIC{}, false
	}
	return mics[i], true
}
