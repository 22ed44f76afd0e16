package checks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/internal/envelope"
	"github.com/as2drop/as2drop/internal/filetype"
	"github.com/as2drop/as2drop/internal/xmlstream"
)

// content is what reading a file told of it.
type content struct {
	format  envelope.Format // of its interchanges
	root    xmlstream.Name  // of its XML; no name = it has none
	entries []string        // of a zip
}

// kind is how the inside of a file is looked at.
type kind int

const (
	opaque kind = iota
	asXML
	asInterchanges
)

// read looks at the inside of a file, in one pass.
func (c *checker) read(ctx context.Context, f File) (got content, err error) {
	types := !f.Document && c.rules.on(Types) && c.allowed(f)
	if !types && !c.rules.on(OneDocument) && !c.rules.on(WellFormedXML) && !c.rules.on(Envelopes) {
		return got, nil
	}
	file, err := f.Open()
	if err != nil {
		return got, err
	}
	defer file.Close() // opened for reading: nothing can be lost
	sniffer := &filetype.Sniffer{}
	r := bufio.NewReaderSize(io.TeeReader(&interruptible{ctx, file}, sniffer), 64<<10)
	head, err := r.Peek(envelope.HeadSize)
	if err == io.EOF {
		err = nil // it is as short as that
	}
	if err != nil {
		return got, err
	}
	got.format = envelope.FormatOf(head)
	switch c.kind(f, head, got.format) {
	case asInterchanges:
		err = c.interchanges(f, r)
	case asXML:
		got.root, err = c.xml(f, r)
	}
	if err != nil {
		return got, err
	}
	// Of a text every byte counts, and of a zip the end.
	if types && filetype.Whole(f.Name) || bytes.HasPrefix(head, []byte("PK")) && (types || c.rules.on(OneDocument)) {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return got, err
		}
	}
	got.entries = sniffer.Entries()
	if types {
		if fact := sniffer.Contradiction(f.Name); fact != "" {
			c.add(Types, f.Name, "", "send the file that was meant, or give it the extension of what it is", "%s", fact)
		}
	}
	return got, nil
}

// kind decides by the name, and else by how the file begins.
func (c *checker) kind(f File, head []byte, format envelope.Format) kind {
	ext := filetype.Extension(f.Name)
	edi := format != envelope.None || slices.Contains([]string{"edi", "edifact", "x12"}, ext)
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	xml := slices.Contains([]string{"xml", "svg", "xsl", "xslt", "xsd"}, ext) || bytes.HasPrefix(start, []byte("<?xml")) && ext != "html" && ext != "htm"
	switch {
	case edi && c.rules.on(Envelopes):
		return asInterchanges
	case xml && !edi && (c.rules.on(WellFormedXML) || c.rules.on(OneDocument)):
		return asXML
	}
	return opaque
}

// allowed looks at the extension of an attachment and says whether its content is to agree
// with that.
func (c *checker) allowed(f File) bool {
	ext := filetype.Extension(f.Name)
	if slices.Contains(c.rules.Others, ext) {
		return false
	}
	t, known := filetype.Of(f.Name)
	if known && slices.Contains(c.rules.Types, t) {
		return true
	}
	what := fmt.Sprintf("its extension is %q", ext)
	if ext == "" {
		what = "it has no extension"
	} else if known {
		what += fmt.Sprintf(" (%s)", t)
	}
	allowed := make([]string, 0, len(c.rules.Types)+len(c.rules.Others))
	for _, t := range c.rules.Types {
		allowed = append(allowed, string(t))
	}
	c.add(Types, f.Name, "", "send it in a type that the partner takes, or add it to allowed_types or other_types", "%s, and attachments may be %s", what, strings.Join(append(allowed, c.rules.Others...), ", "))
	return false
}

// interchanges looks at the envelopes of a file.
func (c *checker) interchanges(f File, r io.Reader) error {
	got, err := envelope.Check(r, Most)
	if err != nil {
		return err
	}
	const next = "have the program that made it make it again: it was cut off, joined or changed since; or set envelopes: warn, if the partner reads it as it is"
	for _, fault := range got.Faults {
		c.add(Envelopes, f.Name, fault.Place(), next, "%s", fault.Fact)
	}
	if got.More > 0 {
		c.add(Envelopes, f.Name, "", next, "and %d more of its segments do not fit", got.More)
	}
	return nil
}

// xml reads XML to its end, or to its first element where nothing more is asked.
func (c *checker) xml(f File, r io.Reader) (root xmlstream.Name, err error) {
	x := xmlstream.NewReader(r, xmlstream.Limits{})
	for {
		token, err := x.Next()
		var syntax *xmlstream.SyntaxError
		switch {
		case err == io.EOF:
			return root, nil
		case errors.As(err, &syntax):
			c.add(WellFormedXML, f.Name, fmt.Sprintf("line %d, column %d", syntax.Line, syntax.Column),
				"have the program that made it make it again; or set well_formed_xml: warn, if the partner reads it as it is", "%s", syntax.Fact)
			return root, nil
		case err != nil:
			return root, err
		}
		if root.Local == "" {
			root = token.Name
		}
		if !c.rules.on(WellFormedXML) {
			return root, nil
		}
	}
}

// interruptible ends when the context does.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}
