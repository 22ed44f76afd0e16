//go:build linux

package testpartner_test

import (
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/testpartner"
	"github.com/as2drop/as2drop/ledger"
)

// Faults that do not end. What is about a message is tried exactly as often as the config
// says and given up, with a WHY.txt that says whether the partner may have it. What is
// about the partner gives nothing up: one document asks for all, less and less often, and
// the queue stays.
func TestFaultsThatLast(t *testing.T) {
	template := folderOf(t)
	for _, s := range table(t) {
		for _, r := range s.rows {
			if r.class == fine || r.class == final || r.ends == held {
				continue
			}
			t.Run(r.does, func(t *testing.T) {
				t.Parallel()
				s := openShop(t, template, r, r.steps)
				s.drop("INV-1.xml", document(t, r.big))
				if r.class == pausing {
					s.lastingPause(r)
				} else {
					s.givenUp(r)
				}
				s.check()
			})
		}
	}
}

const attempts = 4 // of shopConfig

func (s *shop) givenUp(r row) {
	t := s.t
	t.Helper()
	began := s.now()
	s.workUntil(func() bool { return false })
	f := s.find("INV-1")
	if f.Verdict != ledger.VerdictGaveUp || f.Posts != attempts || f.Attempts != attempts || len(f.attempts) != attempts || f.pause.Partner != "" {
		t.Errorf("%v", f)
	}
	for _, a := range f.attempts {
		if !a.Counted || a.Closed.IsZero() {
			t.Errorf("attempt %+v", a)
		}
	}
	// 1 + 2 + 4 minutes, or three times what the partner asked for, and the last one ends it.
	want := 7 * time.Minute
	switch {
	case r.class == waiting:
		want += attempts * r.wait
	case r.wait > 0:
		want = max(r.wait, time.Minute) + max(r.wait, 2*time.Minute) + max(r.wait, 4*time.Minute)
	}
	if took := s.now().Sub(began); took != want {
		t.Errorf("given up after %v, want %v", took, want)
	}
	s.checkFolders(f, told{reason: f.Reason, hint: f.Next})
	if r.class != waiting {
		s.checkVisits(r, f.MessageID, visitsIn(r, attempts))
	}
	if careful := r.class == unknown || r.class == waiting; f.Unknown != careful {
		t.Errorf("the partner may have it: %v", f.Unknown)
	}
}

// visitsIn makes checkVisits, which takes one fault off, count all of them.
func visitsIn(r row, posts int) int {
	if r.steps[0].url != "" || testpartner.MeddlesWithConnections(r.steps[0].Behaviour) {
		return 1
	}
	return posts
}

// lastingPause looks at a pause after its sixth try: 1, 2, 4, 8, 16 minutes after the first.
func (s *shop) lastingPause(r row) {
	t := s.t
	t.Helper()
	began := s.now()
	s.workUntil(func() bool { return s.posts == 1 })
	s.drop("INV-2.xml", document(t, false))
	s.workUntil(func() bool { return s.posts == 6 })
	if took := s.now().Sub(began); took != 31*time.Minute {
		t.Errorf("the sixth try came after %v", took)
	}
	first, second := s.find("INV-1"), s.find("INV-2")
	if first.Attempts != 0 || second.Attempts != 0 || first.Posts+second.Posts != 6 || !first.State.Open() || !second.State.Open() || first.Hold+second.Hold != "" {
		t.Errorf("%v\n%v", first, second)
	}
	if left := first.Deadline.Sub(s.now()); left < 24*time.Hour {
		t.Errorf("the time paused was counted: %v are left", left)
	}
	if len(s.in(".work/*/INV-*.xml")) != 2 || len(s.in("failed/*")) != 0 {
		t.Errorf("not in the queue: %v", s.in("*/*"))
	}
	alarms := 0
	err := s.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		all, err := tx.RecentEvents("acme", 100)
		for _, e := range all {
			if e.Code == "partner-paused" && e.Level == ledger.Alarm && strings.Contains(e.Text, r.says[0]) && e.Hint == first.pause.Hint {
				alarms++
			}
		}
		return err
	})
	if err != nil || alarms != 1 {
		t.Errorf("%d alarms, %v", alarms, err)
	}
	s.checkVisits(r, first.MessageID, visitsIn(r, first.Posts))
}
