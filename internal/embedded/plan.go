package embedded

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// Plan is where the attachments go into one document.
type Plan struct {
	Kind  Kind
	edits []edit // in the order of the document
}

// edit puts one attachment in.
type edit struct {
	at, remove    int64 // so many bytes from there on are replaced
	before, after []byte
	attachment    int
}

// finding is the place of one attachment, while the document is read.
type finding struct {
	edit  *edit
	empty bool // it is an empty object, which goes before every other place
}

// planner is what is known of a document while it is read.
type planner struct {
	w     *walker
	names []string
	index map[string]int // by name in NFC
	found []finding
	ids   map[string]bool // identifiers that begin like a name
	place place
	begun bool // it has a root element, so it is XML
}

// otherForm is what to do where a document cannot take attachments.
const otherForm = "choose another form for outbox.bundle and retry, or drop it without attachments"

// NewPlan reads a document to its end and decides for each attachment, given by its file
// name, where it goes:
//
//   - an embedded object without content that has this file name is filled
//   - a slot that refers to the file, and has no object, gets one; the reference stays
//   - otherwise the document gets a new AdditionalDocumentReference (in CII
//     AdditionalReferencedDocument) behind those that are there, where the schema wants it,
//     with the file name as its identifier, or file name~2 where that is taken
//
// It is an *Error if the document is broken or of another kind, signed, or has content
// under that name already, and if a name cannot be written. Other errors are those of src.
func NewPlan(src io.Reader, names []string) (*Plan, error) {
	p := planner{w: newWalker(src), names: names, index: map[string]int{}, found: make([]finding, len(names)), ids: map[string]bool{}}
	for i, n := range names {
		if err := writable(n); err != nil {
			return nil, err
		}
		if _, ok := p.index[norm.NFC.String(n)]; ok {
			return nil, &Error{Fact: fmt.Sprintf("two attachments are called %q", n), Next: "give them names that differ and drop them again"}
		}
		p.index[norm.NFC.String(n)] = i
	}
	p.w.onSlot, p.w.onID = p.slot, p.id
	for {
		t, err := p.w.next()
		if err == io.EOF {
			return p.finish()
		}
		var fault *Error
		if errors.As(err, &fault) && !p.begun {
			fault.Next = correct + "; or, if it is meant to be no XML, " + otherForm
		}
		p.begun = true
		if err == nil {
			err = p.token(t)
		}
		if err != nil {
			return nil, err
		}
	}
}

// writable refuses what XML has no characters for.
func writable(name string) error {
	for _, c := range name {
		if c < 0x20 || c == 0xfffd || c == 0xfffe || c == 0xffff {
			return &Error{Fact: fmt.Sprintf("the name %q has a character that cannot be written in XML", name), Next: "give the file another name and drop the batch again"}
		}
	}
	return nil
}

// token looks at what stands in the way, and for the place of new references.
func (p *planner) token(t *xmlstream.Token) error {
	if t.Kind == xmlstream.Start {
		switch {
		case p.w.kind == Unknown:
			return &Error{t.Line, t.Column, fmt.Sprintf("the document is <%s> in the namespace %q: attachments can be embedded in a UBL Invoice, CreditNote, Order or DespatchAdvice and in a CrossIndustryInvoice:100", qname(t.Name), t.Name.Space), otherForm}
		case t.Name.Is(dsig, "Signature"):
			return &Error{t.Line, t.Column, "the document is signed (ds:Signature), and embedding attachments would break its signature", otherForm}
		}
	}
	p.place.token(p.w, t)
	return nil
}

// id notes identifiers that a new one could collide with.
func (p *planner) id(id string) error {
	base := id
	if i := strings.LastIndexByte(id, '~'); i > 0 {
		base = id[:i]
	}
	_, a := p.index[norm.NFC.String(id)]
	_, b := p.index[norm.NFC.String(base)]
	if (a || b) && len(p.ids) < maxSlots {
		p.ids[id] = true
	}
	return nil
}

// slot decides whether attachments belong here.
func (p *planner) slot(s *slot) error {
	content := false
	for i := range s.objects {
		b := &s.objects[i]
		content = content || b.content
		n, ok := p.index[norm.NFC.String(base(b.name))]
		switch {
		case !ok:
		case b.content:
			return p.there(b.line, b.column, n)
		case !p.found[n].empty:
			p.found[n] = finding{p.fill(b, n), true}
		}
	}
	for _, name := range s.elsewhere() {
		n, ok := p.index[norm.NFC.String(name)]
		if !ok {
			continue
		}
		switch {
		case len(s.objects) == 0 && p.found[n].edit == nil:
			p.found[n].edit = p.put(s, n)
		case len(s.objects) == 1 && s.objects[0].name == "" && content:
			return p.there(s.line, s.column, n)
		case len(s.objects) == 1 && s.objects[0].name == "" && !p.found[n].empty:
			p.found[n] = finding{p.fill(&s.objects[0], n), true}
		}
		return nil
	}
	return nil
}

func (p *planner) there(line, column, n int) error {
	return &Error{line, column, fmt.Sprintf("the document has %q embedded already", p.names[n]), "drop the document without this file, or without its content in it"}
}

// fill puts content into an object that has none.
func (p *planner) fill(b *binary, n int) *edit {
	attributes := ""
	if !b.hasMIME {
		attributes += ` mimeCode="` + mimeCode(p.names[n]) + `"`
	}
	if b.name == "" {
		attributes += ` filename="` + p.escaped(p.names[n]) + `"`
	}
	e := &edit{at: b.tag - 1, remove: 1, attachment: n, before: p.encode(attributes + ">")}
	if b.empty {
		e.at, e.remove = b.tag-2, 2
		e.after = p.encode("</" + b.qname + ">")
	}
	return e
}

// put gives a slot an object.
func (p *planner) put(s *slot, n int) *edit {
	var o opened
	if p.w.kind == CrossIndustryInvoice {
		o = open("AttachmentBinaryObject", "ram", ram, s.names.ram)
	} else {
		o = open("EmbeddedDocumentBinaryObject", "cbc", cbc, s.names.cbc)
	}
	return &edit{at: s.inside, attachment: n, before: p.encode(s.indent + p.object(o, n)), after: p.encode(o.end)}
}

// object is the start tag of one.
func (p *planner) object(o opened, n int) string {
	return o.begin + ` mimeCode="` + mimeCode(p.names[n]) + `" filename="` + p.escaped(p.names[n]) + `">`
}

// opened is an element as it is written at a place.
type opened struct{ begin, end string }

// open writes an element with the prefix that is in scope, or declares its namespace on
// it. The start tag has no > yet.
func open(local, usual, space string, at prefixed) opened {
	name, declares := local, ""
	switch {
	case !at.ok:
		name, declares = usual+":"+local, ` xmlns:`+usual+`="`+space+`"`
	case at.prefix != "":
		name = at.prefix + ":" + local
	}
	return opened{"<" + name + declares, "</" + name + ">"}
}

// finish makes references for the attachments that have no place yet.
func (p *planner) finish() (*Plan, error) {
	plan := &Plan{Kind: p.w.kind}
	for n := range p.names {
		if p.found[n].edit == nil {
			e, err := p.reference(n)
			if err != nil {
				return nil, err
			}
			p.found[n].edit = e
		}
		plan.edits = append(plan.edits, *p.found[n].edit)
	}
	p.place.join(plan.edits)
	slices.SortStableFunc(plan.edits, func(a, b edit) int { return int(max(-1, min(1, a.at-b.at))) })
	return plan, nil
}

// newID is an identifier that no reference of the document has.
func (p *planner) newID(name string) string {
	id := name
	for i := 2; p.ids[id]; i++ {
		id = name + "~" + strconv.Itoa(i)
	}
	p.ids[id] = true
	return id
}

// escaped is text as it stands in an element or a value in quotes. Characters that the
// encoding of the document lacks are references.
func (p *planner) escaped(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '"':
			b.WriteString("&quot;")
		case !p.w.r.Encodes(c):
			fmt.Fprintf(&b, "&#%d;", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func (p *planner) encode(text string) []byte { return p.w.r.Encode(text) }
