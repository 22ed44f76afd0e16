package checks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/internal/envelope"
	"github.com/as2drop/as2drop/internal/filetype"
	"github.com/as2drop/as2drop/internal/xmlstream"
)

// businessSpaces are how the namespaces of business documents begin.
var businessSpaces = []string{
	"urn:oasis:names:specification:ubl:schema:xsd:", // UBL
	"urn:un:unece:uncefact:data:standard:Cross",     // UN/CEFACT: CII and others
	"urn:ferd:CrossIndustryDocument:",               // ZUGFeRD 1
}

// oneDocument looks for further documents in a batch: receivers that expect one of them
// take another one for it, or refuse both.
func (c *checker) oneDocument(contents []content) {
	if !c.rules.on(OneDocument) {
		return
	}
	i := slices.IndexFunc(c.files, func(f File) bool { return f.Document })
	if i < 0 {
		return
	}
	document, of := c.files[i], contents[i]
	extensions := []string{"edi", "edifact", "x12", "xml"}
	if ext := filetype.Extension(document.Name); ext != "" && ext != "zip" {
		extensions = append(extensions, ext)
	}
	const next = "drop each document under a key of its own, with its attachments"
	for j, f := range c.files {
		inside := documentsIn(contents[j].entries, extensions)
		if f.Document {
			if len(inside) > 1 {
				c.add(OneDocument, f.Name, "", next, "is a zip with %d documents, and may have one: %s", len(inside), listed(inside))
			}
			continue
		}
		what := ""
		switch got := contents[j]; {
		case len(inside) > 0:
			what = fmt.Sprintf("is a zip with %d documents (%s)", len(inside), listed(inside))
		case got.format != envelope.None:
			what = fmt.Sprintf("holds %s interchanges", got.format)
		case got.root.Local != "" && (got.root == of.root || business(got.root)):
			what = fmt.Sprintf("is a business document (%s)", got.root.Local)
		case of.format == envelope.None && of.root.Local == "" && filetype.Extension(f.Name) == filetype.Extension(document.Name):
			what = fmt.Sprintf("is a %s like the document", path.Ext(f.Name))
		}
		if what != "" {
			c.add(OneDocument, f.Name, "", next, "%s, and the batch has its document already: %s", what, document.Name)
		}
	}
}

// business reports whether an element begins a business document.
func business(root xmlstream.Name) bool {
	return slices.ContainsFunc(businessSpaces, func(s string) bool { return strings.HasPrefix(root.Space, s) })
}

// documentsIn are the files of a zip that are documents by their extension.
func documentsIn(entries, extensions []string) (names []string) {
	for _, name := range entries {
		if slices.Contains(extensions, filetype.Extension(name)) {
			names = append(names, fmt.Sprintf("%q", path.Base(name)))
		}
	}
	return names
}

// listed is the beginning of a list.
func listed(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
