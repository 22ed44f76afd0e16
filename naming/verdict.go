package naming

import (
	"fmt"
	"slices"
	"time"
)

// complete decides about one group: it is a batch, or every file of it waits.
func (g *grouping) complete(gr *group) bool {
	w := g.verdict(gr)
	if w.Reason == "" {
		return true
	}
	for _, c := range gr.files {
		w.Name, w.Key = c.Name, gr.key
		g.waiting = append(g.waiting, w)
		c.group = elsewhere
	}
	return false
}

// batch is what a complete group travels as.
func (gr *group) batch() Batch {
	b := Batch{Key: gr.key, Document: gr.documents[0].Name}
	if len(gr.members) > 0 {
		b.Attachments = make([]string, len(gr.members))
		for i, c := range gr.members {
			b.Attachments[i] = c.Name
		}
		slices.Sort(b.Attachments)
	}
	if gr.marker != nil {
		b.Marker = gr.marker.Name
	}
	return b
}

// verdict says what a group waits for; an empty Reason means that it is complete.
func (g *grouping) verdict(gr *group) Waiting {
	hold := func(reason Reason, alarm bool, text string, args ...any) Waiting {
		return Waiting{Reason: reason, Alarm: alarm, Text: fmt.Sprintf(text, args...)}
	}
	if len(gr.documents) > 1 {
		return hold(WaitAmbiguous, true, "%d documents have the key %s: %s; rename or remove all but one", len(gr.documents), gr.key, listNames(gr.documents))
	}
	if claim, ok := g.claims[g.rules.fold(gr.key)]; ok && claim.InFlight && g.rules.resend == ResendHold {
		return hold(WaitInFlight, false, "%s of %s is still on its way; it is sent after that one is settled (resend: send would not wait)", claim.Document, claim.Sent.UTC().Format("2006-01-02 15:04 UTC"))
	}
	for _, c := range gr.files {
		if c.Busy {
			return hold(WaitBusy, false, "another program has %q open for writing", c.Name)
		}
	}
	if g.rules.AtFirstSight() {
		// What came during the listing may not be all that came then.
		for _, c := range gr.files {
			if c.Unchanged < 0 {
				w := hold(WaitQuiet, false, "%q came just now", c.Name)
				w.For = time.Millisecond
				return w
			}
		}
	}
	if g.rules.complete == Marker {
		if gr.marker == nil {
			return hold(WaitMarker, false, "the marker file for %s is missing", gr.key)
		}
		return Waiting{} // whoever wrote the marker promised that all is finished
	}
	if g.rules.complete == References {
		if w := g.referencesVerdict(gr, hold); w.Reason != "" {
			return w
		}
	}
	if g.rules.complete == Count {
		if w := countVerdict(gr, hold); w.Reason != "" {
			return w
		}
	}
	for _, c := range gr.files {
		if left := g.rules.quiet - c.Unchanged; left > 0 {
			w := g.young
			if len(gr.files) > 1 {
				w = hold(WaitQuiet, false, "%q changed less than %v ago", c.Name, g.rules.quiet)
			}
			for _, other := range gr.files {
				left = max(left, g.rules.quiet-other.Unchanged)
			}
			w.For = left
			return w
		}
	}
	return Waiting{}
}

// countVerdict checks the numbers in the names of a group.
func countVerdict(gr *group, hold func(Reason, bool, string, ...any) Waiting) Waiting {
	parts := gr.documents[0].parts
	have := map[int32]string{}
	for _, m := range gr.files {
		if m.parts != parts {
			return hold(WaitAmbiguous, true, "%q announces %d files and %q announces %d", gr.documents[0].Name, parts, m.Name, m.parts)
		}
		if m.part < 1 || m.part > parts {
			return hold(WaitAmbiguous, true, "%q is number %d of %d", m.Name, m.part, parts)
		}
		if other, ok := have[m.part]; ok {
			return hold(WaitAmbiguous, true, "%q and %q are both number %d", min(other, m.Name), max(other, m.Name), m.part)
		}
		have[m.part] = m.Name
	}
	if len(have) == int(parts) {
		return Waiting{}
	}
	missing := int32(1)
	for have[missing] != "" {
		missing++
	}
	return hold(WaitParts, false, "%d of %d files are here; number %d is missing", len(have), parts, missing)
}
