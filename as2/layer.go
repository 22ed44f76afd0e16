package as2

import (
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// LayerKind is what a layer does to what is inside of it.
type LayerKind string

const (
	Encrypted  LayerKind = "encrypted"
	Signed     LayerKind = "signed"
	Compressed LayerKind = "compressed"
)

// Layer is one wrapping of a message. Which fields count depends on Kind.
type Layer struct {
	Kind LayerKind

	Cipher     cms.Cipher       // encrypted
	Transport  cms.KeyTransport // encrypted: of the recipient that is one of our identities
	Recipients []string         // encrypted: who can open it, by issuer and serial or key identifier

	Digest      cms.Digest // signed: that of the signature
	Scheme      cms.Scheme // signed
	Attributes  bool       // signed: with signed attributes
	Opaque      bool       // signed: application/pkcs7-mime instead of multipart/signed
	Signer      string     // signed: subject of the trusted certificate; empty = not verified
	ByAuthority bool       // signed: an authority vouches for the signer

	Legacy bool // its algorithm is for old partners only
}

// String is the layer in a few words: "encrypted aes-256-cbc", "signed sha-256",
// "compressed".
func (l Layer) String() string {
	switch {
	case l.Kind == Encrypted && l.Cipher != cms.NoCipher:
		return string(l.Kind) + " " + l.Cipher.String()
	case l.Kind == Signed && l.Digest != cms.NoDigest:
		return string(l.Kind) + " " + l.Digest.String()
	}
	return string(l.Kind)
}

// LayerNames are the layers as String gives them, outermost first.
func LayerNames(layers []Layer) []string {
	names := make([]string, len(layers))
	for i, l := range layers {
		names[i] = l.String()
	}
	return names
}

// describeLayers is for notes and errors.
func describeLayers(layers []Layer) string {
	if len(layers) == 0 {
		return "plain"
	}
	return strings.Join(LayerNames(layers), ", ")
}
