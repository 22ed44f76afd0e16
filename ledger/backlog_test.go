package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/as2drop/as2drop/naming"
)

// rowsFor makes transfers t0, t1, ... of the partner acme, each changed by a function.
func rowsFor(t *testing.T, l *Ledger, changes ...func(*Transfer)) {
	t.Helper()
	update(t, l, func(tx *Tx) error {
		for i, change := range changes {
			row := transfer(fmt.Sprint("t", i))
			change(row)
			if err := tx.InsertTransfer(row); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestClaimsAreFoundByKey(t *testing.T) {
	l := open1(t)
	rowsFor(t, l,
		func(t *Transfer) { t.Key, t.Created = "INV-1", moment },
		func(t *Transfer) { t.Key, t.State = "INV-2", StateUndone },
		func(t *Transfer) { t.Key, t.State, t.Created = "INV-3", StateFiled, moment.Add(-2*time.Hour) },
		func(t *Transfer) { t.Key, t.Created = "INV-4", moment.Add(-2*time.Hour) },
		func(t *Transfer) { t.Key, t.Partner = "INV-1", "other" },
		func(t *Transfer) { t.Key, t.State = "u\u0308BER", StateFiled },
		func(t *Transfer) { t.Key = "INV-9" },
	)
	keys := []string{"INV-1", "INV-2", "INV-3", "INV-4", "Über", "nobody"}
	for i, k := range keys {
		keys[i] = naming.ClaimKey(k)
	}
	for i := range 2 * claimsAtOnce { // more than one query takes
		keys = append(keys, fmt.Sprint("x-", i))
	}
	before := l.RowsRead()
	var got []string
	err := l.View(bg, func(tx *Tx) error {
		claims, err := tx.Claims("acme", slices.Values(keys), moment.Add(-time.Hour))
		for _, c := range claims {
			got = append(got, fmt.Sprint(c.Transfer, " ", c.Open))
		}
		none, err2 := tx.Claims("acme", slices.Values([]string(nil)), time.Time{})
		if len(none) > 0 {
			t.Errorf("nobody asked for %v", none)
		}
		return errors.Join(err, err2)
	})
	slices.Sort(got)
	if want := []string{"t0 true", "t3 true", "t5 false"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q: %v", got, want, err)
	}
	if n := l.RowsRead() - before; n != 3 {
		t.Errorf("%d rows were read for 3 claims", n)
	}
}

// What was written before the schema had the column is found whatever the key.
func TestClaimsOfAnOlderSchema(t *testing.T) {
	l := open1(t)
	rowsFor(t, l,
		func(t *Transfer) { t.Key, t.State = "Äpfel", StateFiled },
		func(t *Transfer) { t.Key, t.State, t.Created = "old", StateFiled, moment.Add(-2*time.Hour) },
		func(t *Transfer) { t.Key, t.Created = "open", moment.Add(-2*time.Hour) },
	)
	if _, err := l.write.Exec(`UPDATE transfers SET fold=''`); err != nil {
		t.Fatal(err)
	}
	err := l.View(bg, func(tx *Tx) error {
		claims, err := tx.Claims("acme", slices.Values([]string{"z"}), moment.Add(-time.Hour))
		if len(claims) != 2 || claims[0].Transfer != "t0" || claims[1].Transfer != "t2" {
			t.Errorf("%+v", claims)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQueueAndAhead(t *testing.T) {
	l := open1(t)
	later := moment.Add(time.Hour)
	rowsFor(t, l,
		func(t *Transfer) { t.Due = moment.Add(2) },
		func(t *Transfer) { t.State, t.Due = StateSealed, later },
		func(t *Transfer) { t.Hold = "because" },
		func(t *Transfer) { t.State = StateFiled },
		func(t *Transfer) { t.Partner = "other" },
		func(t *Transfer) { t.State, t.Due = StateWaiting, moment.Add(1) },
		func(t *Transfer) { t.State, t.Due = StateSettled, moment },
		func(t *Transfer) { t.State, t.Due = StateSealed, moment },
	)
	err := l.View(bg, func(tx *Tx) error {
		for _, c := range []struct {
			sealed bool
			limit  int
			want   string
		}{{true, 9, "t6 t7 t5 t0 t1 "}, {true, 2, "t6 t7 "}, {false, 9, "t6 t5 t0 "}} {
			rows, err := tx.Queue("acme", c.sealed, c.limit)
			got := ""
			for _, r := range rows {
				got += r.ID + " "
			}
			if err != nil || got != c.want {
				t.Errorf("sealed %v, limit %d: %q, want %q: %v", c.sealed, c.limit, got, c.want, err)
			}
		}
		load, err := tx.Ahead("acme", moment.Add(10), 100)
		if want := (Ahead{Due: 2, Unsettled: 3}); load != want {
			t.Errorf("%+v, want %+v", load, want)
		}
		little, err2 := tx.Ahead("acme", moment.Add(10), 1)
		if want := (Ahead{Due: 1, Unsettled: 1}); little != want {
			t.Errorf("%+v, want %+v", little, want)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Those that go in order count while they wait for their turn.
func TestAheadOfALine(t *testing.T) {
	l := open1(t)
	var line []func(*Transfer)
	for i := range 5 {
		line = append(line, func(t *Transfer) { t.Turn, t.Behind = int64(i+1), i > 0 })
	}
	rowsFor(t, l, line...)
	err := l.View(bg, func(tx *Tx) error {
		load, err := tx.Ahead("acme", moment, 100)
		if want := (Ahead{Due: 5, Unsettled: 5}); load != want {
			t.Errorf("%+v, want %+v", load, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatAProcessBeginsWith(t *testing.T) {
	l := open1(t)
	later := moment.Add(time.Hour)
	rowsFor(t, l,
		func(t *Transfer) {},
		func(t *Transfer) { t.Due = later },
		func(t *Transfer) { t.Hold = "because" },
		func(t *Transfer) { t.State = StateSending },
		func(t *Transfer) { t.State, t.Due = StateFiled, later },
		func(t *Transfer) { t.State, t.Due = StateWaiting, later },
		func(t *Transfer) { t.Behind = true },
	)
	err := l.View(bg, func(tx *Tx) error {
		open, err := tx.Open("acme")
		resting, err2 := tx.Resting("acme")
		left, err3 := tx.LeftOver("acme", moment)
		for _, c := range []struct {
			got  []string
			want string
		}{{open, "[t0 t1 t2 t3 t5 t6]"}, {resting, "[t2 t6]"}, {left, "[t1 t3 t5]"}} {
			slices.Sort(c.got)
			if fmt.Sprint(c.got) != c.want {
				t.Errorf("%v, want %v", c.got, c.want)
			}
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What one document costs in the ledger does not depend on how many there are.
func BenchmarkBacklog(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; i < n; i += 1_000 {
			update(b, l, func(tx *Tx) error {
				for j := range 1_000 {
					row := transfer(fmt.Sprintf("t%07d", i+j))
					row.Key = fmt.Sprintf("INV-%07d", i+j)
					if i > 0 {
						row.State = StateFiled
					}
					if err := tx.InsertTransfer(row); err != nil {
						return err
					}
				}
				return nil
			})
		}
		view := func(b *testing.B, f func(*Tx) error) {
			if err := l.View(bg, f); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint("queue/", n), func(b *testing.B) {
			for b.Loop() {
				view(b, func(tx *Tx) error { _, err := tx.Queue("acme", true, 20); return err })
			}
		})
		b.Run(fmt.Sprint("ahead/", n), func(b *testing.B) {
			for b.Loop() {
				view(b, func(tx *Tx) error { _, err := tx.Ahead("acme", moment, 1_000); return err })
			}
		})
		b.Run(fmt.Sprint("claims/", n), func(b *testing.B) {
			keys := make([]string, 0, 20_000)
			for i := range 10_000 {
				keys = append(keys, fmt.Sprintf("inv-%07d", 10*i), fmt.Sprintf("inv-%07d_scan", 10*i))
			}
			for b.Loop() {
				view(b, func(tx *Tx) error {
					_, err := tx.Claims("acme", slices.Values(keys), moment.Add(-time.Hour))
					return err
				})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(keys)), "ns/key")
		})
		l.Close()
	}
}
