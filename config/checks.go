package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/internal/checks"
	"github.com/as2drop/as2drop/internal/filetype"
)

const aboutChecks = "Each rule is off, warn (the batch is sent, with an event) or refuse (it goes to failed, with a WHY.txt that names file and rule). docs/checks.md says what each looks at. All are off: what a partner takes is agreed with him."

func defaultChecks() Checks {
	return Checks{All: "off", MaxAttachment: 5e6, MaxTotal: 50e6, Characters: checks.PortableCharacters, MaxName: 128}
}

// effect makes the key of a rule.
func effect(rule checks.Rule, doc string, field func(*Checks) *string) key[Checks] {
	return key[Checks]{string(rule), "off, warn or refuse", "that of all", doc, setChoice(field, "off", "warn", "refuse")}
}

func checkKeys() []key[Checks] {
	return []key[Checks]{
		{"all", "off, warn or refuse", "off", "Of the rules that are not named.", setChoice(func(c *Checks) *string { return &c.All }, "off", "warn", "refuse")},
		effect(checks.Types, "Attachments are of an allowed type, by their extension, and their content is what the extension says.", func(c *Checks) *string { return &c.Types }),
		{"allowed_types", "list of types", "all of them", "What attachments may be: " + typeNames() + ".", setStrings(func(c *Checks) *[]string { return &c.AllowedTypes })},
		{"other_types", "list of extensions", "none", "Extensions of further attachments, such as [dwg, stp]. What is in them is not looked at.", setStrings(func(c *Checks) *[]string { return &c.OtherTypes })},
		effect(checks.AttachmentSize, "No attachment is larger than max_attachment.", func(c *Checks) *string { return &c.AttachmentSize }),
		{"max_attachment", "size", "5MB", "The advice of the industry for one attachment.", setSize(1, func(c *Checks) *int64 { return &c.MaxAttachment })},
		effect(checks.TotalSize, "All files of a batch together are not larger than max_total.", func(c *Checks) *string { return &c.TotalSize }),
		{"max_total", "size", "50MB", "Document and attachments, before they are zipped or encrypted.", setSize(1, func(c *Checks) *int64 { return &c.MaxTotal })},
		effect(checks.Names, "File names have only name_characters, and not more than max_name of them.", func(c *Checks) *string { return &c.Names }),
		{"name_characters", "characters, ranges of letters and digits", checks.PortableCharacters, "As between the brackets of a pattern; a hyphen comes first or last. The default is what file names may have everywhere (POSIX).", setString(func(c *Checks) *string { return &c.Characters })},
		{"max_name", "1 to 255", "128", "Characters of a file name, with its extension.", setInt(1, 255, func(c *Checks) *int { return &c.MaxName })},
		effect(checks.UniqueNames, "No two names of a batch are the same one where upper and lower case, or composed letters, are not told apart.", func(c *Checks) *string { return &c.UniqueNames }),
		effect(checks.OneDocument, "No attachment is a business document itself, nor has one in its zip.", func(c *Checks) *string { return &c.OneDocument }),
		effect(checks.WellFormedXML, "XML is well-formed to its end.", func(c *Checks) *string { return &c.WellFormedXML }),
		effect(checks.Envelopes, "Interchanges of EDIFACT and X12 are complete: headers and trailers, references and counts.", func(c *Checks) *string { return &c.Envelopes }),
	}
}

func typeNames() string {
	names := make([]string, 0, len(filetype.Types()))
	for _, t := range filetype.Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// checks makes rules of what the file says.
func (f *finisher) checks(p *Partner, path string) {
	c := &p.Outbox.Checks
	r := checks.Rules{Effects: map[checks.Rule]checks.Effect{}, MaxAttachment: c.MaxAttachment, MaxTotal: c.MaxTotal, MaxName: c.MaxName, Types: allTypes}
	for rule, effect := range map[checks.Rule]string{
		checks.Types: c.Types, checks.AttachmentSize: c.AttachmentSize, checks.TotalSize: c.TotalSize, checks.Names: c.Names, checks.UniqueNames: c.UniqueNames,
		checks.OneDocument: c.OneDocument, checks.WellFormedXML: c.WellFormedXML, checks.Envelopes: c.Envelopes,
	} {
		r.Effects[rule] = checks.Effect(cmp.Or(effect, c.All, "off"))
	}
	if f.lines[path+".allowed_types"] > 0 {
		r.Types = f.allowedTypes(c.AllowedTypes, path+".allowed_types")
	}
	r.Others = f.otherTypes(c.OtherTypes, path+".other_types")
	set, err := checks.ParseCharacters(c.Characters)
	if err != nil {
		f.report(path+".name_characters", "write for example "+checks.PortableCharacters, "%v", err)
	}
	r.Characters = set
	for _, x := range []struct {
		bound string
		rule  checks.Rule
	}{
		{"allowed_types", checks.Types}, {"other_types", checks.Types}, {"max_attachment", checks.AttachmentSize}, {"max_total", checks.TotalSize},
		{"name_characters", checks.Names}, {"max_name", checks.Names},
	} {
		rule := path + "." + string(x.rule)
		if at := path + "." + x.bound; f.lines[at] > 0 && f.lines[rule] == 0 && f.lines[path+".all"] == 0 && r.Effects[x.rule] == checks.Off {
			f.warn(at, fmt.Sprintf("set %s: refuse, or warn", x.rule), "has no effect while %s is off", x.rule)
		}
	}
	c.Rules = r
}

// allTypes may be sent by each partner that does not say which. One list is enough for all.
var allTypes = filetype.Types()

// allowedTypes reads names of types. An extension is often meant.
func (f *finisher) allowedTypes(names []string, path string) (types []filetype.Type) {
	for i, name := range names {
		at, t := item(path, i), filetype.Type(name)
		switch of, known := filetype.Of("x." + name); {
		case slices.Contains(filetype.Types(), t):
			types = append(types, t)
		case known:
			f.report(at, fmt.Sprintf("write %s", of), "%q is an extension of a type", name)
		default:
			f.report(at, "known are "+typeNames()+"; other extensions go to other_types", "%q is no type that is known", name)
		}
	}
	return types
}

// otherTypes reads extensions.
func (f *finisher) otherTypes(names []string, path string) (extensions []string) {
	for i, name := range names {
		ext := strings.ToLower(strings.TrimPrefix(name, "."))
		switch of, known := filetype.Of("x." + ext); {
		case ext == "" || strings.ContainsAny(ext, "./\\ "):
			f.report(item(path, i), "write for example dwg", "%q is no extension", name)
		case known:
			f.report(item(path, i), fmt.Sprintf("put %s into allowed_types", of), "%q is an extension of a type that is known", name)
		default:
			extensions = append(extensions, ext)
		}
	}
	return extensions
}
