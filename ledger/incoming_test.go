package ledger

import (
	"errors"
	"strings"
	"testing"
)

func TestMessageAndNamesAreUnique(t *testing.T) {
	l := open1(t)
	message := func(id, mid, name string) *Received {
		return &Received{ID: id, Partner: "acme", From: "A", To: "B", MessageID: mid, State: ReceivedReceived, At: moment, Files: []ReceivedFile{{Final: name}}}
	}
	insert := func(r *Received) error {
		return l.Update(bg, func(tx *Tx) error { return tx.InsertReceived(r, fold) })
	}
	first := message("r1", "m1", "INV-1.xml")
	if err := insert(first); err != nil {
		t.Fatal(err)
	}
	if err := insert(message("r2", "m1", "INV-2.xml")); !errors.Is(err, ErrExists) {
		t.Errorf("the same message: %v", err)
	}
	if err := insert(message("r3", "m3", "inv-1.XML")); !errors.Is(err, ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	update(t, l, func(tx *Tx) error {
		if _, err := tx.ReceivedByMessage("A", "B", "m3"); !errors.Is(err, ErrNotFound) {
			t.Errorf("half an insert is left: %v", err)
		}
		return nil
	})
	first.State = ReceivedPublished
	update(t, l, func(tx *Tx) error { return tx.SaveReceived(first, fold) })
	if err := insert(message("r3", "m3", "INV-1.xml")); err != nil {
		t.Errorf("the name of a published file: %v", err)
	}
}

func TestFindReceived(t *testing.T) {
	l := open1(t)
	a := &Received{ID: "r1", Partner: "acme", From: "A", To: "B", MessageID: "1@them", Key: "INV-1", State: ReceivedPublished}
	b := &Received{ID: "r2", Partner: "acme", From: "A", To: "B", MessageID: "2@them", Key: "INV-1", State: ReceivedPublished}
	update(t, l, func(tx *Tx) error { return errors.Join(tx.InsertReceived(b, fold), tx.InsertReceived(a, fold)) })
	for what, want := range map[string]string{"r2": "r2", "<1@them>": "r1", "2@them": "r2", "INV-1": "r1 r2", "INV": "", "": ""} {
		err := l.View(bg, func(tx *Tx) error {
			rs, err := tx.FindReceived(what, 9)
			var ids []string
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			if strings.Join(ids, " ") != want {
				t.Errorf("%q: %v, want %s", what, ids, want)
			}
			if one, err := tx.FindReceived(what, 1); err != nil || len(one) != min(len(rs), 1) || len(one) > 0 && one[0].ID != rs[len(rs)-1].ID {
				t.Errorf("%q: the newest: %v %v", what, one, err)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A receipt is due only once its message is in the inbox.
func TestOwedReceipts(t *testing.T) {
	l := open1(t)
	fold := func(s string) string { return s }
	row := &Received{ID: "r1", Partner: "acme", MessageID: "1", State: ReceivedReceived, At: moment}
	update(t, l, func(tx *Tx) error { return tx.InsertReceived(row, fold) })
	update(t, l, func(tx *Tx) error {
		late, soon := OwedMDN{Received: "r1", Partner: "acme", Open: true, Due: moment}, OwedMDN{Received: "r2", Partner: "acme", Open: true, Due: moment.Add(1)}
		err := errors.Join(tx.OweMDN(&late), tx.OweMDN(&soon))
		if err := tx.OweMDN(&OwedMDN{Received: "r1"}); !errors.Is(err, ErrExists) {
			t.Errorf("owed twice: %v", err)
		}
		if ms, err := tx.NextMDNs("acme", 5); len(ms) != 1 || ms[0].Received != "r2" || err != nil {
			t.Error(ms, err)
		}
		row.State = ReceivedPublished
		err = errors.Join(err, tx.SaveReceived(row, fold))
		if ms, err := tx.NextMDNs("acme", 5); len(ms) != 2 || ms[0].Received != "r1" || err != nil {
			t.Error(ms, err)
		}
		stale := late
		late.Attempts, late.Open = 1, false
		err = errors.Join(err, tx.SaveOwedMDN(&late))
		if err := tx.SaveOwedMDN(&stale); !errors.Is(err, ErrLost) || stale.Version != 1 {
			t.Error(err, stale.Version)
		}
		if m, err := tx.OwedMDN("r1"); m.Attempts != 1 || err != nil {
			t.Error(m, err)
		}
		if ms, err := tx.OpenMDNs("acme"); len(ms) != 1 || err != nil {
			t.Error(ms, err)
		}
		return err
	})
}

// Stored messages of one Message-ID never stand in each other's way.
func TestStoredMessages(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		a := Stored{ID: "a", Partner: "acme", MessageID: "1", Open: true, Due: moment.Add(1)}
		b := Stored{ID: "b", Partner: "acme", MessageID: "1", Open: true, Due: moment}
		err := errors.Join(tx.InsertStored(&a), tx.InsertStored(&b))
		if err := tx.InsertStored(&Stored{ID: "a"}); !errors.Is(err, ErrExists) {
			t.Errorf("stored twice: %v", err)
		}
		if ss, err := tx.NextStored("acme", 1); len(ss) != 1 || ss[0].ID != "b" || err != nil {
			t.Error(ss, err)
		}
		stale := b
		b.Hold = "because"
		err = errors.Join(err, tx.SaveStored(&b))
		if err := tx.SaveStored(&stale); !errors.Is(err, ErrLost) || stale.Version != 1 {
			t.Error(err, stale.Version)
		}
		if ss, err := tx.NextStored("acme", 5); len(ss) != 1 || ss[0].ID != "a" || err != nil {
			t.Error(ss, err)
		}
		if ss, err := tx.OpenStored("acme"); len(ss) != 2 || ss[1].Hold != "because" || err != nil {
			t.Error(ss, err)
		}
		a.Open = false
		err = errors.Join(err, tx.SaveStored(&a))
		if s, err := tx.Stored("a"); s.Open || s.Version != 2 || err != nil {
			t.Error(s, err)
		}
		if _, err := tx.Stored("c"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		return err
	})
}
