package as2

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Envelope is what the HTTP header of a message says about it.
type Envelope struct {
	From, To    string // AS2 names
	MessageID   string // as written: receipts repeat it byte for byte
	Subject     string
	Version     string // AS2-Version
	ContentType string
	Encoding    string // Content-Transfer-Encoding, where a product sends one
	Filename    string // foreign
	Receipt     ReceiptRequest
	ReceiptTo   string
	Recipient   string // Original-Recipient and Final-Recipient of the receipt
}

// maxMessageID is the longest Message-ID that is taken (RFC 5322, 2.1.1).
const maxMessageID = 998

// ParseEnvelope reads the header of a message. The error is a *Fault and names what
// is missing; the Envelope is usable as far as it goes.
func ParseEnvelope(h http.Header) (*Envelope, error) {
	e := &Envelope{
		From: UnquoteName(h.Get("AS2-From")), To: UnquoteName(h.Get("AS2-To")),
		MessageID: strings.TrimSpace(h.Get("Message-ID")), Subject: h.Get("Subject"), Version: h.Get("AS2-Version"),
		ContentType: h.Get("Content-Type"), Encoding: h.Get("Content-Transfer-Encoding"),
		ReceiptTo: h.Get("Disposition-Notification-To"),
		Receipt: parseReceiptRequest(h.Get("Disposition-Notification-To"),
			strings.Join(h.Values("Disposition-Notification-Options"), "; "), h.Get("Receipt-Delivery-Option")),
		Recipient: UnquoteName(h.Get("AS2-To")),
	}
	e.Filename = fileName(map[string][]string(h))
	switch {
	case CheckName(e.From) != nil:
		return e, fault(UnknownRelationship, "The AS2-From header is missing or is no AS2 name.", "AS2-From: "+CheckName(e.From).Error())
	case CheckName(e.To) != nil:
		return e, fault(UnknownRelationship, "The AS2-To header is missing or is no AS2 name.", "AS2-To: "+CheckName(e.To).Error())
	case StripID(e.MessageID) == "":
		return e, fault(InvalidMessageID, "The message has no Message-ID.", "no Message-ID")
	case len(e.MessageID) > maxMessageID:
		return e, fault(InvalidMessageID, "The Message-ID is longer than 998 characters.", "Message-ID over 998 characters")
	case strings.ContainsFunc(e.MessageID, unicode.IsControl):
		// Blanks are as wrong (rfc4130bis, 5.3.3), but products make it of AS2 names.
		return e, fault(InvalidMessageID, "The Message-ID has a control character.", fmt.Sprintf("Message-ID %q", e.MessageID))
	}
	return e, nil
}

// Fault is a fault of a message, for which a negative receipt is given.
type Fault struct {
	Disposition Disposition
	Text        string // for the first part of the receipt
	Detail      string // for our own log; must not be sent
}

func (f *Fault) Error() string {
	if f.Detail == "" {
		return "as2: " + f.Disposition.Modifier
	}
	return "as2: " + f.Disposition.Modifier + ": " + f.Detail
}

func fault(modifier, text, detail string) *Fault {
	return &Fault{Failed(modifier), text, detail}
}

// NewFault makes a fault for a modifier of this package.
func NewFault(modifier, text, detail string) *Fault { return fault(modifier, text, detail) }
