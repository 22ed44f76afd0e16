package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/cases"
)

var (
	bg     = context.Background()
	moment = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	fold   = cases.Fold().String
)

func open1(t testing.TB) *Ledger {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "ledger.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func update(t testing.TB, l *Ledger, f func(*Tx) error) {
	t.Helper()
	if err := l.Update(bg, f); err != nil {
		t.Fatal(err)
	}
}

func transfer(id string) *Transfer {
	return &Transfer{ID: id, Partner: "acme", Key: "INV-1", State: StateClaiming, Created: moment, Due: moment,
		Members: []Member{{Name: "INV-1.xml", Role: RoleDocument, Size: 10, MTime: 5, Identity: "1-2"}}}
}

func TestTransferSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := transfer("t1")
	want.Receipt = []byte("receipt")
	update(t, l, func(tx *Tx) error { return tx.InsertTransfer(want) })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = l.View(bg, func(tx *Tx) error {
		got, err := tx.Transfer("t1")
		if !reflect.DeepEqual(got, *want) {
			t.Errorf("got  %+v\nwant %+v", got, *want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCompareAndSet(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error { return tx.InsertTransfer(transfer("t1")) })
	var a, b Transfer
	update(t, l, func(tx *Tx) (err error) { a, err = tx.Transfer("t1"); b = a; return err })
	a.State = StateClaimed
	update(t, l, func(tx *Tx) error { return tx.SaveTransfer(&a) })
	b.State = StateUndone
	if err := l.Update(bg, func(tx *Tx) error { return tx.SaveTransfer(&b) }); !errors.Is(err, ErrLost) || b.Version != 1 {
		t.Errorf("the second of two: %v, version %d", err, b.Version)
	}
	a.State = StateSealed
	update(t, l, func(tx *Tx) error { return tx.SaveTransfer(&a) })
	update(t, l, func(tx *Tx) error {
		got, err := tx.Transfer("t1")
		if got.State != StateSealed || got.Version != 3 {
			t.Errorf("%+v", got)
		}
		return err
	})
}

func TestOneOpenAttempt(t *testing.T) {
	l := open1(t)
	a := Attempt{Transfer: "t1", N: 1, Opened: moment, Process: "p"}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(a) })
	second := Attempt{Transfer: "t1", N: 2}
	if err := l.Update(bg, func(tx *Tx) error { return tx.OpenAttempt(second) }); !errors.Is(err, ErrExists) {
		t.Errorf("a second open attempt: %v", err)
	}
	a.Outcome = OutcomeUnknown
	update(t, l, func(tx *Tx) error { return tx.CloseAttempt(a) })
	if err := l.Update(bg, func(tx *Tx) error { return tx.CloseAttempt(a) }); !errors.Is(err, ErrLost) {
		t.Errorf("closing twice: %v", err)
	}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(second) })
	update(t, l, func(tx *Tx) error {
		as, err := tx.Attempts("t1")
		if len(as) != 2 || as[0].Outcome != OutcomeUnknown || as[1].Outcome != OutcomeOpen {
			t.Errorf("%+v", as)
		}
		return err
	})
}

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

func TestGroupCommit(t *testing.T) {
	l := open1(t)
	const n = 400
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = l.Update(bg, func(tx *Tx) error {
				if err := tx.InsertTransfer(transfer(fmt.Sprint("t", i))); err != nil {
					return err
				}
				if i%4 == 0 {
					return fmt.Errorf("loser %d", i)
				}
				return nil
			})
		})
	}
	wg.Wait()
	update(t, l, func(tx *Tx) error {
		for i := range n {
			_, err := tx.Transfer(fmt.Sprint("t", i))
			if loser := i%4 == 0; loser != errors.Is(err, ErrNotFound) || loser != (errs[i] != nil) {
				t.Errorf("%d: in the ledger %v, Update said %v", i, err, errs[i])
			}
		}
		return nil
	})
	updates, commits := l.Stats()
	if updates != n*3/4+1 || commits >= updates {
		t.Errorf("%d updates took %d commits", updates, commits)
	}
}

func TestPanicAndCancelStayWithTheirCaller(t *testing.T) {
	l := open1(t)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic did not come back")
			}
		}()
		l.Update(bg, func(tx *Tx) error {
			if err := tx.InsertTransfer(transfer("t1")); err != nil {
				t.Error(err)
			}
			panic("boom")
		})
	}()
	cancelled, cancel := context.WithCancel(bg)
	cancel()
	if err := l.Update(cancelled, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	update(t, l, func(tx *Tx) error {
		if _, err := tx.Transfer("t1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("what panicked was committed: %v", err)
		}
		return nil
	})
}

func TestDueTransfers(t *testing.T) {
	l := open1(t)
	update(t, l, func(tx *Tx) error {
		for i, change := range []func(*Transfer){
			func(*Transfer) {},
			func(t *Transfer) { t.Due = moment.Add(time.Hour) },
			func(t *Transfer) { t.Hold = "because" },
			func(t *Transfer) { t.State = StateFiled },
			func(t *Transfer) { t.Partner = "other" },
			func(t *Transfer) { t.Due = moment.Add(-time.Hour) },
		} {
			row := transfer(fmt.Sprint("t", i))
			change(row)
			if err := tx.InsertTransfer(row); err != nil {
				return err
			}
		}
		return nil
	})
	err := l.View(bg, func(tx *Tx) error {
		due, err := tx.DueTransfers("acme", moment, 10)
		if len(due) != 2 || due[0].ID != "t5" || due[1].ID != "t0" {
			t.Errorf("%+v", due)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindTransfers(t *testing.T) {
	l := open1(t)
	a, b := transfer("06abcdef"), transfer("06abzzzz")
	b.Key, b.MessageID = "INV-2", "m2"
	update(t, l, func(tx *Tx) error { return errors.Join(tx.InsertTransfer(a), tx.InsertTransfer(b)) })
	for what, want := range map[string]int{"06abcdef": 1, "INV-2": 1, "m2": 1, "06ab": 2, "06a": 0, "nothing": 0} {
		err := l.View(bg, func(tx *Tx) error {
			ts, err := tx.FindTransfers(what)
			if len(ts) != want {
				t.Errorf("%q: %d, want %d", what, len(ts), want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestFindReceived(t *testing.T) {
	l := open1(t)
	a := &Received{ID: "r1", Partner: "acme", From: "A", To: "B", MessageID: "1@them", Key: "INV-1", State: ReceivedPublished}
	b := &Received{ID: "r2", Partner: "acme", From: "A", To: "B", MessageID: "2@them", Key: "INV-1", State: ReceivedPublished}
	update(t, l, func(tx *Tx) error { return errors.Join(tx.InsertReceived(b, fold), tx.InsertReceived(a, fold)) })
	for what, want := range map[string]string{"r2": "r2", "<1@them>": "r1", "2@them": "r2", "INV-1": "r1 r2", "INV": "", "": ""} {
		err := l.View(bg, func(tx *Tx) error {
			rs, err := tx.FindReceived(what)
			var ids []string
			for _, r := range rs {
				ids = append(ids, r.ID)
			}
			if strings.Join(ids, " ") != want {
				t.Errorf("%q: %v, want %s", what, ids, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

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
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9)
	})
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

// scansGiven is the plan of what reads a list that came with the query, or counts what a
// query inside of it found.
var scansGiven = regexp.MustCompile(`^SCAN (k VIRTUAL TABLE|\(subquery|CONSTANT ROW)`)

// Every query of the package uses an index: a ledger with a million transfers answers
// as fast as an empty one.
func TestNoQueryScans(t *testing.T) {
	l := open1(t)
	query := regexp.MustCompile("`((?:SELECT|UPDATE|DELETE)[^`]*)`")
	found := 0
	for _, file := range []string{"outgoing.go", "incoming.go", "world.go", "retention.go", "line.go", "backlog.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range query.FindAllSubmatch(source, -1) {
			found++
			args := make([]any, strings.Count(string(m[1]), "?"))
			for i := range args {
				args[i] = sql.NullString{}
			}
			rows, err := l.read.Query("EXPLAIN QUERY PLAN "+string(m[1]), args...)
			if err != nil {
				t.Fatalf("%s: %v", m[1], err)
			}
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(detail, "SCAN") && !scansGiven.MatchString(detail) || strings.Contains(detail, "TEMP B-TREE") && !strings.Contains(string(m[1]), "UNION") {
					t.Errorf("%s\n  %s", m[1], detail)
				}
			}
			rows.Close()
		}
	}
	if found < 20 {
		t.Errorf("only %d queries found", found)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Error(err)
	}
}

func TestNewID(t *testing.T) {
	a, err := NewID(moment, bytes.NewReader([]byte{0, 0, 0, 0, 1}))
	b, err2 := NewID(moment.Add(time.Millisecond), bytes.NewReader(make([]byte, 5)))
	if err != nil || err2 != nil || len(a) != 18 || a >= b || strings.ContainsAny(a, "ilou") || a[17] != '1' {
		t.Errorf("%q %q %v %v", a, b, err, err2)
	}
	if _, err := NewID(moment, bytes.NewReader(nil)); err == nil {
		t.Error("an identifier without random bytes")
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			l := open1(b)
			row := transfer("t1")
			b.SetParallelism(callers)
			if callers == 1 {
				for i := 0; b.Loop(); i++ {
					row.ID = fmt.Sprint(i)
					update(b, l, func(tx *Tx) error { return tx.InsertTransfer(row) })
				}
				return
			}
			var mu sync.Mutex
			i := 0
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					i++
					row := transfer(fmt.Sprint(i))
					mu.Unlock()
					update(b, l, func(tx *Tx) error { return tx.InsertTransfer(row) })
				}
			})
		})
	}
}

// A ledger of every earlier schema opens, keeps its rows and is brought up to date.
func TestOlderLedgersOpen(t *testing.T) {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, newest := range files {
		path := filepath.Join(t.TempDir(), "ledger.db")
		db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		version, err := schemaNumber(newest)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files[:i+1] {
			text, err := schema.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(string(text)); err != nil {
				t.Fatal(file, err)
			}
		}
		body := `{"id":"t1","partner":"acme","state":"sending","version":1,"message_id":"<m1@us>"}`
		_, err = db.Exec(`INSERT INTO transfers (id, partner, key, state, open, held, due, created, version, message_id, body) VALUES ('t1','acme','k','sending',1,0,0,0,1,'<m1@us>',?)`, body)
		_, err2 := db.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		if err := errors.Join(err, err2, db.Close()); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("schema %d: %v", version, err)
		}
		update(t, l, func(tx *Tx) error {
			for _, id := range []string{"m1@us", "<m1@us>", " <m1@us> "} {
				if got, err := tx.TransferByMessageID(id); err != nil || got.ID != "t1" {
					t.Errorf("schema %d: %q: %v %v", version, id, got.ID, err)
				}
			}
			got, err := tx.Transfer("t1")
			got.State = StateWaiting
			return errors.Join(err, tx.SaveTransfer(&got))
		})
		var now int
		last, err := schemaNumber(files[len(files)-1])
		if err2 := l.write.QueryRow("PRAGMA user_version").Scan(&now); err != nil || err2 != nil || now != last {
			t.Errorf("schema %d is now %d, want %d: %v %v", version, now, last, err, err2)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An attempt that waits for its receipt is not open any more, and is closed once more
// when the receipt comes, or does not.
func TestWaitingAttempt(t *testing.T) {
	l := open1(t)
	a := Attempt{Transfer: "t1", N: 1}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(a) })
	for _, outcome := range []Outcome{OutcomeWaiting, OutcomeUnknown} {
		a.Outcome = outcome
		update(t, l, func(tx *Tx) error { return tx.CloseAttempt(a) })
	}
	if err := l.Update(bg, func(tx *Tx) error { return tx.CloseAttempt(a) }); !errors.Is(err, ErrLost) {
		t.Errorf("closed a third time: %v", err)
	}
	update(t, l, func(tx *Tx) error { return tx.OpenAttempt(Attempt{Transfer: "t1", N: 2}) })
}
