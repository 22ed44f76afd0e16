package agenda

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need zones that a bare machine does not have

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/schedule"
	"github.com/as2drop/as2drop/ledger"
)

// from is a Monday, at 13:00 in Vienna.
var from = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return from.Add(time.Duration(hours) * time.Hour) }

func certificate(name string, ends time.Time) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotAfter: ends}
}

// acme is a partner with everything that has a moment.
func acme(t *testing.T) *config.Config {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	p := &config.Partner{Name: "acme", Location: loc, Retry: config.Retry{Attempts: 10}, Receive: config.Receive{ReceiptRetry: config.ReceiptRetry{Attempts: 20}}}
	var err1, err2, err3 error
	p.Outbox.Window, err1 = schedule.ParseWindow("Mon-Fri 6-22", loc)
	p.Outbox.Pickup, err2 = schedule.ParsePickup("daily at 14; Sat-Sun", loc)
	p.Outbox.Rescan, err3 = schedule.Parse("every 2 hours", loc)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Certificates = []*config.Certificate{
		{Encrypt: true, Sign: true, Until: at(400), Certificates: []*x509.Certificate{certificate("old", at(600))}},
		{Encrypt: true, EncryptFrom: at(300), Certificates: []*x509.Certificate{certificate("new", at(9000))}},
		{Sign: true, EncryptFrom: at(1), Certificates: []*x509.Certificate{certificate("past", at(-1))}},
		{Sign: true},
	}
	p.Server = []*x509.Certificate{certificate("web", at(700))}
	p.Client.Identity = &config.KeyPair{Certificate: certificate("client", at(800))}
	station := &config.Station{Name: "us", Keys: []config.KeyPair{{Certificate: certificate("us", at(500))}, {SignFrom: at(450), Certificate: certificate("us2", at(9000))}}}
	return &config.Config{Location: time.UTC, Partners: []*config.Partner{p}, Stations: []*config.Station{station}, Listen: []config.Listener{{Certificates: []*x509.Certificate{certificate("tls", at(550))}}}}
}

func tell(l List) string {
	var b strings.Builder
	for _, i := range l.Items {
		fmt.Fprintf(&b, "%s %s: %s %s %s\n", i.At.Format("02 15:04 MST"), i.Partner, i.What, i.ID, i.Text)
	}
	return b.String()
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got:\n%swant:%s", got, want)
	}
}

func TestWhatTheConfigSays(t *testing.T) {
	compare(t, tell(Of(Question{Config: acme(t), From: from, Count: 2})), `
23 14:00 CET acme: pick-up  daily at 14:00
23 14:00 CET acme: rescan  every 2 hours
23 16:00 CET acme: rescan  every 2 hours
23 22:00 CET acme: send window closes  Mon-Fri 06:00-22:00
24 06:00 CET acme: send window opens  Mon-Fri 06:00-22:00
24 14:00 CET acme: pick-up  daily at 14:00
28 00:00 CET acme: pick-up opens  Sat-Sun
30 00:00 CET acme: pick-up closes  Sat-Sun
06 01:00 CET acme: certificate begins  messages are encrypted to "CN=new"
10 05:00 CET acme: certificate ends  messages are not encrypted to "CN=old" any more
12 06:00 UTC : certificate begins to sign  station us: "CN=us2"
14 08:00 UTC : certificate expires  station us: "CN=us"
16 10:00 UTC : certificate expires  TLS, listen[0]: "CN=tls"
18 13:00 CET acme: certificate expires  the partner's: "CN=old"
22 17:00 CET acme: certificate expires  of the partner's web server: "CN=web"
26 21:00 CET acme: certificate expires  our client certificate: "CN=client"
03 12:00 UTC : certificate expires  station us: "CN=us2"
03 13:00 CET acme: certificate expires  the partner's: "CN=new"
`)
	c := acme(t)
	var err error
	if c.Retention.At, err = schedule.Parse("daily at 3:30", time.UTC); err != nil {
		t.Fatal(err)
	}
	if got := tell(Of(Question{Config: c, From: from, Count: 1})); strings.Contains(got, "retention") {
		t.Errorf("everything is kept for ever: %s", got)
	}
	c.Partners[0].Retention.Sent = config.Age{Text: "90d", For: at(90 * 24).Sub(from)}
	for _, partner := range []string{"", "acme"} {
		if got := tell(Of(Question{Config: c, Partner: partner, From: from, Count: 2})); strings.Count(got, ": retention  daily at 03:30\n") != 2 {
			t.Errorf("%q: %s", partner, got)
		}
	}
	if got := Of(Question{Config: acme(t), Partner: "other", From: from, Count: 2}); len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
	if got := tell(Of(Question{Config: acme(t), Partner: "acme", From: from, Count: 2})); strings.Contains(got, "station") || !strings.Contains(got, "CN=new") {
		t.Error(got)
	}
}

// ofTheLedger lists what follows from facts alone.
func ofTheLedger(t *testing.T, f Facts) List {
	c := acme(t)
	p := c.Partners[0]
	p.Outbox.Rescan, p.Outbox.Pickup, p.Certificates, p.Server, p.Client.Identity = schedule.Schedule{}, schedule.Pickup{}, nil, nil, nil
	return Of(Question{Config: c, Partner: "acme", Facts: map[string]Facts{"acme": f}, From: from, Count: 1})
}

func TestWhatTheLedgerSays(t *testing.T) {
	transfer := func(id string, s ledger.State, due time.Time) ledger.Transfer {
		return ledger.Transfer{ID: id, Document: id + ".xml", State: s, Due: due, Deadline: at(24), Attempts: 2, Reason: "HTTP 503", Verdict: ledger.VerdictAccepted}
	}
	f := Facts{
		Transfers: []ledger.Transfer{
			transfer("late", ledger.StateSealed, at(-1)), transfer("soon", ledger.StateSealed, at(2)), transfer("night", ledger.StateSealed, at(10)),
			transfer("new", ledger.StateClaimed, at(0)), transfer("posting", ledger.StateSending, at(1)), transfer("waits", ledger.StateWaiting, at(11)), transfer("done", ledger.StateSettled, at(0)),
		},
		Stored: []ledger.Stored{{ID: "s", At: at(-2), Due: at(3), URL: "https://acme.example/mdn"}},
		Owed:   []ledger.OwedMDN{{Received: "r", Due: at(11), Deadline: at(60), Attempts: 4, URL: "https://acme.example/mdn", Reason: "refused"}},
	}
	const budget = "attempt 3 of 10, gives up 2026-11-24 13:00:00 CET"
	compare(t, tell(ofTheLedger(t, f)), `
23 13:00 CET acme: attempt late late.xml: `+budget+`; HTTP 503
23 13:00 CET acme: attempt new new.xml: is claimed; `+budget+`; HTTP 503
23 13:00 CET acme: attempt posting posting.xml: is being posted; `+budget+`; HTTP 503
23 13:00 CET acme: filing done done.xml: accepted
23 15:00 CET acme: attempt soon soon.xml: `+budget+`; HTTP 503
23 16:00 CET acme: message is opened s it came 2026-11-23 11:00:00 CET; its receipt goes to https://acme.example/mdn
23 22:00 CET acme: send window closes  Mon-Fri 06:00-22:00
24 00:00 CET acme: wait for a receipt ends waits waits.xml: without a receipt it is posted again; it was `+budget+`
24 00:00 CET acme: receipt is posted r attempt 5 of 20, until 2026-11-26 01:00:00 CET, to https://acme.example/mdn; refused
24 06:00 CET acme: attempt night night.xml: `+budget+`; HTTP 503
`)

	f = Facts{Transfers: f.Transfers[:1], Pause: &ledger.Pause{Until: at(-1), Reason: "HTTP 401"}, More: true}
	l := ofTheLedger(t, f)
	if got := tell(l); !strings.Contains(got, "23 13:00 CET acme: probe  nothing else is sent to acme before: HTTP 401\n") || len(l.LeftOut) != 1 {
		t.Errorf("%s %v", got, l.LeftOut)
	}
	f.Pause.Until = time.Time{}
	if got := tell(ofTheLedger(t, f)); strings.Contains(got, "attempt") || strings.Contains(got, "probe") {
		t.Errorf("nothing is sent until somebody releases it: %s", got)
	}
}

// What is read of a ledger is bounded, and says so.
func TestRead(t *testing.T) {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // all was read
	read := func(count int) (f Facts) {
		err := l.View(context.Background(), func(tx *ledger.Tx) (err error) { f, err = Read(tx, "acme", count); return err })
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if f := read(3); f.More || f.Pause != nil || len(f.Transfers) != 0 {
		t.Errorf("%+v", f)
	}
	err = l.Update(context.Background(), func(tx *ledger.Tx) error {
		for i := range 4 {
			id := fmt.Sprint("t", i)
			if err := tx.InsertTransfer(&ledger.Transfer{ID: id, Partner: "acme", State: ledger.StateSealed, Due: at(-i), Created: from, MessageID: id}); err != nil {
				return err
			}
		}
		return tx.SavePause(ledger.Pause{Partner: "acme", Reason: "r"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if f := read(3); !f.More || f.Pause == nil || len(f.Transfers) != 3 || f.Transfers[0].ID != "t3" {
		t.Errorf("%+v", f)
	}
	if f := read(4); f.More || len(f.Transfers) != 4 {
		t.Errorf("%+v", f)
	}
}
