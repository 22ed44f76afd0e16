package as2

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash"
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

// hashes computes several digests of one stream, in a fixed order.
type hashes struct {
	digests []cms.Digest
	states  []hash.Hash
}

func newHashes(ds []cms.Digest) *hashes {
	h := &hashes{}
	for _, d := range ds {
		if d != cms.NoDigest && !slices.Contains(h.digests, d) {
			h.digests = append(h.digests, d)
			h.states = append(h.states, d.New())
		}
	}
	return h
}

func (h *hashes) Write(p []byte) (int, error) {
	for _, s := range h.states {
		s.Write(p)
	}
	return len(p), nil
}

func (h *hashes) mics() []MIC {
	mics := make([]MIC, len(h.states))
	for i, s := range h.states {
		mics[i] = MIC{h.digests[i], s.Sum(nil)}
	}
	return mics
}

func (h *hashes) sums() map[cms.Digest][]byte {
	sums := make(map[cms.Digest][]byte, len(h.states))
	for i, s := range h.states {
		sums[h.digests[i]] = s.Sum(nil)
	}
	return sums
}
