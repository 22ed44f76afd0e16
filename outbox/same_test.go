package outbox

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/ledger"
)

func TestSameFiles(t *testing.T) {
	batch := func(sums ...string) *ledger.Transfer {
		tr := &ledger.Transfer{}
		for i, s := range sums {
			role := ledger.RoleAttachment
			if i == 0 {
				role = ledger.RoleDocument
			}
			tr.Members = append(tr.Members, ledger.Member{Role: role, SHA256: s})
		}
		tr.Members = append(tr.Members, ledger.Member{Role: ledger.RoleMarker})
		return tr
	}
	for _, c := range []struct {
		a, b *ledger.Transfer
		same bool
	}{
		{batch("d", "1", "2"), batch("d", "2", "1"), true},
		{batch("d"), batch("d"), true},
		{batch("d", "1"), batch("d"), false},
		{batch("d", "1"), batch("d", "2"), false},
		{batch("d", "1"), batch("1", "d"), false},
	} {
		if got := sameFiles(c.a, c.b); got != c.same {
			t.Errorf("%v and %v: %v", c.a.Members, c.b.Members, got)
		}
	}
}

// twice sends INV-1 and drops the same files again under another key.
func twice(t *testing.T, how SameContent, first answer) (*world, *Outbox, ledger.Transfer, ledger.Transfer) {
	t.Helper()
	w := newWorld(first, accept)
	w.set = func(p *Partner) { p.SameContent, p.SameContentFor = how, 30*24*time.Hour }
	l := w.ledger()
	t.Cleanup(func() { l.Close(); w.disk.Release() }) // all was read
	o := w.outbox(l)
	a := carry(t, o, scan(t, o).Claimed[0])
	w.now = w.now.Add(24 * time.Hour)
	drop(w, "INV-2")
	return w, o, a, carry(t, o, scan(t, o).Claimed[0])
}

// drop drops the files of INV-1 under another key.
func drop(w *world, key string) {
	for name, content := range dropped {
		w.write(path.Join(outboxDir, strings.Replace(name, "INV-1", key, 1)), content)
	}
}

func TestSameContentIsHeld(t *testing.T) {
	for _, then := range []ledger.WishKind{ledger.WishRelease, ledger.WishRetry, ledger.WishDismiss} {
		w, o, a, b := twice(t, SameHold, accept)
		if b.Hold == "" || !strings.Contains(b.Hold, "INV-1.xml ("+a.ID+"), which was sent 2026-11-23 ") || w.partner.posts != 1 {
			t.Fatalf("%d posts, held: %q", w.partner.posts, b.Hold)
		}
		if !strings.Contains(b.Next, "as2drop release "+b.ID) || !strings.Contains(b.Next, "as2drop dismiss "+b.ID) {
			t.Error(b.Next)
		}
		if got := codes(t, o, b.ID); !strings.Contains(got, "same-content") {
			t.Error(got)
		}
		clean(t, o)
		grantWish(t, o, then, b.ID)
		b = carry(t, o, b.ID)
		if then == ledger.WishDismiss {
			if b.Verdict != ledger.VerdictRefused || w.partner.posts != 1 || !strings.HasPrefix(b.FilePath, failedDir) {
				t.Errorf("%s: %s in %s, %d posts", then, b.Verdict, b.FilePath, w.partner.posts)
			}
		} else if b.Verdict != ledger.VerdictAccepted || w.partner.posts != 2 {
			t.Errorf("%s: %s, %d posts", then, b.Verdict, w.partner.posts)
		}
		clean(t, o)
	}
}

func TestSameContentIsSentWithAnAlarm(t *testing.T) {
	w, o, a, b := twice(t, SameWarn, accept)
	if b.Verdict != ledger.VerdictAccepted || w.partner.posts != 2 {
		t.Errorf("%s, %d posts", b.Verdict, w.partner.posts)
	}
	if got := codes(t, o, b.ID); !strings.Contains(got, "same-content") {
		t.Error(got)
	}
	if got := codes(t, o, a.ID); strings.Contains(got, "same-content") {
		t.Error(got)
	}
}

func TestSameContentThatMayBeSent(t *testing.T) {
	// Nobody asks.
	if _, o, _, b := twice(t, SameOff, accept); b.Verdict != ledger.VerdictAccepted || strings.Contains(codes(t, o, b.ID), "same-content") {
		t.Error(b.Verdict)
	}
	// The first one failed, so this is how it is mended.
	w, o, a, b := twice(t, SameHold, reject)
	if a.Verdict != ledger.VerdictRejected || b.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, then %s: %s", a.Verdict, b.Verdict, b.Hold)
	}
	// A retry of it is nobody's mistake either.
	grantWish(t, o, ledger.WishRetry, a.ID)
	w.now = w.now.Add(time.Minute)
	again := carry(t, o, row(t, o, a.ID).RetriedAs)
	if again.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, held: %s", again.Verdict, again.Hold)
	}
	// It was long ago.
	w.now = w.now.Add(31 * 24 * time.Hour)
	drop(w, "INV-3")
	if c := carry(t, o, scan(t, o).Claimed[0]); c.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, held: %s", c.Verdict, c.Hold)
	}
	// Another attachment makes another content.
	drop(w, "INV-4")
	w.write(path.Join(outboxDir, "INV-4_more.pdf"), "%PDF")
	if c := carry(t, o, scan(t, o).Claimed[0]); c.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, held: %s", c.Verdict, c.Hold)
	}
	clean(t, o)
}

// Two of the same are dropped at once: one of them is held.
func TestSameContentAtTheSameTime(t *testing.T) {
	w := newWorld(busy)
	w.set = func(p *Partner) { p.SameContent, p.SameContentFor = SameHold, 30*24*time.Hour }
	drop(w, "INV-2")
	l := w.ledger()
	defer func() { l.Close(); w.disk.Release() }() // all was read
	o := w.outbox(l)
	held := 0
	for _, id := range scan(t, o).Claimed {
		if tr := carry(t, o, id); tr.Hold != "" {
			held++
			if !strings.Contains(tr.Hold, "on its way") {
				t.Error(tr.Hold)
			}
		}
	}
	if held != 1 || w.partner.posts != 1 {
		t.Errorf("%d held, %d posts", held, w.partner.posts)
	}
}

// The hold ends when the config does not ask for it any more.
func TestSameContentIsAllowedLater(t *testing.T) {
	w, o, _, b := twice(t, SameHold, accept)
	must(o.Recover(t.Context()))
	if tr := row(t, o, b.ID); tr.Hold == "" {
		t.Error("a restart has released it")
	}
	w.set = nil
	free := w.outbox(o.Ledger)
	must(free.Recover(t.Context()))
	if tr := carry(t, free, b.ID); tr.Verdict != ledger.VerdictAccepted {
		t.Errorf("%s, held: %s", tr.State, tr.Hold)
	}
}
