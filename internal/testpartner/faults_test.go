//go:build linux

package testpartner_test

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

// told is what an operator reads of a fault: of the transfer, and of the partner where
// that is paused.
type told struct {
	class        class
	reason, hint string
	wait         time.Duration // until the next try; 0 = none
	counts       bool
	outcome      ledger.Outcome
	end          string // what he reads when it does not go on by itself
}

// Each fault once, and then all is well: the class, what is counted, what the partner
// sees, where the files end, and what the operator reads of it. The page for operators
// is made from the same run.
func TestFaults(t *testing.T) {
	template := folderOf(t)
	sections := table(t)
	lines := make([][]told, len(sections))
	t.Run("rows", func(t *testing.T) {
		for i, s := range sections {
			lines[i] = make([]told, len(s.rows))
			for j, r := range s.rows {
				t.Run(r.does, func(t *testing.T) {
					t.Parallel()
					lines[i][j] = oneFault(t, template, r)
				})
			}
		}
	})
	if told := tales(lines); !t.Failed() && told == rows(sections) { // with -run some of them may be missing
		checkPage(t, sections, lines)
	}
}

// tales counts what was seen, rows what there is to see.
func tales(lines [][]told) (n int) {
	for _, section := range lines {
		for _, tale := range section {
			if tale.class != "" {
				n++
			}
		}
	}
	return n
}

func rows(sections []section) (n int) {
	for _, s := range sections {
		n += len(s.rows)
	}
	return n
}

func oneFault(t *testing.T, template string, r row) told {
	s := openShop(t, template, r, append(slices.Clone(r.steps), step{Behaviour: testpartner.Well}))
	s.drop("INV-1.xml", document(t, r.big))
	s.workUntil(func() bool { return s.posts == 1 })
	if posted, err := s.partner.AwaitReceipts(t.Context()); err != nil || len(posted) != r.receipts {
		t.Errorf("the partner posted receipts: %v, %v", posted, err)
	}
	tale := s.tell(r)
	s.inOrder()

	// Another document comes. What is about the partner and not about a message holds it too.
	s.drop("INV-2.xml", document(t, false))
	s.work()
	alone := tale.class == pausing || r.rest
	if got := s.posts; got != 2 != alone {
		t.Errorf("the next document: %d posts", got)
	}
	if alone && len(s.in(".work/*")) != 2 {
		t.Errorf("not in the queue: %v", s.in("*/*"))
	}

	s.workUntil(func() bool { return false })
	s.ended(r, tale)
	s.check()
	if f := s.find("INV-1"); f.Hold != "" {
		tale.end = "held: " + f.Hold + "; " + f.Next
	}
	return tale
}

func document(t *testing.T, big bool) []byte {
	if !big {
		return []byte("<Invoice/>")
	}
	b := make([]byte, 8<<20) // more than the buffers of a connection take in
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// tell holds the first document against a row, after the fault.
func (s *shop) tell(r row) told {
	t := s.t
	t.Helper()
	f := s.find("INV-1")
	last := f.attempts[len(f.attempts)-1]
	tale := told{class: classOf(f), reason: f.Reason, hint: f.Next, counts: last.Counted, outcome: last.Outcome}
	switch tale.class {
	case pausing:
		tale.reason, tale.hint, tale.wait = f.pause.Reason, f.pause.Hint, f.pause.Until.Sub(s.now())
	case transient, unknown, waiting:
		tale.wait = f.Due.Sub(s.now())
	}
	if tale.class != r.class || len(f.attempts) != 1 {
		t.Fatalf("class %q, want %q: %v", tale.class, r.class, f)
	}
	counts := map[class]bool{transient: true, unknown: true, final: true, fine: true}[r.class]
	if wait := cmp.Or(r.wait, map[class]time.Duration{transient: time.Minute, unknown: time.Minute, pausing: time.Minute}[r.class]); tale.wait != wait || last.Counted != counts {
		t.Errorf("due in %v, want %v; counted: %v", tale.wait, wait, last.Counted)
	}
	for _, words := range r.says {
		if !strings.Contains(tale.reason+"\n"+tale.hint, words) {
			t.Errorf("the operator does not read %q:\n%s\n%s", words, tale.reason, tale.hint)
		}
	}
	if strings.Contains(tale.reason+tale.hint, "secret") {
		t.Errorf("a secret: %s; %s", tale.reason, tale.hint)
	}
	return tale
}

func classOf(f found) class {
	last := f.attempts[len(f.attempts)-1]
	switch {
	case f.pause.Partner != "":
		return pausing
	case f.Hold != "":
		return held
	case f.Verdict.Sent():
		return fine
	case f.Verdict != ledger.VerdictNone:
		return final
	case last.Outcome == ledger.OutcomeWaiting:
		return waiting
	case f.Unknown:
		return unknown
	}
	return transient
}

// ended holds what became of both documents against a row.
func (s *shop) ended(r row, tale told) {
	t := s.t
	t.Helper()
	first, second := s.find("INV-1"), s.find("INV-2")
	verdict, posts := cmp.Or(r.verdict, ledger.VerdictAccepted), 2
	if r.class == final || r.class == fine {
		posts = 1
	}
	counted := posts
	if r.class == pausing {
		counted--
	}
	if r.ends == held {
		verdict = ledger.VerdictNone
	}
	if first.Verdict != verdict || first.Posts != posts || len(first.attempts) != posts || first.Attempts != counted || first.Hold != "" != (r.ends == held) {
		t.Errorf("in the end: %v", first)
	}
	if !second.Verdict.Sent() || second.Posts != 1 || second.Attempts != 1 {
		t.Errorf("the other document: %v", second)
	}
	if first.pause.Partner != "" {
		t.Errorf("he is still paused: %+v", first.pause)
	}
	s.checkFolders(first, tale)
	s.checkVisits(r, first.MessageID, posts)
	if r.event != "" && !slices.ContainsFunc(first.events, func(e ledger.Event) bool { return e.Code == r.event }) {
		t.Errorf("no event %s: %+v", r.event, first.events)
	}
}

// checkFolders looks for the first document where its verdict puts it, and nowhere else.
func (s *shop) checkFolders(f found, tale told) {
	t := s.t
	t.Helper()
	place := ".work/*/INV-1.xml"
	switch {
	case f.Verdict.Sent():
		place = "sent/*/INV-1.*/INV-1.xml"
	case f.Verdict != ledger.VerdictNone:
		place = "failed/INV-1.*/INV-1.xml"
		s.checkWhy(f, tale)
	}
	everywhere := slices.Concat(s.in("outbox/INV-1.xml"), s.in(".work/*/INV-1.xml"), s.in("sent/*/*/INV-1.xml"), s.in("failed/*/INV-1.xml"))
	if len(s.in(place)) != 1 || len(everywhere) != 1 {
		t.Errorf("in %v, want %s", everywhere, place)
	}
}

// checkWhy reads WHY.txt as an operator does.
func (s *shop) checkWhy(f found, tale told) {
	t := s.t
	t.Helper()
	why, err := os.ReadFile(filepath.Join(s.dir, "data", "partners", "acme", f.FilePath, "WHY.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"Fact:    " + tale.reason, "  - " + tale.hint, f.MessageID, "as2drop retry " + f.ID} {
		if !bytes.Contains(why, []byte(words)) {
			t.Errorf("WHY.txt does not say %q:\n%s", words, why)
		}
	}
	if bytes.Contains(why, []byte("posted again")) {
		t.Errorf("WHY.txt says that it is posted again, and nobody does:\n%s", why)
	}
	if careful := f.Verdict == ledger.VerdictGaveUp && f.Unknown; careful != bytes.Contains(why, []byte("may have received it")) {
		t.Errorf("WHY.txt must say that the partner may have it: %v\n%s", careful, why)
	}
}

// checkVisits asks the partner: how many POSTs of the document he saw, each of them the
// same bytes under the same header, and what he has.
func (s *shop) checkVisits(r row, messageID string, posts int) {
	t := s.t
	t.Helper()
	for _, st := range r.steps {
		if st.url != "" || testpartner.MeddlesWithConnections(st.Behaviour) {
			posts--
		}
	}
	var seen []testpartner.Visit
	for _, v := range s.partner.Posts() {
		if v.MessageID == messageID {
			seen = append(seen, v)
		}
	}
	if len(seen) != posts || len(s.partner.Visits()) != s.visits {
		t.Errorf("the partner saw %d posts, want %d: %+v", len(seen), posts, s.partner.Visits())
	}
	for _, v := range seen {
		if v.Header != seen[0].Header || v.Whole && seen[len(seen)-1].Whole && v.Body != seen[len(seen)-1].Body {
			t.Errorf("not the same message: %+v", seen)
		}
	}
	if c := s.partner.Complaints(); len(c) > 0 {
		t.Errorf("the partner complains: %q", c)
	}
	for content, n := range s.partner.Delivered() {
		if n != 1 {
			t.Errorf("%s was delivered %d times", content, n)
		}
	}
}
