package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// filed is a transfer that was filed some days after the moment.
func filed(id string, days int, v Verdict) *Transfer {
	t := transfer(id)
	t.State, t.Verdict, t.Sealed = StateFiled, v, json.RawMessage(`{}`)
	t.Filed = moment.AddDate(0, 0, days)
	return t
}

// removable walks to the end and lists what it met.
func removable(t *testing.T, l *Ledger, what Thing, days, limit int) (ids []string) {
	t.Helper()
	var m Mark
	for {
		var ts []Transfer
		err := l.View(bg, func(tx *Tx) (err error) {
			ts, err = tx.RemovableTransfers("acme", what, moment.AddDate(0, 0, days), &m, limit)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(ts) == 0 {
			slices.Sort(ids)
			return ids
		}
		for _, x := range ts {
			ids = append(ids, x.ID)
		}
	}
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRemovableTransfers(t *testing.T) {
	l := open1(t)
	unsealed := filed("e", 1, VerdictRefused)
	unsealed.Sealed = nil
	other := filed("f", 1, VerdictAccepted)
	other.Partner = "other"
	update(t, l, func(tx *Tx) error {
		var err error
		for _, x := range []*Transfer{filed("a", 1, VerdictAccepted), filed("b", 2, VerdictNoReceipt), filed("c", 3, VerdictAccepted), filed("d", 1, VerdictGaveUp), unsealed, other, transfer("g")} {
			err = errors.Join(err, tx.InsertTransfer(x))
		}
		return err
	})
	for _, limit := range []int{1, 2, 100} {
		expect(t, "sent", removable(t, l, ThingSent, 2, limit), "a", "b")
		expect(t, "failed", removable(t, l, ThingFailed, 2, limit), "d", "e")
		expect(t, "message", removable(t, l, ThingMessage, 9, limit), "a", "b", "c", "d")
		expect(t, "history", removable(t, l, ThingHistory, 0, limit))
		expect(t, "history", removable(t, l, ThingHistory, 1, limit), "a", "d", "e")
	}
	remove := func(id string, removals ...Removal) {
		update(t, l, func(tx *Tx) error {
			x, err := tx.Transfer(id)
			x.Removed = append(x.Removed, removals...)
			return errors.Join(err, tx.SaveTransfer(&x))
		})
	}
	// What is being removed is found by that alone.
	remove("a", Removal{What: ThingSent, Begun: moment})
	expect(t, "message", removable(t, l, ThingMessage, 9, 1), "b", "c", "d")
	var busy []Transfer
	if err := l.View(bg, func(tx *Tx) (err error) { busy, err = tx.TransfersBeingRemoved("acme", 9); return err }); err != nil || len(busy) != 1 || busy[0].ID != "a" {
		t.Errorf("being removed: %v %v", busy, err)
	}
	// The message goes with the evidence.
	remove("b", Removal{What: ThingEvidence, Begun: moment, Done: moment})
	expect(t, "sent", removable(t, l, ThingSent, 9, 1), "b", "c")
	expect(t, "message", removable(t, l, ThingMessage, 9, 1), "c", "d")
	expect(t, "evidence", removable(t, l, ThingEvidence, 9, 1), "c", "d")
}

func TestRemovableMessages(t *testing.T) {
	l := open1(t)
	r := &Received{ID: "r", Partner: "acme", MessageID: "m", State: ReceivedReceived, At: moment}
	refused := Refusal{ID: "x", Partner: "acme", At: moment, Receipt: json.RawMessage(`{}`)}
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.InsertReceived(r, fold), tx.AddRefusal(refused), tx.AddRefusal(Refusal{ID: "y", Partner: "acme", At: moment}), tx.AddRefusal(Refusal{ID: "z", At: moment}))
	})
	list := func(what Thing) (ids []string) {
		update(t, l, func(tx *Tx) error {
			var m, n Mark
			rs, err := tx.RemovableReceived("acme", what, moment, &m, 9)
			xs, err2 := tx.RemovableRefusals("acme", what, moment, &n, 9)
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			for _, x := range xs {
				ids = append(ids, x.ID)
			}
			return errors.Join(err, err2)
		})
		return ids
	}
	expect(t, "not published yet", list(ThingEvidence), "x")
	r.State = ReceivedPublished
	update(t, l, func(tx *Tx) error { return tx.SaveReceived(r, fold) })
	expect(t, "published", list(ThingEvidence), "r", "x")
	r.Removed = []Removal{{What: ThingEvidence, Begun: moment}}
	refused.Removed = r.Removed
	update(t, l, func(tx *Tx) error { return errors.Join(tx.SaveReceived(r, fold), tx.SaveRefusal(refused)) })
	expect(t, "being removed", list(ThingEvidence))
	update(t, l, func(tx *Tx) error {
		rs, err := tx.ReceivedBeingRemoved("acme", 9)
		xs, err2 := tx.RefusalsBeingRemoved("acme", 9)
		if len(rs) != 1 || len(xs) != 1 {
			t.Errorf("being removed: %v %v", rs, xs)
		}
		return errors.Join(err, err2)
	})
}

func TestOldRowsAreDeleted(t *testing.T) {
	l := open1(t)
	day := func(n int) time.Time { return moment.AddDate(0, 0, n) }
	update(t, l, func(tx *Tx) error {
		err := tx.InsertTransfer(transfer("open"))
		for i, subject := range []string{"", "t1", "open", "t1", "t2"} {
			err = errors.Join(err, tx.AddEvent(Event{At: day(i), Partner: "acme", Subject: subject, Text: fmt.Sprint(i)}))
		}
		return errors.Join(err, tx.AddEvent(Event{At: day(0), Partner: "other"}))
	})
	for _, c := range []struct{ days, limit, rows int }{{4, 2, 3}, {4, 100, 0}, {9, 100, 1}} {
		rows, last := 0, int64(0)
		for first := true; first || last != 0; first = false {
			update(t, l, func(tx *Tx) error {
				old, next, err := tx.OldEvents("acme", day(c.days), last, c.limit)
				rows, last = rows+len(old), next
				for _, e := range old {
					err = errors.Join(err, tx.DeleteEvent(e.ID))
				}
				return err
			})
		}
		if rows != c.rows {
			t.Errorf("before day %d: %d events deleted, want %d", c.days, rows, c.rows)
		}
	}
	var left []Event
	if err := l.View(bg, func(tx *Tx) (err error) { left, err = tx.RecentEvents("acme", 9); return err }); err != nil || len(left) != 1 || left[0].Subject != "open" {
		t.Errorf("left: %v %v", left, err)
	}

	id := func(n int) string { return firstID(day(n)) + "00000000" }
	update(t, l, func(tx *Tx) error {
		open, done := Attempt{Transfer: "t1", N: 2}, Attempt{Transfer: "t1", N: 1}
		err := errors.Join(tx.OpenAttempt(done), tx.CloseAttempt(Attempt{Transfer: "t1", N: 1, Outcome: OutcomeUnknown}), tx.OpenAttempt(open))
		for i := range 3 {
			err = errors.Join(err, tx.AddWish(Wish{ID: id(i), Done: day(i)}), tx.InsertStored(&Stored{ID: id(i), Partner: "acme", Open: i == 0}))
		}
		return errors.Join(err, tx.AddWish(Wish{ID: id(-1)}))
	})
	update(t, l, func(tx *Tx) error {
		attempts, err := tx.DeleteAttempts("t1")
		wishes, err2 := tx.DeleteWishes(day(2), 9)
		stored, err3 := tx.DeleteStored("acme", day(2), 9)
		if attempts != 1 || wishes != 2 || stored != 1 {
			t.Errorf("deleted: %d attempts, %d wishes, %d stored messages", attempts, wishes, stored)
		}
		return errors.Join(err, err2, err3)
	})
}

func TestEventIsRecordedAnew(t *testing.T) {
	l := open1(t)
	e := Event{At: moment, Partner: "acme", Text: "one"}
	update(t, l, func(tx *Tx) error { return tx.PutEvent(&e) })
	e.Text = "two"
	update(t, l, func(tx *Tx) error { return tx.PutEvent(&e) })
	err := l.View(bg, func(tx *Tx) error {
		got, err := tx.RecentEvents("acme", 9)
		if len(got) != 1 || got[0] != e {
			t.Errorf("%+v, want %+v", got, e)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLastRetention(t *testing.T) {
	l := open1(t)
	for _, want := range []time.Time{{}, moment, moment.Add(time.Hour)} {
		if !want.IsZero() {
			update(t, l, func(tx *Tx) error { return tx.SetLastRetention(want) })
		}
		err := l.View(bg, func(tx *Tx) error {
			got, err := tx.LastRetention()
			if !got.Equal(want) {
				t.Errorf("%v, want %v", got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestLine(t *testing.T) {
	l := open1(t)
	head := func(want string) {
		t.Helper()
		err := l.View(bg, func(tx *Tx) error {
			got, err := tx.Head("acme")
			if want == "" && errors.Is(err, ErrNotFound) {
				return nil
			}
			if got.ID != want {
				t.Errorf("%q is first, want %q", got.ID, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	change := func(id string, f func(*Transfer)) {
		t.Helper()
		update(t, l, func(tx *Tx) error {
			x, err := tx.Transfer(id)
			f(&x)
			return errors.Join(err, tx.SaveTransfer(&x))
		})
	}
	head("")
	update(t, l, func(tx *Tx) error {
		var err error
		for id, turn := range map[string]int64{"a": 1, "b": 2, "c": 3, "free": 0} {
			x := transfer(id)
			x.Turn, x.Behind = turn, turn > 1
			err = errors.Join(err, tx.InsertTransfer(x))
		}
		return err
	})
	head("a")
	// Those that wait for their turn are not due.
	err := l.View(bg, func(tx *Tx) error {
		due, err := tx.DueTransfers("acme", moment, 9)
		last, err2 := tx.LastTurn("acme")
		if len(due) != 2 || last != 3 {
			t.Errorf("due: %d, last turn %d", len(due), last)
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Error(err)
	}
	change("a", func(x *Transfer) { x.State, x.Verdict, x.Blocks = StateFiled, VerdictRejected, true })
	head("a")
	err = l.View(bg, func(tx *Tx) error {
		failed, err := tx.FailedInLine("acme", "INV-1")
		if failed.ID != "a" {
			t.Errorf("failed: %q", failed.ID)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	change("a", func(x *Transfer) { x.Blocks = false })
	head("b")
	change("b", func(x *Transfer) { x.State = StateUndone })
	head("c")
	change("c", func(x *Transfer) { x.State, x.Verdict = StateSettled, VerdictAccepted })
	head("")
}

func TestWithDocument(t *testing.T) {
	l := open1(t)
	insert := func(id string, created time.Time, change func(*Transfer)) {
		x := transfer(id)
		x.Created, x.Members[0].SHA256 = created, "d1"
		change(x)
		update(t, l, func(tx *Tx) error { return tx.InsertTransfer(x) })
	}
	insert("b", moment.Add(time.Hour), func(*Transfer) {})
	insert("a", moment, func(x *Transfer) { x.State, x.Verdict = StateFiled, VerdictAccepted })
	insert("old", moment.Add(-time.Hour), func(*Transfer) {})
	insert("failed", moment, func(x *Transfer) { x.State, x.Verdict = StateFiled, VerdictRejected })
	insert("undone", moment, func(x *Transfer) { x.State = StateUndone })
	insert("unknown", moment, func(x *Transfer) { x.Members[0].SHA256 = "" })
	insert("different", moment, func(x *Transfer) { x.Members[0].SHA256 = "d2" })
	insert("other", moment, func(x *Transfer) { x.Partner = "other" })
	for digest, want := range map[string][]string{"d1": {"a", "b"}, "d2": {"different"}, "": nil} {
		var ids []string
		err := l.View(bg, func(tx *Tx) error {
			ts, err := tx.WithDocument("acme", digest, moment, 9)
			for _, x := range ts {
				ids = append(ids, x.ID)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		expect(t, digest, ids, want...)
	}
}

// A row whose body says another moment than its column is met once, and the walk ends.
func TestMarkGoesByTheColumns(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.InsertTransfer(filed("a", 1, VerdictAccepted)), tx.InsertTransfer(filed("b", 1, VerdictAccepted)))
	})
	for _, off := range []string{"+1", "-1"} {
		if _, err := l.write.Exec(`UPDATE transfers SET filed=filed` + off); err != nil {
			t.Fatal(err)
		}
		expect(t, off, removable(t, l, ThingSent, 2, 1), "a", "b")
		if _, err := l.write.Exec(`UPDATE transfers SET filed=filed` + off); err != nil {
			t.Fatal(err)
		}
	}
}

// What an earlier version filed can be removed and compared like everything else.
func TestEarlierRowsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"0001", "0002", "0003"} {
		text, err := schema.ReadFile("schema/" + n + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	body := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	sent, failed := filed("s", 1, VerdictAccepted), filed("f", 1, VerdictRejected)
	sent.Members[0].SHA256 = "d1"
	for _, x := range []*Transfer{sent, failed, transfer("g")} {
		x.Version = 1
		if _, err := db.Exec(`INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, body) VALUES (?,'acme','k',?,?,0,0,?,1,?,?)`, x.ID, x.State, x.State.Open(), nanos(x.Created), x.ID, body(x)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.Exec(`INSERT INTO received (id, partner, as2_from, as2_to, message_id, state, open, at, version, body) VALUES ('r','acme','','','','published',0,1,1,?)`, body(Received{ID: "r", State: ReceivedPublished, At: moment}))
	_, err2 := db.Exec(`INSERT INTO refusals (id, partner, at, body) VALUES ('x','acme',1,?)`, body(Refusal{ID: "x"}))
	_, err3 := db.Exec("PRAGMA user_version = 3")
	if err := errors.Join(err, err2, err3, db.Close()); err != nil {
		t.Fatal(err)
	}
	l, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expect(t, "sent", removable(t, l, ThingSent, 1, 9), "s")
	expect(t, "failed", removable(t, l, ThingFailed, 1, 9), "f")
	expect(t, "not yet", removable(t, l, ThingSent, 0, 9))
	expect(t, "evidence", removable(t, l, ThingEvidence, 1, 9), "f", "s")
	err = l.View(bg, func(tx *Tx) error {
		var m, n Mark
		same, err := tx.WithDocument("acme", "d1", moment, 9)
		received, err2 := tx.RemovableReceived("acme", ThingMessage, moment, &m, 9)
		refused, err3 := tx.RemovableRefusals("acme", ThingMessage, moment, &n, 9)
		if len(same) != 1 || len(received) != 1 || len(refused) != 0 {
			t.Errorf("%v %v %v", same, received, refused)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTally(t *testing.T) {
	l := open1(t)
	tally := Tally{Partner: "acme", What: ThingSent, Rule: "sent: 90d"}
	if !tally.Empty() {
		t.Error("there is something to tell")
	}
	update(t, l, func(tx *Tx) error { return tally.Record(tx, moment) })
	for i := range 8 {
		tally.Add(Candidate{Since: moment.AddDate(0, 0, -i), Count: 1, Bytes: 10})
		tally.Add(Candidate{Path: fmt.Sprint("sent/", i), Left: "why"})
		update(t, l, func(tx *Tx) error { return tally.Record(tx, moment) })
	}
	var events []Event
	if err := l.View(bg, func(tx *Tx) (err error) { events, err = tx.RecentEvents("acme", 9); return err }); err != nil || len(events) != 2 {
		t.Fatalf("%v %v", events, err)
	}
	if want := "retention removed 8 folders from sent, 80 bytes, by the rule sent: 90d, the oldest of 2026-11-16"; events[1].Text != want || events[1].Level != Info {
		t.Errorf("%s %q, want %q", events[1].Level, events[1].Text, want)
	}
	if want := "retention left 8 folders from sent alone that are old enough (sent: 90d): sent/0: why; sent/1: why; sent/2: why; sent/3: why; sent/4: why"; events[0].Text != want || events[0].Level != Alarm {
		t.Errorf("%s %q, want %q", events[0].Level, events[0].Text, want)
	}
}
