package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// idAt is an identifier of a moment; equal n are equal.
func idAt(at time.Time, n int) string { return firstID(at) + fmt.Sprintf("%08d", n) }

var searchStart = time.Date(2026, 11, 20, 10, 7, 0, 0, time.UTC)

// Whatever becomes of transfers and messages, the column says what the row says, and the
// slots add up to what there is.
func TestStandAndSlotsFollowTheRows(t *testing.T) {
	l := open1(t)
	r := rand.New(rand.NewPCG(1, 2))
	states := []State{StateClaiming, StateClaimed, StateSealed, StateSending, StateWaiting, StateSettled, StateFiled, StateFiled, StateFiled, StateReopening, StateUndone}
	verdicts := []Verdict{VerdictNone, VerdictAccepted, VerdictUnverified, VerdictNoReceipt, VerdictReceiptLost, VerdictRejected, VerdictRefused, VerdictGaveUp}
	change := func(tr *Transfer) {
		tr.State, tr.Verdict = states[r.IntN(len(states))], verdicts[r.IntN(len(verdicts))]
		tr.Filed, tr.Hold, tr.Behind = time.Time{}, "", r.IntN(4) == 0
		if tr.State == StateFiled {
			tr.Filed = searchStart.Add(time.Duration(r.IntN(100)) * time.Minute)
		}
		if r.IntN(4) == 0 {
			tr.Hold = "why"
		}
	}
	for n := range 40 {
		update(t, l, func(tx *Tx) error {
			at := searchStart.Add(time.Duration(n) * time.Minute)
			tr := Transfer{ID: idAt(at, n), Partner: []string{"acme", "beta"}[n%2], Key: "k", Document: "d.xml", Created: at, MessageID: fmt.Sprint(n), Members: []Member{{Name: "d.xml", Role: RoleDocument, Size: int64(n)}, {Name: "d.ready", Role: RoleMarker, Size: 1000}}}
			change(&tr)
			if err := tx.InsertTransfer(&tr); err != nil {
				return err
			}
			for range 5 {
				change(&tr)
				if err := tx.SaveTransfer(&tr); err != nil {
					return err
				}
			}
			m := Received{ID: tr.ID, Partner: tr.Partner, From: "a", To: "b", MessageID: fmt.Sprint(n), At: at, Files: []ReceivedFile{{Final: fmt.Sprintf("f%d.xml", n), Size: 7}}}
			return errors.Join(tx.InsertReceived(&m, strings.ToLower), tx.AddRefusal(Refusal{ID: tr.ID, Partner: []string{"acme", ""}[n%2], At: at}))
		})
	}
	type count struct{ n, bytes int64 }
	want := map[string]count{}
	add := func(partner string, at time.Time, what string, bytes int64) {
		for _, p := range []string{partner, ""} {
			k := fmt.Sprint(p, " ", at.UTC().Truncate(SlotLength), " ", what)
			want[k] = count{want[k].n + 1, want[k].bytes + bytes}
			if partner == "" {
				break
			}
		}
	}
	update(t, l, func(tx *Tx) error {
		for n := range 40 {
			at := searchStart.Add(time.Duration(n) * time.Minute)
			id := idAt(at, n)
			tr, err := tx.Transfer(id)
			if err != nil {
				return err
			}
			stand, _, err := tx.text(`SELECT stand FROM transfers WHERE id=?`, id)
			if err != nil || Stand(stand) != tr.Stand() {
				t.Errorf("%s %q hold %q: column %q, row %q, %v", tr.State, tr.Verdict, tr.Hold, stand, tr.Stand(), err)
			}
			if tr.State == StateFiled {
				add(tr.Partner, tr.Filed, stand, tr.Size())
			}
			add(tr.Partner, at, SlotReceived, 7)
			add([]string{"acme", ""}[n%2], at, SlotRefused, 0)
		}
		return nil
	})
	got := map[string]count{}
	update(t, l, func(tx *Tx) error {
		for _, p := range []string{"", "acme", "beta"} {
			slots, err := tx.Slots(p, searchStart.AddDate(0, 0, -1), searchStart.AddDate(0, 0, 1))
			if err != nil {
				return err
			}
			for _, s := range slots {
				got[fmt.Sprint(p, " ", s.At, " ", s.What)] = count{s.Count, s.Bytes}
			}
		}
		return nil
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("slots\n%v\nwant\n%v", got, want)
	}
}

// A name is found by its words, and rows from before the table of words by the same.
func TestWordsOfNames(t *testing.T) {
	for name, want := range map[string]string{
		"INV-1001.xml": "inv-1001.xml 1001.xml", "INV-1001_scan 2.PDF": "inv-1001_scan 2.pdf|1001_scan 2.pdf|scan 2.pdf|2.pdf",
		"README": "readme", ".hidden": "hidden", "a..b": "a..b", "ÄRGER.txt": "ärger.txt", strings.Repeat("ä", 70): strings.Repeat("ä", 64),
	} {
		if got := words(name); strings.Join(got, "|") != strings.ReplaceAll(want, " 1001.xml", "|1001.xml") {
			t.Errorf("%q: %q", name, got)
		}
	}
	l := open1(t)
	at := searchStart
	update(t, l, func(tx *Tx) error {
		tr := Transfer{ID: idAt(at, 1), Partner: "acme", Key: "INV-1", State: StateClaiming, Document: "INV-1_x y.z.xml", Created: at, MessageID: "1", Members: []Member{{Name: "INV-1_x y.z.xml", Role: RoleDocument}, {Name: "INV-1_Scan.PDF", Role: RoleAttachment}, {Name: "INV-1.ready", Role: RoleMarker}}}
		m := Received{ID: idAt(at, 2), Partner: "acme", From: "a", To: "b", MessageID: "1", At: at, Files: []ReceivedFile{{Final: "ORD 1 (2).edi", Entry: "ORD 1.edi"}}}
		return errors.Join(tx.InsertTransfer(&tr), tx.InsertReceived(&m, strings.ToLower))
	})
	all := func() string {
		list, err := texts(t.Context(), l.write, `SELECT what || ' ' || word || ' ' || id || ' ' || partner FROM words ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(list, "\n")
	}
	want := all()
	if _, err := l.write.Exec("DELETE FROM words"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.write.Exec(fillWords); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(all()) { // SQL knows no extension: it has more words
		if w := strings.Fields(line); w[1] != "xml" && w[1] != "pdf" && w[1] != "edi" {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	if strings.Join(got, "\n") != want {
		t.Errorf("filled:\n%s\nwant:\n%s", strings.Join(got, "\n"), want)
	}
}

// searchable is a ledger with transfers INV-0 to INV-n, every tenth of beta, every seventh
// failed.
func searchable(t testing.TB, n int) *Ledger {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	err = l.Update(t.Context(), func(tx *Tx) error {
		for i := range n {
			at := searchStart.Add(time.Duration(i) * time.Second)
			tr := Transfer{ID: idAt(at, i), Partner: "acme", Key: fmt.Sprintf("INV-%d", i), State: StateFiled, Verdict: VerdictAccepted, Filed: at, Document: fmt.Sprintf("INV-%d.xml", i), Created: at, MessageID: fmt.Sprintf("<%d@us>", i)}
			if i%10 == 0 {
				tr.Partner = "beta"
			}
			if i%7 == 0 {
				tr.Verdict = VerdictGaveUp
			}
			if i == 1 {
				tr.State, tr.Verdict, tr.Filed = StateUndone, VerdictNone, time.Time{}
			}
			if err := tx.InsertTransfer(&tr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Every search finds what it should, page by page, each once and the newest first; a word
// that many have as one that few have.
func TestSearchByPages(t *testing.T) {
	const n = 4000
	l := searchable(t, n)
	for name, c := range map[string]struct {
		w    Wanted
		want func(i int) bool
	}{
		"all":                        {Wanted{}, func(int) bool { return true }},
		"of a partner":               {Wanted{Partner: "beta"}, func(i int) bool { return i%10 == 0 }},
		"failed":                     {Wanted{Stand: StandFailed}, func(i int) bool { return i%7 == 0 }},
		"failed, of a partner":       {Wanted{Stand: StandFailed, Partner: "beta"}, func(i int) bool { return i%70 == 0 }},
		"of a time":                  {Wanted{From: searchStart.Add(100 * time.Second), To: searchStart.Add(200 * time.Second)}, func(i int) bool { return i >= 100 && i < 200 }},
		"a word of few":              {Wanted{Word: "inv-39"}, func(i int) bool { return strings.HasPrefix(fmt.Sprint(i), "39") }},
		"a word in the middle":       {Wanted{Word: "399", Stand: StandFailed}, func(i int) bool { return strings.HasPrefix(fmt.Sprint(i), "399") && i%7 == 0 }},
		"a word of many":             {Wanted{Word: "INV"}, func(int) bool { return true }},
		"a word of many, in a while": {Wanted{Word: "inv", Partner: "beta", Stand: StandFailed, From: searchStart.Add(time.Second)}, func(i int) bool { return i%70 == 0 && i > 0 }},
		"a word of many, far back":   {Wanted{Word: "inv", Stand: StandUndone}, func(i int) bool { return i == 1 }},
		"a word of nobody":           {Wanted{Word: "order"}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want []string
			for i := n - 1; i >= 0; i-- {
				if c.want(i) {
					want = append(want, fmt.Sprintf("INV-%d.xml", i))
				}
			}
			w := c.w
			w.Limit = 37
			for pages := 0; ; pages++ {
				var f Found[Transfer]
				err := l.View(t.Context(), func(tx *Tx) (err error) { f, err = tx.NewestTransfers(w); return err })
				if err != nil || pages > n {
					t.Fatal(err, pages)
				}
				for _, tr := range f.Rows {
					got = append(got, tr.Document)
					w.Before = tr.ID
				}
				if f.Reached != "" {
					w.Before = f.Reached
				} else if len(f.Rows) < w.Limit {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d found, want %d\n%.300v\n%.300v", len(got), len(want), got, want)
			}
		})
	}
}

// The moment that is in an identifier.
func TestPlaceOf(t *testing.T) {
	id, err := NewID(searchStart, strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	if at, err := PlaceOf(id); err != nil || !at.Equal(searchStart) {
		t.Error(at, err)
	}
	for _, bad := range []string{"", "123", "uuuuuuuuuuuuuuuuuu"} {
		if _, err := PlaceOf(bad); err == nil {
			t.Errorf("%q", bad)
		}
	}
}

// A ledger from before the words and slots gets them, and one that was saved has them.
func TestWordsAndSlotsOfOlderLedgers(t *testing.T) {
	l := searchable(t, 50)
	path := filepath.Join(t.TempDir(), "saved.db")
	if _, err := Salvage(t.Context(), l.file, path); err != nil {
		t.Fatal(err)
	}
	saved, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { saved.Close() })
	for _, table := range []string{"slots", "words WHERE word LIKE 'inv%'"} {
		count := func(db *sql.DB) (n int) {
			if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if a, b := count(l.read), count(saved.read); a != b || a == 0 {
			t.Errorf("%s: %d rows, then %d", table, a, b)
		}
	}
	var a, b int64
	for db, sum := range map[*sql.DB]*int64{l.read: &a, saved.read: &b} {
		if err := db.QueryRow("SELECT sum(n) FROM slots").Scan(sum); err != nil {
			t.Fatal(err)
		}
	}
	if a != 98 || b != a {
		t.Errorf("slots count %d, then %d, want 98", a, b)
	}
}

// The words of a million transfers are found once, with the schema that brought them, and
// not whenever somebody opens the ledger.
func TestWordsAreFilledOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	for n := range 2 {
		l, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			update(t, l, func(tx *Tx) error {
				return tx.InsertTransfer(&Transfer{ID: "t1", Partner: "acme", Document: "INV-1.xml"})
			})
			if _, err := l.write.Exec("DELETE FROM words"); err != nil {
				t.Fatal(err)
			}
		}
		var words int
		if err := l.read.QueryRow("SELECT count(*) FROM words").Scan(&words); err != nil || words != 0 {
			t.Errorf("%d words were filled in, %v", words, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
