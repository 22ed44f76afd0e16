package cms

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
)

// issuerAndSerial names a certificate (RFC 5652, 10.2.4).
type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

func nameOf(cert *x509.Certificate) issuerAndSerial {
	return issuerAndSerial{asn1.RawValue{FullBytes: cert.RawIssuer}, cert.SerialNumber}
}

// recipientInfo is RFC 5652, 6.2.1, as read: the recipient in either form.
type recipientInfo struct {
	Version int
	ID      asn1.RawValue
	KeyAlg  pkix.AlgorithmIdentifier
	Key     []byte
}

// otherRecipients are the kinds that are not for us, by their tag (RFC 5652, 6.2).
var otherRecipients = map[uint32]string{1: "key agreement", 2: "key encryption key", 3: "password", 4: "another kind of recipient"}

// readRecipients returns those with key transport, and a description of all.
func readRecipients(b *ber) (transported []recipientInfo, described []string, err error) {
	if err := b.enter(classUniversal, tagSet, "recipients"); err != nil {
		return nil, nil, err
	}
	for {
		h, err := b.peek()
		if errors.Is(err, errEnd) {
			return transported, described, b.leave()
		}
		if err != nil {
			return nil, nil, err
		}
		der, err := b.der("recipient")
		if err != nil {
			return nil, nil, err
		}
		if kind, ok := otherRecipients[h.tag]; ok && h.class == classContext {
			described = append(described, kind)
			continue
		}
		var r recipientInfo
		if err := unmarshal(der, &r, "recipient"); err != nil {
			return nil, nil, err
		}
		transported = append(transported, r)
		described = append(described, describe(r.ID))
	}
}

// names reports whether a recipient or signer identifier means the certificate: by
// key identifier ([0]), or by issuer and serial number.
func names(id asn1.RawValue, cert *x509.Certificate) bool {
	if named, ok := keyIdentifier(id); ok {
		return len(named) > 0 && bytes.Equal(named, keyIdentifierOf(cert))
	}
	var is issuerAndSerial
	if _, err := asn1.Unmarshal(id.FullBytes, &is); err != nil || cert.SerialNumber == nil || is.Serial.Cmp(cert.SerialNumber) != 0 {
		return false
	}
	if bytes.Equal(is.Issuer.FullBytes, cert.RawIssuer) {
		return true
	}
	// Some products re-encode the issuer with other string types.
	return issuerText(is.Issuer) == cert.Issuer.String()
}

// keyIdentifier takes [0] IMPLICIT apart. A constructed string, or an EXPLICIT one,
// which some products write, has an octet string inside.
func keyIdentifier(id asn1.RawValue) ([]byte, bool) {
	if id.Class != classContext || id.Tag != 0 {
		return nil, false
	}
	if id.IsCompound {
		if inner, err := JoinOctets(id.Bytes); err == nil {
			return inner, true
		}
	}
	return id.Bytes, true
}

// keyIdentifierOf is that of a certificate; where it has none, senders make one from the
// key (RFC 5280, 4.2.1.2, method 1).
func keyIdentifierOf(cert *x509.Certificate) []byte {
	if len(cert.SubjectKeyId) > 0 {
		return cert.SubjectKeyId
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if !whole(cert.RawSubjectPublicKeyInfo, &spki) {
		return nil
	}
	sum := sha1.Sum(spki.Key.Bytes)
	return sum[:]
}

func issuerText(raw asn1.RawValue) string {
	var rdn pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw.FullBytes, &rdn); err != nil {
		return ""
	}
	var n pkix.Name
	n.FillFromRDNSequence(&rdn)
	return n.String()
}

// describe prints a recipient or signer identifier for a log.
func describe(id asn1.RawValue) string {
	if named, ok := keyIdentifier(id); ok {
		return "key identifier " + hexString(named)
	}
	var is issuerAndSerial
	if _, err := asn1.Unmarshal(id.FullBytes, &is); err != nil {
		return "unreadable identifier"
	}
	return "serial " + is.Serial.Text(16) + " of " + issuerText(is.Issuer)
}
