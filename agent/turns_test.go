package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// served ends one turn after the other as they come, and tells whose they were.
func served(asked map[string][]*turn, n int) (order []string) {
	for len(order) < n {
		for partner, all := range asked {
			if len(all) == 0 {
				continue
			}
			select {
			case <-all[0].come:
				order = append(order, partner)
				asked[partner] = all[1:]
				all[0].end()
			default:
			}
		}
	}
	return order
}

// A partner with 100,000 documents delays another one's single document by one turn of
// each partner that waits, not by what it has to do.
func TestTurnsGoRound(t *testing.T) {
	ts := newTurns(1, time.Hour)
	running := ts.ask("big")
	asked := map[string][]*turn{}
	for range 100_000 {
		asked["big"] = append(asked["big"], ts.ask("big"))
	}
	asked["small"] = append(asked["small"], ts.ask("small"))
	for i := range 3 {
		p := fmt.Sprint("other", i)
		asked[p] = append(asked[p], ts.ask(p))
	}
	running.end()
	got := strings.Join(served(asked, 8), " ")
	if !strings.HasPrefix(got, "big small other0 other1 other2 big big") {
		t.Errorf("the turns went to %s", got)
	}
}

// A partner's own come in the order in which they were asked for.
func TestTurnsOfOnePartnerKeepTheirOrder(t *testing.T) {
	ts := newTurns(2, time.Hour)
	var all []*turn
	for range 10 {
		all = append(all, ts.ask("a"))
	}
	for i, turn := range all {
		for j, other := range all {
			select {
			case <-other.come:
				if j > i+1 {
					t.Fatalf("turn %d came before turn %d was over", j, i)
				}
			default:
				if j <= i+1 {
					t.Fatalf("turn %d has not come", j)
				}
			}
		}
		turn.end()
		turn.end() // counts once
	}
}

// Who gives up waiting takes nobody's turn, and gives back one that has just come.
func TestTurnsOfThoseWhoStop(t *testing.T) {
	ts := newTurns(1, time.Hour)
	running := ts.ask("a")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := ts.take(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gone, last := ts.ask("b"), ts.ask("c")
	running.end() // to b
	ts.forget(gone)
	select {
	case <-last.come:
	default:
		t.Error("the turn of one who stopped is lost")
	}
	last.end()
	if ts.free != 1 || len(ts.order) > 0 || len(ts.waiting) > 0 {
		t.Errorf("%d free, %v and %v wait", ts.free, ts.order, ts.waiting)
	}
}

// A turn that hangs is lent to the others after a while, and comes back only once.
func TestTurnThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := newTurns(1, time.Second)
		hangs, err := ts.take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		done, err := ts.take(t.Context(), "b")
		if err != nil || time.Since(began) != time.Second {
			t.Errorf("it came after %v: %v", time.Since(began), err)
		}
		hangs()
		if ts.free != 0 {
			t.Error("one turn was given back twice")
		}
		done()
		if ts.free != 1 {
			t.Errorf("%d are free", ts.free)
		}
	})
}
