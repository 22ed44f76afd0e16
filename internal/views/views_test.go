package views

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the tests need zones that a bare machine does not have

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// noon is a Wednesday, at 17:45 in Kathmandu, where the days do not begin with an hour of
// UTC.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var kathmandu = time.FixedZone("+0545", (5*60+45)*60)

// reader is one on an empty ledger with the partners acme and beta.
func reader(t *testing.T) *Reader {
	t.Helper()
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cfg := &config.Config{Path: "config.yaml", Location: kathmandu, Partners: []*config.Partner{{Name: "acme", Location: kathmandu, URL: "https://anna:pw@acme.example/"}, {Name: "beta", Location: kathmandu}}}
	return &Reader{Ledger: l, Config: func() *config.Config { return cfg }, Status: func() *status.Status { return nil }}
}

func (r *Reader) update(t *testing.T, f func(tx *ledger.Tx) error) {
	t.Helper()
	if err := r.Ledger.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func id(n int) string { return fmt.Sprintf("01m8b%05d%08d", n, n) }

// filed is a transfer that has its verdict.
func filed(n int, partner string, at time.Time, v ledger.Verdict) *ledger.Transfer {
	return &ledger.Transfer{ID: id(n), Partner: partner, Key: fmt.Sprint(n), Document: fmt.Sprintf("INV-%d.xml", n), State: ledger.StateFiled, Verdict: v, Created: at, Settled: at, Filed: at, FilePath: "x", MessageID: fmt.Sprintf("<%d@us>", n),
		Members: []ledger.Member{{Name: fmt.Sprintf("INV-%d.xml", n), Role: ledger.RoleDocument, Size: 100}, {Name: "a.pdf", Role: ledger.RoleAttachment, Size: 11}, {Name: "m", Role: ledger.RoleMarker, Size: 7}}}
}

// The overview counts today from midnight of the zone on, and each hour and day once.
func TestOverviewCounts(t *testing.T) {
	r := reader(t)
	midnight := time.Date(2026, 11, 25, 0, 0, 0, 0, kathmandu)
	open := filed(6, "acme", noon, "")
	open.State, open.Filed, open.Settled = ledger.StateSealed, time.Time{}, time.Time{}
	held := filed(7, "acme", noon, "")
	held.State, held.Filed, held.Hold = ledger.StateSealed, time.Time{}, "why"
	r.update(t, func(tx *ledger.Tx) error {
		return errors.Join(
			tx.InsertTransfer(filed(1, "acme", midnight.Add(-time.Minute), ledger.VerdictAccepted)),
			tx.InsertTransfer(filed(2, "acme", midnight, ledger.VerdictAccepted)),
			tx.InsertTransfer(filed(3, "acme", noon.Add(-time.Minute), ledger.VerdictGaveUp)),
			tx.InsertTransfer(filed(4, "beta", noon, ledger.VerdictAccepted)),
			tx.InsertTransfer(filed(5, "acme", noon.AddDate(0, 0, -40), ledger.VerdictAccepted)),
			tx.InsertTransfer(open), tx.InsertTransfer(held),
			tx.InsertReceived(&ledger.Received{ID: id(8), Partner: "acme", From: "a", To: "b", MessageID: "m", At: noon, Files: []ledger.ReceivedFile{{Final: "f", Size: 5}}}, strings.ToLower),
			tx.AddRefusal(ledger.Refusal{ID: id(9), At: noon}), // of nobody that is known
			tx.SavePause(ledger.Pause{Partner: "acme", Since: noon, Reason: "x"}))
	})
	o, err := r.Overview(t.Context(), noon)
	if err != nil {
		t.Fatal(err)
	}
	acme := o.Partners[0]
	if acme.SentToday != 1 || acme.FailedToday != 1 || acme.GotToday != 1 || acme.RefusedToday != 0 || acme.InFlight != 1 || acme.Held != 1 || !acme.Paused || !acme.LastFailed.Equal(noon.Add(-time.Minute)) {
		t.Errorf("%+v", acme)
	}
	if !o.Today.Equal(midnight) || o.Running || len(o.Hours) != 24 || len(o.Days) != 30 {
		t.Errorf("%v %v, %d hours, %d days", o.Today, o.Running, len(o.Hours), len(o.Days))
	}
	today := o.Days[29]
	if !today.From.Equal(midnight) || today.Sent != 2 || today.Failed != 1 || today.Received != 1 || today.Refused != 1 || today.SentBytes != 222 || today.ReceivedBytes != 5 || o.Days[28].Sent != 1 {
		t.Errorf("today %+v, yesterday %+v", today, o.Days[28])
	}
	if now := o.Hours[23]; !now.From.Equal(noon.Add(-45*time.Minute)) || now.Sent != 1 || now.Failed != 1 {
		t.Errorf("this hour %+v", now)
	}
	if late := noon.Add(7 * time.Hour); !dayOf(late, kathmandu).Equal(midnight.AddDate(0, 0, 1)) {
		t.Errorf("at %v the day began %v", late, dayOf(late, kathmandu))
	}
	p, err := r.PartnerOverview(t.Context(), "beta", noon)
	if err != nil || p.Days[29].Sent != 1 || p.SentToday != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := r.PartnerOverview(t.Context(), "nobody", noon); !errors.Is(err, ledger.ErrNotFound) {
		t.Error(err)
	}
}

// The timeline has everything in its order, with who asked for what.
func TestTimeline(t *testing.T) {
	r := reader(t)
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	tr := filed(1, "acme", noon, ledger.VerdictAccepted)
	tr.Settled, tr.Filed, tr.Reason = at(9), at(10), "the receipt says so"
	tr.Sealed = json.RawMessage(`{"header":[{"name":"AS2-To","value":"ACME"},{"name":"authorization","value":"x"}],"mics":null,"receipt":{}}`)
	tr.Receipt = []byte("HTTP/1.1 200 OK\r\nContent-Type: multipart/signed; boundary=b\r\nSet-Cookie: x\r\n\r\n--b\r\nContent-Type: multipart/report; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nAll is=\r\n well\r\n--c--\r\n--b--\r\n")
	r.update(t, func(tx *ledger.Tx) error {
		return errors.Join(tx.InsertTransfer(tr),
			tx.AddAttempt(ledger.Attempt{Transfer: tr.ID, N: 1, Opened: at(1), Closed: at(2), URL: "https://anna:pw@acme.example/", Outcome: ledger.OutcomeUnknown, Text: "the line broke"}),
			tx.AddAttempt(ledger.Attempt{Transfer: tr.ID, N: 2, Opened: at(7), Closed: at(8), URL: "https://acme.example/", Outcome: ledger.OutcomeAnswered, Status: 200, Counted: true, Text: tr.Reason}),
			tx.AddWish(ledger.Wish{ID: "w1", Kind: ledger.WishRetry, Transfer: tr.ID, By: "anna (console)", Reason: "they are back", At: at(5), Done: at(6), Result: "it is posted now"}),
			tx.AddWish(ledger.Wish{ID: "w2", Kind: ledger.WishRetry, Transfer: "other", By: "bert", At: at(5)}),
			tx.AddEvent(ledger.Event{At: at(3), Level: ledger.Warning, Subject: tr.ID, Text: "no route", Hint: "ask them"}),
			tx.AddEvent(ledger.Event{At: at(9), Level: ledger.Info, Subject: tr.ID, Text: "INV-1.xml: accepted: the receipt says so"}))
	})
	m, err := r.Transfer(t.Context(), tr.ID, noon)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range m.Timeline {
		got = append(got, fmt.Sprintf("%d %s %s %s%s", int(x.At.Sub(noon).Minutes()), x.What, x.Level, x.Text, x.By))
	}
	want := []string{
		"0 created info INV-1.xml was taken from the outbox, with 1 more",
		"1 attempt info posted to https://acme.example/",
		"2 answer warning the partner may have it, not counted: the line broke",
		"3 event warning no route",
		"5 wish info retry: they are backanna (console)",
		"6 granted info it is posted nowanna (console)",
		"7 attempt info posted to https://acme.example/",
		"8 answer info answered, HTTP 200: the receipt says so",
		"9 verdict info accepted",
		"10 filed info filed in x",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if m.Receipt == nil || m.Receipt.Text != "All is well" || !m.Receipt.Signed || len(m.Receipt.Header) != 1 || len(m.Sealed.Header) != 1 || len(m.Actions) != 0 {
		t.Errorf("%+v %+v %v", m.Receipt, m.Sealed, m.Actions)
	}
	if text, _ := json.Marshal(m); strings.Contains(string(text), "pw") {
		t.Errorf("a password is told: %s", text)
	}
}

// What can be asked for fits what a transfer is.
func TestActionsAndWords(t *testing.T) {
	for _, c := range []struct {
		t           ledger.Transfer
		words, acts string
	}{
		{ledger.Transfer{State: ledger.StateClaimed}, "is being prepared", "[hold dismiss]"},
		{ledger.Transfer{State: ledger.StateSealed}, "is ready to be posted", "[retry hold dismiss]"},
		{ledger.Transfer{State: ledger.StateSealed, Posts: 3, Due: noon.Add(time.Hour)}, "is tried again, 3 attempts failed", "[retry hold dismiss]"},
		{ledger.Transfer{State: ledger.StateSealed, Behind: true}, "waits its turn", "[hold dismiss]"},
		{ledger.Transfer{State: ledger.StateSealed, Hold: "x"}, "held", "[retry release dismiss]"},
		{ledger.Transfer{State: ledger.StateSending}, "is being posted", "[hold]"},
		{ledger.Transfer{State: ledger.StateWaiting}, "waits for the receipt", "[retry hold dismiss]"},
		{ledger.Transfer{State: ledger.StateSettled, Verdict: ledger.VerdictAccepted}, "accepted, is being filed", "[]"},
		{ledger.Transfer{State: ledger.StateFiled, Verdict: ledger.VerdictAccepted}, "accepted", "[]"},
		{ledger.Transfer{State: ledger.StateFiled, Verdict: ledger.VerdictGaveUp, Blocks: true}, "gave up", "[retry release]"},
		{ledger.Transfer{State: ledger.StateFiled, Verdict: ledger.VerdictRejected, RetriedAs: "x"}, "rejected", "[]"},
		{ledger.Transfer{State: ledger.StateUndone}, "undone: the files are back in the outbox", "[]"},
	} {
		if words, acts := words(&c.t, time.Time{}, noon), fmt.Sprint(actions(&c.t)); words != c.words || acts != c.acts {
			t.Errorf("%s %q %q: %q %s, want %q %s", c.t.State, c.t.Verdict, c.t.Hold, words, acts, c.words, c.acts)
		}
	}
	if got := words(&ledger.Transfer{State: ledger.StateSealed}, noon.Add(time.Hour), noon); got != "waits for the send window" {
		t.Error(got)
	}
}

// Pages follow each other without a gap, and the last one says that it is.
func TestPages(t *testing.T) {
	r := reader(t)
	r.update(t, func(tx *ledger.Tx) error {
		var errs []error
		for n := range 25 {
			errs = append(errs, tx.InsertTransfer(filed(n, "acme", noon, ledger.VerdictAccepted)))
		}
		return errors.Join(errs...)
	})
	for _, s := range []Search{{Limit: 7}, {Limit: 7, Text: "inv"}, {Limit: 25}, {}} {
		var got []string
		for pages := 0; pages < 30; pages++ {
			p, err := r.Transfers(t.Context(), s, noon)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range p.Items {
				got = append(got, x.Document)
			}
			if s.After = p.Next; p.Next == "" {
				break
			}
		}
		if len(got) != 25 || got[0] != "INV-24.xml" || got[24] != "INV-0.xml" || len(slices.Compact(slices.Clone(got))) != 25 {
			t.Errorf("%+v: %v", s, got)
		}
	}
	for _, text := range []string{id(3), "3", "<3@us>", "3@us"} {
		if p, err := r.Transfers(t.Context(), Search{Text: text}, noon); err != nil || len(p.Items) != 1 || p.Items[0].ID != id(3) {
			t.Errorf("%q: %+v %v", text, p.Items, err)
		}
	}
	if p, err := r.Transfers(t.Context(), Search{MessageID: "4@us", Partner: "beta"}, noon); err != nil || len(p.Items) != 0 {
		t.Errorf("%+v %v", p.Items, err)
	}
}

// What begins like every identifier of a year, or is the key of every transfer, is not read
// as a whole, whoever asks.
func TestManyOfOneNameAreBounded(t *testing.T) {
	r := reader(t)
	r.update(t, func(tx *ledger.Tx) error {
		for n := range 3 * MaxLimit {
			one := filed(n, "acme", noon, ledger.VerdictAccepted)
			one.Key = "STOCK"
			m := &ledger.Received{ID: id(n), Partner: "acme", Key: "STOCK", From: "a", To: "b", MessageID: fmt.Sprint(n), At: noon}
			if err := errors.Join(tx.InsertTransfer(one), tx.InsertReceived(m, strings.ToLower)); err != nil {
				return err
			}
		}
		return nil
	})
	newest := id(3*MaxLimit - 1)
	for _, text := range []string{"STOCK", "01m8"} {
		before := r.Ledger.RowsRead()
		page, err := r.Transfers(t.Context(), Search{Text: text}, noon)
		if err != nil || len(page.Items) != DefaultLimit || page.Items[0].ID != newest {
			t.Errorf("%q: %d transfers, %v", text, len(page.Items), err)
		}
		if _, err := r.Incoming(t.Context(), IncomingSearch{Text: text}, noon); err != nil {
			t.Error(err)
		}
		if read := r.Ledger.RowsRead() - before; read > 2*(MaxLimit+DefaultLimit) {
			t.Errorf("%q: %d rows were read for two pages", text, read)
		}
		var stories []Story
		err = r.Ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { stories, err = Find(tx, text); return err })
		if err != nil || len(stories) == 0 || len(stories) > 2*maxFound {
			t.Errorf("%q: %d stories, %v", text, len(stories), err)
		}
		var none *NoWish
		if _, err := NewWish(t.Context(), r.Ledger, r.Config(), ledger.Wish{Kind: ledger.WishRetry}, text); !errors.As(err, &none) || !none.Several {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A day without midnight begins an hour later: in Santiago the clock goes from 23:59 to 1:00.
func TestDayWithoutMidnight(t *testing.T) {
	r := reader(t)
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	cfg := *r.Config()
	cfg.Location = santiago
	r.Config = func() *config.Config { return &cfg }
	one := time.Date(2026, 9, 6, 1, 0, 0, 0, santiago)
	r.update(t, func(tx *ledger.Tx) error {
		return errors.Join(tx.InsertTransfer(filed(1, "acme", one.Add(-30*time.Minute), ledger.VerdictAccepted)), tx.InsertTransfer(filed(2, "acme", one, ledger.VerdictAccepted)))
	})
	o, err := r.Overview(t.Context(), one.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	yesterday, today := o.Days[len(o.Days)-2], o.Days[len(o.Days)-1]
	if !o.Today.Equal(one) || o.Partners[0].SentToday != 1 || !today.From.Equal(one) || today.Sent != 1 || yesterday.Sent != 1 {
		t.Errorf("today began %v: %d sent today; %+v, %+v", o.Today, o.Partners[0].SentToday, yesterday, today)
	}
}

// However many look at pages at once, there is room for those who transfer.
func TestManyQuestionsLeaveRoom(t *testing.T) {
	r := reader(t)
	release := make(chan struct{})
	var group sync.WaitGroup
	in := make(chan struct{}, 10)
	for range 10 {
		group.Go(func() {
			err := r.View(t.Context(), func(*ledger.Tx) error { in <- struct{}{}; <-release; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	<-in
	<-in
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Ledger.View(ctx, func(*ledger.Tx) error { return nil }); err != nil || len(in) > 0 {
		t.Errorf("who transfers waits for %d more who look: %v", len(in), err)
	}
	close(release)
	group.Wait()
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := r.Overview(gone, noon); !errors.Is(err, context.Canceled) {
		t.Errorf("who went away is answered: %v", err)
	}
}

// A message that can be delivered by hand alone is no message that can be released: nobody
// would do anything.
func TestNoReleaseOfWhatIsDeliveredByHand(t *testing.T) {
	r := reader(t)
	r.update(t, func(tx *ledger.Tx) error {
		return errors.Join(
			tx.InsertReceived(&ledger.Received{ID: id(1), Partner: "acme", From: "a", To: "b", MessageID: "m1", State: ledger.ReceivedReceived, At: noon, Hold: "a file is in the way"}, strings.ToLower),
			tx.InsertStored(&ledger.Stored{ID: id(2), Partner: "acme", MessageID: "m2", At: noon, Open: true, Hold: "it made the agent panic"}))
	})
	for n, want := range []string{1: "[]", 2: "[release]"} {
		if want == "" {
			continue
		}
		m, err := r.IncomingMessage(t.Context(), id(n), noon)
		if err != nil || fmt.Sprint(m.Actions) != want || m.Words != "held" || !m.Held {
			t.Errorf("%d: %q, %v, want %s: %v", n, m.Words, m.Actions, want, err)
		}
	}
}

// A message that waits to be opened is found by its Message-ID, however many came since.
func TestStoredByMessageID(t *testing.T) {
	r := reader(t)
	r.update(t, func(tx *ledger.Tx) error {
		for n := range 2 * DefaultLimit {
			if err := tx.InsertStored(&ledger.Stored{ID: id(n), Partner: "acme", MessageID: fmt.Sprintf("m%d@them", n), At: noon, Open: true}); err != nil {
				return err
			}
		}
		return nil
	})
	page, err := r.Incoming(t.Context(), IncomingSearch{Kind: KindStored, MessageID: "<m0@them>"}, noon)
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != id(0) {
		t.Errorf("%+v, %v", page, err)
	}
}

// With what is done, the list has for each partner what waits and then the last ones that are
// done, the latest first and each once; who is out of order has a line that says so.
func TestWaitingWithWhatIsDone(t *testing.T) {
	r := reader(t)
	cfg := r.Config()
	cfg.Partners = append(cfg.Partners, &config.Partner{Name: "gone", Location: kathmandu})
	r.Look = func(_ context.Context, partner string) (Outbox, error) {
		if partner == "gone" {
			return Outbox{}, errors.New("is it mounted?")
		}
		return Outbox{Ready: []naming.Batch{{Document: partner + ".xml"}}, Polled: "it is a share"}, nil
	}
	var want []string
	r.update(t, func(tx *ledger.Tx) error {
		open, failed := filed(1, "acme", noon.Add(time.Hour), ""), filed(2, "acme", noon.Add(2*time.Hour), ledger.VerdictRejected)
		open.State, open.Verdict, open.Filed, open.Turn = ledger.StateSealed, "", time.Time{}, 2
		failed.Blocks, failed.Turn = true, 1
		err := errors.Join(tx.InsertTransfer(open), tx.InsertTransfer(failed), tx.InsertTransfer(filed(3, "gone", noon, ledger.VerdictAccepted)),
			tx.AddRefusal(ledger.Refusal{ID: id(4), At: noon, Partner: "beta", MessageID: "m4"}))
		for n := 10; n < 10+2*(listLast+5); n++ { // of acme and beta in turn
			partner, at := cfg.Partners[n%2].Name, noon.Add(time.Duration(n)*time.Second)
			err = errors.Join(err, tx.InsertTransfer(filed(n, partner, at, ledger.VerdictAccepted)),
				tx.InsertReceived(&ledger.Received{ID: id(1000 + n), Partner: partner, From: partner, To: "b", MessageID: id(n), Key: fmt.Sprint("K-", n), State: ledger.ReceivedPublished, At: at}, strings.ToLower))
		}
		return err
	})
	for i, partner := range []string{"acme", "beta"} {
		want = append(want, partner+" ready "+partner+".xml")
		if partner == "acme" {
			want = append(want, "acme transfer INV-2.xml", "acme transfer INV-1.xml")
		}
		last := 10 + 2*(listLast+4) + i
		for n := range listLast {
			if partner == "acme" && n >= listLast-2 {
				break // the first two of the last ones stand above
			}
			want = append(want, fmt.Sprintf("%s transfer INV-%d.xml", partner, last-2*n))
		}
		for n := range listLast {
			want = append(want, fmt.Sprintf("%s received K-%d", partner, last-2*n))
		}
	}
	want = append(want, "beta refused m4", "gone partner gone")
	rows, notes, err := r.Waiting(t.Context(), "", true, noon)
	var got []string
	for _, row := range rows {
		got = append(got, row.Partner+" "+row.What+" "+row.Name)
	}
	if err != nil || !slices.Equal(got, want) || len(notes) != 2 || !strings.Contains(notes[1], "the outbox of beta is looked at every 0s: it is a share") {
		t.Errorf("%v, %q\n%s\nwant\n%s", err, notes, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	rows, _, err = r.Waiting(t.Context(), "beta", false, noon)
	if err != nil || len(rows) != 1 || rows[0].What != "ready" {
		t.Errorf("%+v, %v", rows, err)
	}
}
