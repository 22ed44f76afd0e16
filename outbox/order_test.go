package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/crashtest"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

func TestInOrder(t *testing.T) {
	at := func(s int) time.Time { return moment.Add(time.Duration(s) * time.Second) }
	type batchAt struct {
		name string
		s    int
	}
	named := func(name string, s int) batchAt { return batchAt{name, s} }
	for name, c := range map[string]struct {
		all      []batchAt
		settling time.Time
		want     string
	}{
		"by time":                 {[]batchAt{named("A", 3), named("B", 1), named("C", 2)}, time.Time{}, "B C A"},
		"of equals by name":       {[]batchAt{named("INV-10", 1), named("INV-9", 1), named("INV-9a", 1)}, time.Time{}, "INV-9 INV-9a INV-10"},
		"not before what settles": {[]batchAt{named("A", 3), named("B", 1), named("C", 2)}, at(2), "B C"},
		"nothing":                 {nil, at(2), ""},
	} {
		var got []string
		var a aged
		for _, b := range c.all {
			a.batches, a.ages = append(a.batches, naming.Batch{Document: b.name}), append(a.ages, age{written: at(b.s).UnixNano()})
		}
		for _, b := range inOrder(a, c.settling) {
			got = append(got, b.Document)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

func TestNatural(t *testing.T) {
	sorted := []string{"", "9", "10", "010", "INV-1.xml", "INV-2.xml", "INV-2_a.xml", "INV-10.xml", "INV-99999999999999999999998.xml", "INV-99999999999999999999999.xml", "a", "a1", "b"}
	shuffled := slices.Clone(sorted)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, natural)
	if want := slices.Clone(sorted); !slices.Equal(shuffled, want) && !slices.Equal(shuffled, swap(want, 2, 3)) {
		t.Errorf("%q", shuffled)
	}
}

func swap(s []string, i, j int) []string { s[i], s[j] = s[j], s[i]; return s }

// strictly opens a world in which three documents were dropped in an order that is not
// the one of their names.
func strictly(t *testing.T, answers ...answer) (*world, *Outbox, map[string]string) {
	t.Helper()
	w := newWorld(answers...)
	w.set = func(p *Partner) { p.Strict = true }
	for name := range dropped {
		must(w.disk.Outside("acme").Remove(path.Join(outboxDir, name)))
	}
	for _, name := range []string{"B.xml", "A.xml", "C.xml"} {
		w.write(path.Join(outboxDir, name), "<"+name+"/>")
	}
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o := w.outbox(l)
	return w, o, claimedIn(t, o)
}

// claimedIn scans and says what was claimed, by document.
func claimedIn(t *testing.T, o *Outbox) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, id := range scan(t, o).Claimed {
		ids[row(t, o, id).Document] = id
	}
	return ids
}

// all steps every transfer until nothing is to be done for any.
func all(t *testing.T, o *Outbox) {
	t.Helper()
	for again := true; again; {
		again = false
		var due []ledger.Transfer
		must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) (err error) {
			due, err = tx.DueTransfers("acme", o.Now(), 100)
			return err
		}))
		for _, x := range due {
			before := x.Version
			again = carry(t, o, x.ID).Version != before || again
		}
	}
}

// came is what the partner got, in the order in which it came.
func came(t *testing.T, w *world, o *Outbox) (documents []string) {
	t.Helper()
	must(o.Ledger.View(context.Background(), func(tx *ledger.Tx) error {
		for _, id := range w.partner.order {
			tr, err := tx.TransferByMessageID(id)
			if err != nil {
				return err
			}
			documents = append(documents, tr.Document)
		}
		return nil
	}))
	return documents
}

func wantCame(t *testing.T, w *world, o *Outbox, want ...string) {
	t.Helper()
	if got := came(t, w, o); !slices.Equal(got, want) {
		t.Errorf("the partner got %v, want %v", got, want)
	}
}

func TestStrictOrder(t *testing.T) {
	w, o, _ := strictly(t, accept)
	all(t, o)
	wantCame(t, w, o, "B.xml", "A.xml", "C.xml")
	clean(t, o)
}

// The first one is tried again: the others wait, at rest, and are not even sealed.
func TestStrictWaitsForRetries(t *testing.T) {
	w, o, ids := strictly(t, lose, busy, accept)
	all(t, o)
	wantCame(t, w, o, "B.xml")
	next := row(t, o, ids["A.xml"])
	if !next.Behind || next.State != ledger.StateClaimed {
		t.Errorf("A.xml is %s, behind %v", next.State, next.Behind)
	}
	first := row(t, o, ids["B.xml"])
	if text := Behind(&first); !strings.Contains(text, "waits behind B.xml") || !strings.Contains(text, "tried again at") {
		t.Error(text)
	}
	clean(t, o)
	for range 2 {
		w.now = w.now.Add(time.Hour)
		all(t, o)
	}
	wantCame(t, w, o, "B.xml", "A.xml", "C.xml")
	clean(t, o)
}

func TestStrictStopsBehindAHeldOne(t *testing.T) {
	w, o, ids := strictly(t, accept)
	grantWish(t, o, ledger.WishHold, ids["A.xml"])
	all(t, o)
	wantCame(t, w, o, "B.xml")
	head := row(t, o, ids["A.xml"])
	if text := Behind(&head); !strings.Contains(text, "A.xml ("+ids["A.xml"]+"), which is held: ") {
		t.Error(text)
	}
	// One behind it is not let past it.
	grantWish(t, o, ledger.WishRetry, ids["C.xml"])
	all(t, o)
	wantCame(t, w, o, "B.xml")
	grantWish(t, o, ledger.WishRelease, ids["A.xml"])
	all(t, o)
	wantCame(t, w, o, "B.xml", "A.xml", "C.xml")
	clean(t, o)
}

// A failure stops the line too, until an operator has decided.
func TestStrictStopsBehindAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		decide func(t *testing.T, w *world, o *Outbox, failed string)
		want   string
	}{
		"released":  {func(t *testing.T, _ *world, o *Outbox, id string) { grantWish(t, o, ledger.WishRelease, id) }, "B.xml A.xml C.xml"},
		"dismissed": {func(t *testing.T, _ *world, o *Outbox, id string) { grantWish(t, o, ledger.WishDismiss, id) }, "B.xml A.xml C.xml"},
		"retried":   {func(t *testing.T, _ *world, o *Outbox, id string) { grantWish(t, o, ledger.WishRetry, id) }, "B.xml B.xml A.xml C.xml"},
		"dropped again under its key": {func(t *testing.T, w *world, o *Outbox, _ string) {
			w.write(path.Join(outboxDir, "B.xml"), "<Corrected/>")
			if len(claimedIn(t, o)) != 1 {
				t.Error("it was not claimed")
			}
		}, "B.xml B.xml A.xml C.xml"},
		"nothing": {func(*testing.T, *world, *Outbox, string) {}, "B.xml"},
	} {
		t.Run(name, func(t *testing.T) {
			w, o, ids := strictly(t, reject, accept)
			all(t, o)
			wantCame(t, w, o, "B.xml")
			failed := row(t, o, ids["B.xml"])
			if !failed.Blocks || !strings.Contains(failed.Next, "nothing else goes to acme before it") || !strings.Contains(Behind(&failed), "which failed (rejected)") {
				t.Errorf("%v %q", failed.Blocks, failed.Next)
			}
			// Neither a restart nor time lets the others go on.
			must(o.Recover(context.Background()))
			w.now = w.now.Add(24 * time.Hour)
			all(t, o)
			wantCame(t, w, o, "B.xml")
			c.decide(t, w, o, failed.ID)
			all(t, o)
			wantCame(t, w, o, strings.Fields(c.want)...)
			clean(t, o)
		})
	}
}

// What was given up goes again under its Message-ID, and before all others.
func TestStrictAfterGivingUp(t *testing.T) {
	w, o, ids := strictly(t, busy, busy, busy, accept)
	for range 3 {
		all(t, o)
		w.now = w.now.Add(time.Hour)
	}
	if tr := row(t, o, ids["B.xml"]); tr.Verdict != ledger.VerdictGaveUp || !tr.Blocks {
		t.Fatalf("%s, blocks %v", tr.Verdict, tr.Blocks)
	}
	grantWish(t, o, ledger.WishRetry, ids["B.xml"])
	all(t, o)
	wantCame(t, w, o, "B.xml", "A.xml", "C.xml")
	clean(t, o)
}

// A retry whose files cannot be claimed leaves the failed transfer where it was in line.
func TestStrictRetryThatIsUndone(t *testing.T) {
	w, o, ids := strictly(t, reject, accept)
	all(t, o)
	failed := row(t, o, ids["B.xml"])
	grantWish(t, o, ledger.WishRetry, failed.ID)
	w.write(path.Join(failed.FilePath, "B.xml"), "<Changed/> after the retry was asked for")
	all(t, o)
	if tr := row(t, o, failed.ID); !tr.Blocks {
		t.Error("nobody waits behind it any more")
	}
	wantCame(t, w, o, "B.xml")
}

// The config changes while transfers wait: they line up, and break the line up.
func TestOrderIsChanged(t *testing.T) {
	w, o, ids := strictly(t, busy, accept)
	all(t, o)
	w.set = nil
	free := w.outbox(o.Ledger)
	must(free.Recover(context.Background()))
	all(t, free)
	freed := came(t, w, free)
	if slices.Sort(freed); !slices.Equal(freed, []string{"A.xml", "C.xml"}) {
		t.Errorf("the partner got %v", freed)
	}
	freed = came(t, w, free)

	w.write(path.Join(outboxDir, "D.xml"), "<D/>")
	claimedIn(t, free)
	w.set = func(p *Partner) { p.Strict = true }
	strict := w.outbox(o.Ledger)
	must(strict.Recover(context.Background()))
	all(t, strict) // B is not due
	wantCame(t, w, strict, freed...)
	if tr := row(t, strict, ids["B.xml"]); tr.Turn == 0 || tr.Behind {
		t.Errorf("turn %d, behind %v", tr.Turn, tr.Behind)
	}
	w.now = w.now.Add(time.Hour)
	all(t, strict)
	wantCame(t, w, strict, append(freed, "B.xml", "D.xml")...)
}

// An operator puts an earlier transfer back in line while a later one is about to be
// posted: the later one is not.
func TestStrictChecksAgainBeforeTheAttempt(t *testing.T) {
	w, o, ids := strictly(t, reject, accept)
	all(t, o)
	grantWish(t, o, ledger.WishRelease, ids["B.xml"])
	for range 2 { // it comes to be sealed
		if _, err := o.Step(context.Background(), ids["A.xml"]); err != nil {
			t.Fatal(err)
		}
		if row(t, o, ids["A.xml"]).State == ledger.StateSealed {
			break
		}
	}
	tr := row(t, o, ids["A.xml"])
	if tr.State != ledger.StateSealed {
		t.Fatal(tr.State)
	}
	grantWish(t, o, ledger.WishRetry, ids["B.xml"])
	err := o.save(context.Background(), &tr, o.onlyFirst(&tr))
	if !errors.Is(err, ledger.ErrLost) {
		t.Errorf("committed: %v", err)
	}
	all(t, o)
	wantCame(t, w, o, "B.xml", "B.xml", "A.xml", "C.xml")
}

// orderly are the rules at every moment: what the partner has came in order, and no later
// document than the first that is missing.
func orderly(cw crashtest.World) (problems []string) {
	w := cw.(*world)
	s := look(w)
	var documents []string
	for _, id := range w.partner.order {
		for _, tr := range s.transfers {
			if as2.StripID(tr.MessageID) == id {
				documents = append(documents, tr.Document)
			}
		}
	}
	if want := []string{"B.xml", "A.xml"}; len(documents) > 2 || !slices.Equal(documents, want[:len(documents)]) {
		problems = append(problems, fmt.Sprintf("the partner got %v", documents))
	}
	return problems
}

func orderlyToTheEnd(cw crashtest.World) []string {
	w := cw.(*world)
	problems := orderly(cw)
	if len(w.partner.order) != 2 {
		problems = append(problems, fmt.Sprintf("%d messages came", len(w.partner.order)))
	}
	for id, tr := range look(w).transfers {
		if tr.State != ledger.StateFiled && tr.State != ledger.StateUndone {
			problems = append(problems, fmt.Sprintf("%s (%s) is %s, behind %v", tr.Document, id, tr.State, tr.Behind))
		}
	}
	return problems
}

func strictWorld(answers ...answer) *world {
	w := newWorld(answers...)
	w.set = func(p *Partner) { p.Strict = true }
	for name := range dropped {
		must(w.disk.Outside("acme").Remove(path.Join(outboxDir, name)))
	}
	for _, name := range []string{"B.xml", "A.xml"} {
		w.write(path.Join(outboxDir, name), "<"+name+"/>")
	}
	w.disk.SyncAll()
	return w
}

func TestStrictOrderInTheCrashMatrix(t *testing.T) {
	t.Parallel()
	// From the moment on when the first one is settled and the second one woken.
	r := crashtest.Matrix(strictWorld(accept), crashtest.Scenario{Run: run, Standing: orderly, Final: orderlyToTheEnd, After: "mark answer"})
	t.Logf("%d cases of %d", r.Cases, r.Left)
	for _, p := range r.Problems {
		t.Error(p)
	}
}
