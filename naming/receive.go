package naming

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Pair finds the document among the files of one received batch. ok is false where
// none or several could be it; a single file is always the document.
func (r *Rules) Pair(names []string) (document, key string, ok bool) {
	if len(names) == 1 {
		if ms := readings(r.documents, names[0]); len(ms) > 0 {
			return names[0], ms[0].key, true
		}
		return names[0], strings.TrimSuffix(names[0], path.Ext(names[0])), true
	}
	files := make([]*candidate, 0, len(names))
	for _, n := range names {
		files = append(files, &candidate{File: File{Name: n}, folded: r.fold(n), docs: readings(r.documents, n), atts: readings(r.attachments, n)})
	}
	g := &grouping{rules: r, groups: map[string]*group{}, claims: map[string]Claim{}}
	g.findDocuments(files)
	if len(g.groups) != 1 {
		return "", "", false
	}
	for _, gr := range g.groups {
		if len(gr.documents) == 1 {
			return gr.documents[0].Name, gr.key, true
		}
	}
	return "", "", false
}

// Rekey gives the files of one batch a new key, n being 2, 3, ...: INV-1.xml and
// INV-1_a.pdf become INV-1~2.xml and INV-1~2_a.pdf, so that they still pair. A name
// that does not carry the key gets the number before its extension. The results
// differ from each other where the names do.
func (r *Rules) Rekey(names []string, n int) []string {
	_, key, ok := r.Pair(names)
	folded := r.fold(key)
	suffix := fmt.Sprintf("~%d", n)
	renamed := make([]string, len(names))
	for i, name := range names {
		at := len(name) - len(path.Ext(name))
		if ok {
			all := slices.Concat(readings(r.documents, name), readings(r.attachments, name))
			j := slices.IndexFunc(all, func(m match) bool { return r.fold(m.key) == folded })
			if j >= 0 {
				at = all[j].start + len(all[j].key)
			}
		}
		renamed[i] = name[:at] + suffix + name[at:]
	}
	return renamed
}

// BundleName is the file name of the zip that carries a batch; id makes it unique.
func BundleName(key, id string) string { return Safe(key + "_" + id + ".zip") }
