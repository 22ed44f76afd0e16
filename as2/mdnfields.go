package as2

import (
	"fmt"
	"strings"
)

// readFields reads the fields of RFC 3798, 3.1: unfolded, blanks trimmed. Lines that are
// no fields are skipped; what is missing is noticed by who needs it.
func readFields(content []byte) []Field {
	var fs []Field
	for line := range strings.SplitSeq(string(content), "\n") {
		line = strings.TrimRight(line, "\r \t")
		if line != "" && (line[0] == ' ' || line[0] == '\t') && len(fs) > 0 {
			fs[len(fs)-1].Value = strings.TrimSpace(fs[len(fs)-1].Value + " " + strings.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && name != "" {
			fs = append(fs, Field{name, strings.TrimSpace(value)})
		}
	}
	return fs
}

// understand takes the fields of RFC 3798 and RFC 4130, 7.4.3 for what they mean.
func (m *MDN) understand(fs []Field) error {
	for _, f := range fs {
		switch strings.ToLower(f.Name) {
		case "reporting-ua":
			m.ReportingUA = f.Value
		case "final-recipient":
			m.FinalRecipient = recipientName(f.Value)
		case "original-recipient":
			m.OriginalRecipient = recipientName(f.Value)
		case "original-message-id":
			if m.OriginalMessageID != "" && StripID(m.OriginalMessageID) != StripID(f.Value) {
				return notMDN("it names two messages, %q and %q", m.OriginalMessageID, f.Value)
			}
			m.OriginalMessageID = f.Value
		case "disposition":
			if m.DispositionText != "" && !strings.EqualFold(m.DispositionText, f.Value) {
				return notMDN("it states two dispositions, %q and %q", m.DispositionText, f.Value)
			}
			m.DispositionText = f.Value
		case "error", "failure", "warning", "explanation":
			m.Details = append(m.Details, f.Name+": "+f.Value)
		case "received-content-mic":
			m.readMIC(f.Value)
		}
	}
	var err error
	if m.Disposition, err = ParseDisposition(m.DispositionText); err != nil {
		return notMDN("%w", err)
	}
	m.readDetails(fs)
	m.chooseMIC()
	m.compare()
	return nil
}

// readDetails fills in a modifier that stands in a field of its own (RFC 4130, 7.5.6:
// the constructions of pure RFC 3798).
func (m *MDN) readDetails(fs []Field) {
	kind := m.Disposition.Kind
	if kind == "" && m.Disposition.Type == "failed" {
		kind = "failure"
	}
	if kind == "" && len(m.Details) > 0 {
		m.Notes = append(m.Notes, fmt.Sprintf("the disposition is %q, and yet the receipt has %q", m.DispositionText, m.Details[0]))
	}
	if text := Get(fs, kind); kind != "" && m.Disposition.Modifier == "" && text != "" {
		m.Disposition.Kind, m.Disposition.Modifier = kind, text
	}
}

// compare notes what does not fit together and is no reason to refuse.
func (m *MDN) compare() {
	switch {
	case m.From == "":
		m.Notes = append(m.Notes, "the receipt has no AS2-From")
	case m.FinalRecipient != "" && m.FinalRecipient != m.From:
		m.Notes = append(m.Notes, fmt.Sprintf("the receipt is from %q and names %q as final recipient", m.From, m.FinalRecipient))
	}
}

// recipientName reads "rfc822; name", with or without the type.
func recipientName(value string) string {
	if _, name, ok := strings.Cut(value, ";"); ok {
		value = name
	}
	return foreignName(value)
}

// foreignName reads an AS2 name that may be quoted twice, as pyas2-lib does.
func foreignName(value string) string { return UnquoteName(UnquoteName(value)) }

// readMIC reads a Received-Content-MIC (RFC 4130, 7.4.3). Some products state several,
// in fields of their own or one behind the other; blanks may stand anywhere.
func (m *MDN) readMIC(value string) {
	if value == "" {
		return
	}
	if m.MICText != "" {
		m.MICText += ", "
	}
	m.MICText += value
	words := strings.Split(value, ",")
	for i := 0; i+1 < len(words); i += 2 {
		sum := strings.Join(strings.Fields(words[i]), "")
		if mic, err := ParseMIC(sum + "," + words[i+1]); err == nil {
			m.MICs = append(m.MICs, mic)
		}
	}
}

// chooseMIC takes the first MIC. Two of one digest that differ say nothing at all.
func (m *MDN) chooseMIC() {
	for i, mic := range m.MICs {
		if first, _ := FindMIC(m.MICs[:i+1], mic.Digest); !first.Equal(mic) {
			m.Notes = append(m.Notes, fmt.Sprintf("the receipt states two different MICs in %v", mic.Digest))
			m.MICs = nil
			return
		}
	}
	if len(m.MICs) > 0 {
		m.MIC = &m.MICs[0]
	}
}
