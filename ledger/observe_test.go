package ledger

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// observed is a ledger with what its commits were said to have done.
func observed(t *testing.T) (*Ledger, *[]Commit) {
	t.Helper()
	var commits []Commit
	l, err := Open(t.TempDir()+"/ledger.db", Options{Observe: func(c Commit) { commits = append(commits, c) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, &commits
}

// What counts is told once, when it is durable: never what was undone, and never a second
// time.
func TestObserve(t *testing.T) {
	l, commits := observed(t)
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	tr := Transfer{ID: "t1", Partner: "acme", State: StateClaimed, Created: at, Members: []Member{{Name: "a.xml", Role: RoleDocument, Size: 10}, {Name: "a.ready", Role: RoleMarker, Size: 99}}}
	a := Attempt{Transfer: "t1", N: 1, Opened: at}
	owed := OwedMDN{Received: "r1", Partner: "globex", Open: true}
	receipt := Attempt{Transfer: "r1", N: 1, Opened: at}
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.InsertTransfer(&tr), tx.OpenAttempt(a), tx.OweMDN(&owed), tx.OpenAttempt(receipt))
	})
	undone := errors.New("undone")
	if err := l.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.AddEvent(Event{Level: Alarm, Code: "never"}), undone)
	}); !errors.Is(err, undone) {
		t.Fatal(err)
	}
	posted, answered := a, a
	posted.Outcome, posted.Status = OutcomeWaiting, 200
	answered.Outcome = OutcomeAnswered
	receipt.Outcome = OutcomeNotSent
	update(t, l, func(tx *Tx) error { return tx.CloseAttempt(posted) })
	update(t, l, func(tx *Tx) error { return errors.Join(tx.CloseAttempt(answered), tx.CloseAttempt(receipt)) })
	if err := l.Update(t.Context(), func(tx *Tx) error { return tx.CloseAttempt(answered) }); !errors.Is(err, ErrLost) {
		t.Errorf("an attempt was closed that was over: %v", err)
	}
	tr.State, tr.Verdict, tr.Settled = StateSettled, VerdictAccepted, at.Add(time.Minute)
	update(t, l, func(tx *Tx) error {
		tx.Settled(&tr)
		return errors.Join(tx.SaveTransfer(&tr), tx.AddEvent(Event{Partner: "acme", Level: Info, Code: "sent"}))
	})
	r := Received{ID: "r2", Partner: "globex", State: ReceivedPublished, Files: []ReceivedFile{{Size: 3}, {Size: 4}}}
	update(t, l, func(tx *Tx) error {
		return errors.Join(tx.InsertReceived(&r, func(s string) string { return s }), tx.AddRefusal(Refusal{ID: "x", Disposition: "none: HTTP 401"}))
	})
	var got []Deed
	for _, c := range *commits {
		if c.Err != nil || c.Took <= 0 {
			t.Errorf("%+v", c)
		}
		got = append(got, c.Deeds...)
	}
	want := []Deed{
		{Kind: DeedPosted, Partner: "acme", Attempt: posted},
		{Kind: DeedReceipt, Partner: "globex", Attempt: receipt},
		{Kind: DeedSettled, Partner: "acme", Verdict: VerdictAccepted, Bytes: 10, Took: time.Minute},
		{Kind: DeedEvent, Partner: "acme", Level: Info, Code: "sent"},
		{Kind: DeedReceived, Partner: "globex", Bytes: 7},
		{Kind: DeedRefused, Reason: "none: HTTP 401"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("told of\n%+v\nwant\n%+v", got, want)
	}
	if len(*commits) != 5 {
		t.Errorf("%d commits, want 5: one that is undone as a whole is none", len(*commits))
	}
}

// A commit that fails is told of, and nothing of it.
func TestObserveAFailure(t *testing.T) {
	l, commits := observed(t)
	if _, err := l.write.Exec("PRAGMA query_only=1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := l.Update(t.Context(), func(tx *Tx) error {
			tx.Settled(&Transfer{Partner: "acme"})
			_, err := tx.tx.ExecContext(bg, "RELEASE job") // the transaction is in no order any more
			return err
		})
		if err == nil {
			t.Fatal("it was committed")
		}
	}
	for _, c := range *commits {
		if c.Err == nil || len(c.Deeds) > 0 {
			t.Errorf("%+v", c)
		}
	}
	if len(*commits) != 2 {
		t.Errorf("%d commits were told of, want 2", len(*commits))
	}
}
