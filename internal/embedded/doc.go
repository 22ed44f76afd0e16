// Package embedded knows where business documents keep their attachments: which files a
// document names, and how files go into it and come out of it again.
//
// It reads UBL 2 (Invoice, CreditNote, Order, DespatchAdvice) and the Cross Industry
// Invoice of UN/CEFACT in its release 100 (D16B; Factur-X, ZUGFeRD 2, XRechnung). An
// attachment has a slot: in UBL a cac:Attachment, in CII a ram:...ReferencedDocument.
// In it stands the content itself, in base64, or where to find it:
//
//	<cac:AdditionalDocumentReference>
//	  <cbc:ID>TS-1001</cbc:ID>
//	  <cac:Attachment>
//	    <cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="timesheet.pdf">JVBE...</...>
//	    <cac:ExternalReference><cbc:URI>INV-1001_timesheet.pdf</cbc:URI></cac:ExternalReference>
//	  </cac:Attachment>
//	</cac:AdditionalDocumentReference>
//
// References lists what a document names. NewPlan finds the places where files go in, and
// the plan copies the document with the files in it: everything else stays as it was, byte
// for byte. Extract takes files out. All are streams: neither document nor attachment is
// ever in memory, whatever its size. The package knows no files and no clock; names that
// come out of a document are as somebody has written them, and no names for a disk yet.
//
// Documents are judged only as far as it takes to do this: whether an invoice is right is
// for its receiver to say.
package embedded

import (
	"errors"
	"fmt"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// Kind is what a document is.
type Kind uint8

// The kinds whose slots are known.
const (
	Unknown Kind = iota
	Invoice
	CreditNote
	Order
	DespatchAdvice
	CrossIndustryInvoice
)

const (
	ubl  = "urn:oasis:names:specification:ubl:schema:xsd:"
	cac  = ubl + "CommonAggregateComponents-2"
	cbc  = ubl + "CommonBasicComponents-2"
	rsm  = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
	ram  = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
	dsig = "http://www.w3.org/2000/09/xmldsig#"
)

func (k Kind) String() string {
	return [...]string{"unknown document", "UBL Invoice", "UBL CreditNote", "UBL Order", "UBL DespatchAdvice", "UN/CEFACT CrossIndustryInvoice"}[k]
}

// kindOf goes by the root element.
func kindOf(root xmlstream.Name) Kind {
	if root.Is(rsm, "CrossIndustryInvoice") {
		return CrossIndustryInvoice
	}
	for kind, local := range map[Kind]string{Invoice: "Invoice", CreditNote: "CreditNote", Order: "Order", DespatchAdvice: "DespatchAdvice"} {
		if root.Is(ubl+local+"-2", local) {
			return kind
		}
	}
	return Unknown
}

// Error says what is wrong with a document, or why nothing can be done with it, and where.
// It comes again each time the same document is read.
type Error struct {
	Line, Column int // from 1; zero where no place is to blame
	Fact         string
	Next         string // what to do about it
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Fact
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Fact)
}

const correct = "correct the document"

// limits of what is held of a document.
const (
	maxText  = 4 << 10 // bytes of an identifier, a name or a place; what is longer is none
	maxSlots = 10_000  // slots and identifiers beside each other
)

// broken turns the fault of a document into an Error. Errors of reading stay as they are.
func broken(err error) error {
	var syntax *xmlstream.SyntaxError
	if errors.As(err, &syntax) {
		return &Error{syntax.Line, syntax.Column, syntax.Fact, correct}
	}
	return err
}
