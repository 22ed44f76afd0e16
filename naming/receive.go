package naming

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Sort finds the batches among the files of one received message, sorted by the name of
// the document. rest are the files that pair with no document, or of whose document it is
// not certain which it is, in the order of names. A single file is always a document.
func (r *Rules) Sort(names []string) (batches []Batch, rest []string) {
	if len(names) == 1 {
		return []Batch{r.Alone(names[0])}, nil
	}
	g := &grouping{reader: reader{rules: r}, groups: map[string]*candidate{}}
	for _, n := range names {
		c := &candidate{Name: n, folded: r.fold(n)}
		if ms := g.asDocument(n); len(ms) > 0 {
			c.document = true
			c.reads(ms[0])
		}
		g.files = append(g.files, c)
	}
	g.findDocuments()
	g.attach()
	g.gather(nil)
	paired := map[string]bool{}
	for gr := range g.all() {
		if len(gr.documents) > 1 {
			continue
		}
		b := gr.batch()
		for _, name := range b.Names() {
			paired[name] = true
		}
		batches = append(batches, b)
	}
	for _, n := range names {
		if !paired[n] {
			rest = append(rest, n)
		}
	}
	slices.SortFunc(batches, func(a, b Batch) int { return strings.Compare(a.Document, b.Document) })
	return batches, rest
}

// Alone is the batch of a file that travels without others: it is its document, whatever
// the patterns say of its name.
func (r *Rules) Alone(name string) Batch {
	if ms := readings(nil, r.documents, name); len(ms) > 0 {
		return Batch{Key: ms[0].key, Document: name}
	}
	return Batch{Key: strings.TrimSuffix(name, path.Ext(name)), Document: name}
}

// Names are the files of a batch that travel, the document last.
func (b Batch) Names() []string { return append(slices.Clone(b.Attachments), b.Document) }

// Rekey gives the files of one message a new key, n being 2, 3, ...: INV-1.xml and
// INV-1_a.pdf become INV-1~2.xml and INV-1~2_a.pdf, so that they still pair, and so with
// each of several batches. A name that does not carry the key gets the number before its
// extension. The results differ from each other where the names do.
func (r *Rules) Rekey(names []string, n int) []string {
	suffix := fmt.Sprintf("~%d", n)
	keys := map[string]string{} // of each name that is in a batch
	batches, _ := r.Sort(names)
	for _, b := range batches {
		for _, name := range b.Names() {
			keys[name] = r.fold(b.Key)
		}
	}
	renamed := make([]string, len(names))
	for i, name := range names {
		at := len(name) - len(path.Ext(name))
		if key, ok := keys[name]; ok {
			all := slices.Concat(readings(nil, r.documents, name), readings(nil, r.attachments, name))
			j := slices.IndexFunc(all, func(m match) bool { return r.fold(m.key) == key })
			if j >= 0 {
				at = all[j].start + len(all[j].key)
			}
		}
		renamed[i] = name[:at] + suffix + name[at:]
	}
	return renamed
}

// AttachmentName is a name for a file that came without one of ours and belongs to a key:
// by the first pattern that a name can be made of, unless it belongs there by its name.
func (r *Rules) AttachmentName(key, name string) string {
	folded := r.fold(key)
	has := func(m match) bool { return r.fold(m.key) == folded }
	if slices.ContainsFunc(readings(nil, r.attachments, name), has) && !slices.ContainsFunc(readings(nil, r.documents, name), has) {
		return name
	}
	for _, m := range r.attachments {
		if p, ok := m.(*pattern); ok && strings.Contains(p.text, "{name}") {
			if filled := p.fill(key, name); filled != "" {
				return filled
			}
		}
	}
	return key + "_" + name
}

// BundleName is the file name of the zip that carries a batch; id makes it unique.
func BundleName(key, id string) string { return Safe(key + "_" + id + ".zip") }
