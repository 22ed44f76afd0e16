package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"

	"github.com/as2drop/as2drop/cms"
)

// Bouncy Castle and what is built on it, and Mozilla's tools, write PKCS#12 in BER,
// down to the parts that the integrity check covers; the library reads DER only. So
// such a file is checked here, written again in DER, and given a new check value.

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
)

// contentInfo is RFC 5652, 3.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

// macData is RFC 7292, 4.
type macData struct {
	Mac struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

// pfx is RFC 7292, 4; safe is the content of its octet string.
type pfx struct {
	safe   []byte
	mac    macData
	hasMac bool
}

func parsePFX(der []byte) (pfx, error) {
	var raw struct {
		Version int
		Safe    contentInfo
		Mac     macData `asn1:"optional"`
	}
	var f pfx
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return pfx{}, fmt.Errorf("the PKCS#12 file cannot be read: %w", err)
	}
	if !raw.Safe.Type.Equal(oidData) {
		return pfx{}, errors.New("the PKCS#12 file is signed, not protected with a passphrase; that kind is not supported")
	}
	if _, err := asn1.Unmarshal(raw.Safe.Content.Bytes, &f.safe); err != nil {
		return pfx{}, fmt.Errorf("the PKCS#12 file cannot be read: %w", err)
	}
	f.mac, f.hasMac = raw.Mac, len(raw.Mac.Mac.Algorithm.Algorithm) > 0
	return f, nil
}

// derSafe writes an AuthenticatedSafe in DER, and the plain parts in it.
func derSafe(ber []byte) ([]byte, error) {
	der, err := cms.DER(ber, cms.Limits{HeaderBytes: 2 * maxFile})
	if err != nil {
		return nil, err
	}
	var parts []contentInfo
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return nil, fmt.Errorf("the PKCS#12 file cannot be read: %w", err)
	}
	for i := range parts {
		content := parts[i].Content.Bytes
		switch {
		case parts[i].Type.Equal(oidData):
			content, err = derData(content)
		case parts[i].Type.Equal(oidEncryptedData):
			content, err = derEncrypted(content)
		}
		if err != nil {
			return nil, err
		}
		parts[i].Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}
	}
	// Marshal would put the explicit tag around the raw value once more.
	plain := make([]struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}, len(parts))
	for i, p := range parts {
		plain[i].Type, plain[i].Content = p.Type, p.Content
	}
	return asn1.Marshal(plain)
}

// derData is an octet string that holds SafeContents.
func derData(content []byte) ([]byte, error) {
	var inner []byte
	if _, err := asn1.Unmarshal(content, &inner); err != nil {
		return nil, fmt.Errorf("the PKCS#12 file cannot be read: %w", err)
	}
	der, err := cms.DER(inner, cms.Limits{HeaderBytes: 2 * maxFile})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(der)
}

// derEncrypted joins the segments of an EncryptedData (RFC 5652, 8).
func derEncrypted(content []byte) ([]byte, error) {
	var e struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm asn1.RawValue
			Content   asn1.RawValue
		}
	}
	if _, err := asn1.Unmarshal(content, &e); err != nil {
		return nil, fmt.Errorf("the PKCS#12 file cannot be read: %w", err)
	}
	if e.Info.Content.IsCompound {
		joined, err := cms.JoinOctets(e.Info.Content.Bytes)
		if err != nil {
			return nil, err
		}
		e.Info.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: joined}
	}
	return asn1.Marshal(e)
}

// replace puts another form of the same content into the file.
func (f pfx) replace(safe []byte, passphrase string) ([]byte, error) {
	var file struct {
		Version int
		Safe    struct {
			Type    asn1.ObjectIdentifier
			Content []byte `asn1:"tag:0,explicit"`
		}
		Mac macData `asn1:"optional"`
	}
	file.Version, file.Safe.Type, file.Safe.Content = 3, oidData, safe
	if f.hasMac {
		old, err := f.mac.sum(f.safe, passphrase)
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare(old, f.mac.Mac.Digest) != 1 {
			return nil, errPassphrase
		}
		file.Mac = f.mac
		if file.Mac.Mac.Digest, err = f.mac.sum(safe, passphrase); err != nil {
			return nil, err
		}
	}
	return asn1.Marshal(file)
}

var macDigests = []struct {
	oid   asn1.ObjectIdentifier
	new   func() hash.Hash
	block int // bytes
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, sha1.New, 64},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, sha256.New, 64},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, sha512.New384, 128},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, sha512.New, 128},
}

// sum is the integrity check value (RFC 7292, 5.1 and B.4).
func (m macData) sum(message []byte, passphrase string) ([]byte, error) {
	for _, d := range macDigests {
		if d.oid.Equal(m.Mac.Algorithm.Algorithm) {
			mac := hmac.New(d.new, derive(d.new, d.block, m.Salt, bmp(passphrase), m.Iterations))
			mac.Write(message)
			return mac.Sum(nil), nil
		}
	}
	return nil, fmt.Errorf("its integrity check uses %v, which is not supported; try: openssl pkcs12 -in OLD -nodes -out ALL.pem, then openssl pkcs12 -export -in ALL.pem -out NEW", m.Mac.Algorithm.Algorithm)
}

// bmp is a passphrase as PKCS#12 wants it: UTF-16 with a zero behind (RFC 7292, B.1).
func bmp(passphrase string) []byte {
	var out []byte
	for _, u := range append(utf16.Encode([]rune(passphrase)), 0) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}

// derive makes the key of the check value, as long as one digest (RFC 7292, B.2 with
// ID 3). One block of output is enough, so the last step of B.2 falls away.
func derive(newHash func() hash.Hash, block int, salt, password []byte, rounds int) []byte {
	fill := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		n := (len(b) + block - 1) / block * block
		return bytes.Repeat(b, n/len(b)+1)[:n]
	}
	h := newHash()
	h.Write(bytes.Repeat([]byte{3}, block))
	h.Write(fill(salt))
	h.Write(fill(password))
	sum := h.Sum(nil)
	for range rounds - 1 {
		h.Reset()
		h.Write(sum)
		sum = h.Sum(sum[:0])
	}
	return sum
}
