package inbox

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// layout is how the files of one message belong together.
type layout struct {
	batches []planned
	strays  []int // files that pair with no document
}

// planned is one document with its attachments, as places in the list of files.
type planned struct {
	key      string
	document int
	files    []int // the document among them
}

// oddError says what in a zip is against the partner's rules.
type oddError struct {
	rule Rule
	fact string
	ask  string // of the sender
}

func (e *oddError) Error() string { return e.fact }

// sort gives the files safe names, and finds out which of them belong together: files out
// of one zip by their names, the parts of a message under the root that it names. from
// says of each file out of which zip it came; nil = there is none.
func (r *request) sort(row *ledger.Received, from []int) *layout {
	l := &layout{}
	used, tries := map[string]bool{}, map[string]int{} // by all zips together
	for first := 0; first < len(row.Files); {
		end := first + 1
		for end < len(row.Files) && (from == nil || from[end] == from[first]) {
			end++
		}
		r.sortOne(row.Files[first:end], first, l, used, tries)
		first = end
	}
	return l
}

// sortOne sorts files that pair with each other and with no others. tries are the numbers
// that were given under each first name, so that thousands of zips alike are numbered once each.
func (r *request) sortOne(files []ledger.ReceivedFile, first int, l *layout, used map[string]bool, tries map[string]int) {
	names := r.safeNames(files)
	original, key := names, r.p.fold(names[0])
	for slices.ContainsFunc(names, func(name string) bool { return used[r.p.fold(name)] }) {
		tries[key] = max(tries[key], 1) + 1
		names = r.p.Rules.Rekey(original, tries[key]) // all of them, so that they still pair
	}
	index := make(map[string]int, len(names))
	root := -1
	for i, name := range names {
		files[i].Final, index[name], used[r.p.fold(name)] = name, first+i, true
		if files[i].Document {
			root = i
		}
	}
	batches, rest := r.p.Rules.Sort(names)
	if root >= 0 && (len(batches) != 1 || batches[0].Document != names[root]) {
		// The message says which file is the document, and that all others belong to it (RFC 6362, 2).
		b := r.p.Rules.Alone(names[root])
		b.Attachments = slices.Delete(slices.Clone(names), root, root+1)
		batches, rest = []naming.Batch{b}, nil
	}
	for _, b := range batches {
		p := planned{key: b.Key, document: index[b.Document]}
		for _, name := range b.Names() {
			p.files = append(p.files, index[name])
		}
		l.batches = append(l.batches, p)
	}
	for _, name := range rest {
		l.strays = append(l.strays, index[name])
	}
}

// safeNames are the names of files from one zip, each once.
func (r *request) safeNames(files []ledger.ReceivedFile) []string {
	names := make([]string, len(files))
	used := map[string]bool{}
	for i, f := range files {
		name := naming.Safe(cmp.Or(f.Final, f.Entry))
		for n := 2; used[r.p.fold(name)]; n++ { // two names became one
			name = r.p.Rules.Rekey([]string{naming.Safe(f.Entry)}, n)[0]
		}
		used[r.p.fold(name)] = true
		names[i] = name
	}
	return names
}

// judge holds the layout of a zip against the partner's rules. What is delivered although
// it is odd gets a note.
func (r *request) judge(row *ledger.Received, l *layout) error {
	if len(l.batches) > 1 {
		fact := fmt.Sprintf("it holds %d documents: %s", len(l.batches), r.named(row, l.documents()))
		if r.p.Several != Split {
			return &oddError{r.p.Several, fact, "Send each document with its attachments in a message of its own."}
		}
		row.Notes = append(row.Notes, fact+"; each was delivered with its attachments")
	}
	if len(l.strays) > 0 {
		fact := fmt.Sprintf("by their names %d files pair with no document: %s", len(l.strays), r.named(row, l.strays))
		if r.p.Strays != Split {
			return &oddError{r.p.Strays, fact, "Give attachments names that begin with that of the document."}
		}
		row.Notes = append(row.Notes, fact+"; they were delivered too")
	}
	return nil
}

// mostNamed bounds the files that one text names.
const mostNamed = 10

func (r *request) named(row *ledger.Received, files []int) string {
	var names []string
	for _, i := range files[:min(len(files), mostNamed)] {
		names = append(names, fmt.Sprintf("%q", row.Files[i].Entry))
	}
	list := strings.Join(names, ", ")
	if more := len(files) - mostNamed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

func (l *layout) documents() (files []int) {
	for _, b := range l.batches {
		files = append(files, b.document)
	}
	return files
}

// plan says where in the inbox each file goes, and which ones are documents.
func (r *request) plan(row *ledger.Received, l *layout) {
	for i := range row.Files {
		row.Files[i].Document = false
	}
	for _, i := range l.documents() {
		row.Files[i].Document = true
	}
	row.Key = r.p.Rules.Alone(row.Files[0].Final).Key
	if len(l.batches) > 0 {
		row.Key = l.batches[0].key
	}
	if !r.p.FolderPerBatch {
		return
	}
	if len(l.batches) < 2 { // what pairs with nothing came with the one document there is
		row.Folder = naming.Safe(row.Key)
		return
	}
	used := map[string]bool{}
	folder := func(key string) string {
		name := naming.Safe(key)
		for n := 2; used[r.p.fold(name)]; n++ {
			name = naming.Safe(fmt.Sprintf("%s~%d", key, n))
		}
		used[r.p.fold(name)] = true
		return name
	}
	for _, b := range l.batches {
		name := folder(b.key)
		for _, i := range b.files {
			row.Files[i].Folder = name
		}
	}
	for _, i := range l.strays {
		row.Files[i].Folder = folder(strings.TrimSuffix(row.Files[i].Final, path.Ext(row.Files[i].Final)))
	}
}
