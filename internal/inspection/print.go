package inspection

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Print writes a report for people. all shows every known way to compute the MIC, else
// those of the rule alone.
func (r *Report) Print(w io.Writer, all bool) {
	if r.Message != nil {
		r.Message.print(w, all)
	}
	if r.Receipt != nil {
		if r.Message != nil {
			fmt.Fprintln(w)
		}
		r.Receipt.print(w)
	}
	if r.Match != nil {
		verdict := "DIFFERENT"
		if r.Match.Equal {
			verdict = "EQUAL"
		}
		fmt.Fprintf(w, "\nMIC of message and receipt: %s\n  %s\n", verdict, r.Match.Text)
	}
}

// line prints one fact; an empty one is left out.
func line(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "  %-12s %s\n", name, value)
	}
}

func (m *Message) print(w io.Writer, all bool) {
	fmt.Fprintf(w, "Message %s\n", orNone(m.MessageID))
	line(w, "from", fmt.Sprintf("%q", m.From))
	line(w, "to", fmt.Sprintf("%q", m.To))
	line(w, "subject", m.Subject)
	line(w, "as2-version", orNone(m.Version))
	line(w, "user-agent", m.UserAgent)
	line(w, "type", m.Type)
	line(w, "receipt", m.Wants)

	fmt.Fprintln(w, "\nLayers, outermost first")
	if len(m.Layers) == 0 {
		fmt.Fprintln(w, "  none: it is neither encrypted nor signed nor compressed")
	}
	for i, l := range m.Layers {
		legacy := ""
		if l.Legacy {
			legacy = "\n             for old partners only"
		}
		fmt.Fprintf(w, "  %d. %s%s\n", i+1, l.describe(), legacy)
	}

	if m.SignedBy != "" {
		fmt.Fprintf(w, "     certificate of the outermost signature: sha-256 %s\n", m.SignedBy)
	}

	title := "Files"
	if len(m.Files) > 1 {
		title = "Files, the parts of a multipart"
	}
	fmt.Fprintln(w, "\n"+title)
	if len(m.Files) == 0 {
		fmt.Fprintln(w, "  none could be reached")
	}
	for _, f := range m.Files {
		root := ""
		if f.Document && len(m.Files) > 1 {
			root = ", the document"
		}
		fmt.Fprintf(w, "  %q  %s, %d bytes%s\n    sha-256 %s\n", f.Name, orNone(f.Type), f.Size, root, f.SHA256)
	}
	m.printMICs(w, all)

	fmt.Fprintln(w, "\nVerdict")
	line(w, "answer", m.Answer)
	line(w, "because", m.Fault)
	for _, n := range m.Notes {
		line(w, "note", n)
	}
}

func (m *Message) printMICs(w io.Writer, all bool) {
	over, hidden := "", 0
	for _, mic := range m.MICs {
		if !mic.Rule && !all {
			hidden++
			continue
		}
		if mic.Over != over {
			over = mic.Over
			which := "another way to compute it, over"
			if mic.Rule {
				which = "MIC, over"
			}
			fmt.Fprintf(w, "\n%s: %s\n", which, over)
		}
		fmt.Fprintf(w, "  %-8s %s\n", mic.Digest, mic.Base64)
	}
	switch {
	case over == "" && hidden == 0:
		fmt.Fprintln(w, "\nMIC: nothing could be computed")
	case over == "":
		fmt.Fprintln(w, "\nMIC: the part that it is over could not be reached; --all shows the digests of what could")
	}
}

func (r *Receipt) print(w io.Writer) {
	fmt.Fprintf(w, "Receipt for %s\n", orNone(r.OriginalMessageID))
	line(w, "from", quoted(r.From))
	line(w, "to", quoted(r.To))
	line(w, "recipient", r.FinalRecipient)
	line(w, "written by", r.ReportingUA)
	line(w, "layers", strings.Join(r.Layers, ", "))
	line(w, "disposition", r.Disposition)
	line(w, "means", r.Meaning)
	line(w, "mic", orNone(r.MIC))
	for _, d := range r.Details {
		line(w, "detail", d)
	}
	switch {
	case r.Signed:
		line(w, "signature", fmt.Sprintf("verified: %s, %s, %s", r.Signer, r.Digest, r.Scheme))
		line(w, "", "certificate sha-256 "+r.SignedBy)
	case r.Claim != "":
		line(w, "signature", "not verified: "+r.Claim)
	default:
		line(w, "signature", "none")
	}
	for _, n := range r.Notes {
		line(w, "note", n)
	}
	if r.Text != "" {
		fmt.Fprintf(w, "\nIt says\n  %s\n", strings.ReplaceAll(printable(r.Text), "\n", "\n  "))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

// printable keeps foreign text from steering a terminal, and from showing in another order
// than it is written.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			return r
		case r == '\r':
			return -1
		}
		return '.'
	}, s)
}

// Sound reports whether nothing was found that a station would refuse: the message
// would be accepted, the receipt accepts and its signature counts, the MIC fits.
func (r *Report) Sound() bool {
	sound := true
	if r.Message != nil {
		sound = r.Message.Accepted
	}
	if r.Receipt != nil {
		sound = sound && r.Receipt.Accepted && r.Receipt.Claim == ""
	}
	return sound && (r.Match == nil || r.Match.Equal)
}
