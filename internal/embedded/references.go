package embedded

import (
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/as2drop/as2drop/internal/xmlstream"
)

// Reference is a file that a document names as its attachment.
type Reference struct {
	Name         string // as written there, without folders
	Embedded     bool   // its content is in the document: there is no file to wait for
	Line, Column int    // from 1

	names []string // every name that a file of it may have
}

// Is reports whether it names this file. A place is written as a URI or as a plain name,
// and some programs mix them up: "a%20b.pdf" is a file of that name, or "a b.pdf".
func (r Reference) Is(file string) bool { return names(r.names, file) }

func names(all []string, file string) bool {
	file = norm.NFC.String(file)
	for _, n := range all {
		if norm.NFC.String(n) == file {
			return true
		}
	}
	return false
}

// Names are those that its file may have, first the one as written.
func (r Reference) Names() []string { return slices.Clone(r.names) }

// References reads a document to its end and lists the files that it names, in its
// order: places that are a file name, with or without folders, or a file: URI, and the
// file names of embedded objects. Web addresses are no files. A document of another kind
// is Unknown, without error, and not read any further.
//
// An *Error says what is wrong with the document; other errors are those of src.
func References(src io.Reader) (Kind, []Reference, error) {
	var all []Reference
	w := newWalker(src)
	w.onSlot = func(s *slot) error {
		if len(all) >= maxSlots {
			return &Error{s.line, s.column, "the document names too many attachments", "send it in several documents"}
		}
		all = append(all, s.references()...)
		return nil
	}
	for {
		_, err := w.next()
		switch {
		case err == io.EOF:
			return w.kind, all, nil
		case err != nil:
			return w.kind, nil, err
		case w.kind == Unknown:
			return Unknown, nil, nil
		}
	}
}

// references are the files that a slot names.
func (s *slot) references() []Reference {
	var all []Reference
	content := false
	for _, b := range s.objects {
		content = content || b.content
		if name := base(b.name); name != "" {
			all = append(all, Reference{name, b.content, b.line, b.column, []string{name}})
		}
	}
	elsewhere := s.elsewhere()
	if len(elsewhere) == 0 || len(all) > 0 && all[0].Is(elsewhere[0]) {
		return all
	}
	return append(all, Reference{elsewhere[0], content, s.line, s.column, elsewhere})
}

// elsewhere are the names that the file has that the slot refers to.
func (s *slot) elsewhere() []string {
	if s.uri == "" {
		return fileNames(s.fileName)
	}
	return fileNames(s.uri)
}

var (
	scheme    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`) // one letter alone is a drive
	extension = regexp.MustCompile(`^[^/\\]*[^/\\.][^/\\]*\.[A-Za-z0-9]{1,8}$`)
)

// fileNames are the names that a file at this place can have, the one as written first;
// none if it is no file. What has no extension is a remark and not a file.
func fileNames(place string) (all []string) {
	if strings.HasPrefix(place, "#") { // a place in the document itself
		return nil
	}
	isURI := false
	if s := scheme.FindString(place); s != "" {
		if !strings.EqualFold(s, "file:") {
			return nil
		}
		place, isURI = place[len(s):], true
	}
	bare, _, _ := strings.Cut(place, "#")
	bare, _, _ = strings.Cut(bare, "?")
	candidates := []string{place, bare}
	if isURI {
		candidates = []string{bare}
	}
	for _, c := range candidates {
		all = add(all, base(c))
	}
	for _, c := range candidates {
		if decoded, err := url.PathUnescape(c); err == nil {
			all = add(all, base(decoded))
		}
	}
	return all
}

func add(all []string, name string) []string {
	if !extension.MatchString(name) || names(all, name) {
		return all
	}
	return append(all, name)
}

// base is a name without folders, as Windows and others write them.
func base(name string) string {
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// scope is how names are written at a place of a document.
type scope struct{ cac, cbc, ram prefixed }

// prefixed is the prefix of a namespace, if there is one at that place.
type prefixed struct {
	prefix string
	ok     bool
}

func scopeOf(r *xmlstream.Reader) (s scope) {
	s.cac.prefix, s.cac.ok = r.Prefix(cac)
	s.cbc.prefix, s.cbc.ok = r.Prefix(cbc)
	s.ram.prefix, s.ram.ok = r.Prefix(ram)
	return s
}
