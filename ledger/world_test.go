package ledger

import (
	"errors"
	"testing"
)

func TestWorldRows(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		id, err := tx.AgentID("fresh")
		again, err2 := tx.AgentID("other")
		if id != "fresh" || again != "fresh" {
			t.Errorf("agent id %q, then %q", id, again)
		}
		g, err3 := tx.Generation()
		err4 := tx.SetGeneration(g + 7)
		g, err5 := tx.Generation()
		if g != 7 {
			t.Errorf("generation %d", g)
		}
		w := Wish{ID: "w1", Kind: WishRetry, Transfer: "t1", At: moment}
		err6 := errors.Join(tx.AddWish(w), tx.FinishWish(w, moment, "done"))
		if err := tx.FinishWish(w, moment, "again"); !errors.Is(err, ErrLost) {
			t.Errorf("finished twice: %v", err)
		}
		if ws, err := tx.OpenWishes(); len(ws) != 0 || err != nil {
			t.Error(ws, err)
		}
		err7 := errors.Join(tx.SavePause(Pause{Partner: "acme", Reason: "a"}), tx.SavePause(Pause{Partner: "acme", Reason: "b"}))
		if p, err := tx.Pause("acme"); p.Reason != "b" || err != nil {
			t.Error(p, err)
		}
		err8 := tx.EndPause("acme")
		if _, err := tx.Pause("acme"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		err9 := errors.Join(tx.AddEvent(Event{Partner: "acme", Subject: "t1", Code: "a"}), tx.AddEvent(Event{Partner: "acme", Subject: "t1", Code: "b"}))
		if es, err := tx.EventsOf("t1"); len(es) != 2 || es[1].Code != "b" || es[1].ID != 2 || err != nil {
			t.Error(es, err)
		}
		if es, err := tx.RecentEvents("acme", 1); len(es) != 1 || es[0].Code != "b" || err != nil {
			t.Error(es, err)
		}
		err10 := tx.AddEvent(Event{Code: "c"})
		if es, err := tx.NewestEvents(2); len(es) != 2 || es[0].Code != "c" || es[1].Code != "b" || es[1].ID != 2 || err != nil {
			t.Error(es, err)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9, err10)
	})
}
