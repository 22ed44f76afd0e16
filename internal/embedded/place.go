package embedded

import (
	"strings"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// place is where new references go: into the container (the root of a UBL document, the
// header trade agreement of an invoice in CII), behind its last child that the schema
// wants before them.
type place struct {
	depth  int // of the container; zero until it was found
	line   int
	column int
	at     int64
	names  scope
	indent string // before a child
	passed bool   // a child was seen that comes behind them
	before bool   // the child that is open comes before them
	done   bool   // the container is closed
	qname  string // of the container, if it is <empty/>
}

// token follows the document.
func (l *place) token(w *walker, t *xmlstream.Token) {
	depth := len(w.open)
	switch {
	case l.done:
	case t.Kind == xmlstream.Start && l.depth == 0:
		if l.container(w, t, depth) {
			l.depth, l.at, l.names, l.line, l.column = depth, t.End, scopeOf(w.r), t.Line, t.Column
			if t.Empty {
				l.qname = qname(t.Name)
			}
		}
	case l.depth == 0:
	case t.Kind == xmlstream.Start && depth == l.depth+1:
		l.before = !l.passed && comesBefore(w.kind, t.Name)
		l.passed = !l.before
		if l.before || l.indent == "" {
			l.indent = w.before
		}
	case t.Kind == xmlstream.End && depth == l.depth && l.before:
		l.at, l.names, l.before = t.End, scopeOf(w.r), false
	case t.Kind == xmlstream.End && depth < l.depth:
		l.done = true
	}
}

// container reports whether new references go into this element.
func (l *place) container(w *walker, t *xmlstream.Token, depth int) bool {
	if w.kind != CrossIndustryInvoice {
		return depth == 1
	}
	return depth == 3 && t.Name.Is(ram, "ApplicableHeaderTradeAgreement")
}

// comesBefore reports whether a child of the container comes before new references. In
// UBL all basic components come before all aggregates, and these before the references.
func comesBefore(kind Kind, n xmlstream.Name) bool {
	switch n.Space {
	case cac, ram:
		return strings.Contains(aggregatesBefore[kind], " "+n.Local+" ")
	}
	return kind != CrossIndustryInvoice // cbc, and ext:UBLExtensions
}

// aggregatesBefore are the aggregates in the sequences of the schemas (UBL 2.1, which
// later releases only add to behind this place, and CII D16B) up to the references.
var aggregatesBefore = map[Kind]string{
	Invoice: " InvoicePeriod OrderReference BillingReference DespatchDocumentReference ReceiptDocumentReference StatementDocumentReference" +
		" OriginatorDocumentReference ContractDocumentReference AdditionalDocumentReference ",
	CreditNote: " InvoicePeriod DiscrepancyResponse OrderReference BillingReference DespatchDocumentReference ReceiptDocumentReference" +
		" ContractDocumentReference AdditionalDocumentReference ",
	Order:          " ValidityPeriod QuotationDocumentReference OrderDocumentReference OriginatorDocumentReference CatalogueReference AdditionalDocumentReference ",
	DespatchAdvice: " OrderReference AdditionalDocumentReference ",
	CrossIndustryInvoice: " Reference BuyerReference SellerTradeParty BuyerTradeParty SalesAgentTradeParty BuyerRequisitionerTradeParty" +
		" BuyerAssignedAccountantTradeParty SellerAssignedAccountantTradeParty BuyerTaxRepresentativeTradeParty SellerTaxRepresentativeTradeParty" +
		" ProductEndUserTradeParty ApplicableTradeDeliveryTerms SellerOrderReferencedDocument BuyerOrderReferencedDocument QuotationReferencedDocument" +
		" OrderResponseReferencedDocument ContractReferencedDocument DemandForecastReferencedDocument SupplyInstructionReferencedDocument" +
		" PromotionalDealReferencedDocument PriceListReferencedDocument AdditionalReferencedDocument ",
}

// reference is a new one.
func (p *planner) reference(n int) (*edit, error) {
	l := &p.place
	switch {
	case l.depth == 0:
		return nil, &Error{Fact: "the invoice has no ram:ApplicableHeaderTradeAgreement, where attachments belong", Next: correct}
	case l.qname != "" && p.w.kind != CrossIndustryInvoice:
		return nil, &Error{l.line, l.column, "the document has nothing in it", correct}
	}
	outer, inner := l.indent, ""
	if outer != "" {
		inner = outer + l.step()
	}
	name := p.escaped(p.names[n])
	id := p.escaped(p.newID(p.names[n]))
	if p.w.kind == CrossIndustryInvoice {
		reference, child := l.nested("AdditionalReferencedDocument", "ram", ram, l.names.ram)
		object := child("AttachmentBinaryObject", l.names.ram)
		return &edit{at: l.at, attachment: n,
			before: p.encode(outer + reference.begin + ">" + inner + element(child("IssuerAssignedID", l.names.ram), id) + inner + element(child("TypeCode", l.names.ram), "916") +
				inner + element(child("Name", l.names.ram), name) + inner + p.object(object, n)),
			after: p.encode(object.end + outer + reference.end)}, nil
	}
	if !l.names.cac.ok && l.names.cbc.prefix == "cac" {
		l.names.cbc.ok = false // the declaration on the reference hides it
	}
	reference, child := l.nested("AdditionalDocumentReference", "cac", cac, l.names.cac)
	attachment := child("Attachment", l.names.cac)
	identifier, object := open("ID", "cbc", cbc, l.names.cbc), open("EmbeddedDocumentBinaryObject", "cbc", cbc, l.names.cbc)
	innermost := inner
	if inner != "" {
		innermost += l.step()
	}
	return &edit{at: l.at, attachment: n,
		before: p.encode(outer + reference.begin + ">" + inner + element(identifier, id) + inner + attachment.begin + ">" + innermost + p.object(object, n)),
		after:  p.encode(object.end + inner + attachment.end + outer + reference.end)}, nil
}

// nested writes an element, and gives what writes elements of its namespace inside of it,
// where its prefix is declared in any case.
func (l *place) nested(local, usual, space string, at prefixed) (opened, func(string, prefixed) opened) {
	return open(local, usual, space, at), func(local string, at prefixed) opened {
		if !at.ok {
			at = prefixed{usual, true}
		}
		return open(local, usual, space, at)
	}
}

func element(o opened, text string) string { return o.begin + ">" + text + o.end }

// step is what one level of the document is indented by.
func (l *place) step() string {
	white := strings.TrimLeft(l.indent, "\r\n")
	return white[:len(white)/l.depth]
}

// join lets references into an empty container open it before the first and close it
// behind the last of them.
func (l *place) join(edits []edit) {
	if l.qname == "" {
		return
	}
	var first, last *edit
	for i := range edits {
		if edits[i].at == l.at {
			if first == nil {
				first = &edits[i]
			}
			last = &edits[i]
		}
	}
	if first == nil {
		return
	}
	first.before = append([]byte(">"), first.before...)
	last.after = append(last.after, "</"+l.qname+">"...)
	first.at, first.remove = l.at-2, 2
}
