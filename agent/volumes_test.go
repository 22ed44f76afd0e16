package agent

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// Fifty partners on one full volume are one alarm an hour that names them, in the events
// and in the status.
func TestManyPartnersOnOneVolume(t *testing.T) {
	a := notStarted(t, nil)
	now := noon
	a.now = func() time.Time { return now }
	var v volumes
	meet := func(names ...string) {
		for _, name := range names {
			v.met(volumeFault{"1", causeSpace}, name, name+" is full", "make room")
		}
	}
	var fifty []string
	for i := range 50 {
		fifty = append(fifty, fmt.Sprintf("p%02d", i))
	}
	meet(fifty...)
	meet(fifty...)
	v.met(volumeFault{"2", causeSpace}, "other", "other is full", "make room")
	told := func() (texts []string) {
		due := v.due(now)
		for _, alarm := range due {
			texts = append(texts, alarm.event.Partner+" "+alarm.event.Text)
		}
		if again := v.due(now); len(again) != len(due) {
			t.Errorf("what is not on record is not due any more: %v", again)
		}
		v.told(due, now)
		slices.Sort(texts)
		return texts
	}
	want := "[ 50 partners on one volume, " + strings.Join(fifty[:20], ", ") + " and 30 more: p00 is full other other is full]"
	if got := fmt.Sprint(told()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	meet("p07", "p03")
	now = now.Add(alarmEvery - time.Second)
	if got := told(); len(got) > 0 {
		t.Errorf("told again within the hour: %q", got)
	}
	now = now.Add(time.Second)
	if got := fmt.Sprint(told()); got != "[ 2 partners on one volume, p03, p07: p07 is full]" {
		t.Error(got)
	}
	if now = now.Add(alarmEvery); len(told()) > 0 || len(v.news) > 0 {
		t.Errorf("not forgotten: %v", v.news)
	}
}

// The same with workers that meet it.
func TestPartnersOnAFullVolume(t *testing.T) {
	a := notStarted(t, map[string]string{"acme": "https://acme.invalid/", "beta": "https://beta.invalid/"})
	for _, b := range a.setup().boxes {
		newWorker(a, b).complain(t.Context(), "step x", fmt.Errorf("%s: %w", b.partner.Name, syscall.ENOSPC))
	}
	a.health.look(t.Context())
	var told []string
	err := a.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		for _, partner := range []string{"", "acme", "beta", "loopback"} {
			es, err := tx.RecentEvents(partner, 100)
			for _, e := range es {
				if e.Code == "fault" {
					told = append(told, e.Text)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(told) != 1 || !strings.HasPrefix(told[0], "3 partners on one volume, acme, beta, loopback: ") {
		t.Errorf("%q, %v", told, err)
	}
}

// In the status a volume is one problem, whoever is on it.
func TestOneProblemPerVolume(t *testing.T) {
	s := status.Status{At: noon, Free: 1 << 40, Partners: []status.Partner{
		{Name: "a", Free: 1, Volume: "1"}, {Name: "b", Free: 1, Volume: "1"}, {Name: "c", Free: 1, Volume: "2"}, {Name: "d", Free: 1}, {Name: "e", Free: 1}, {Name: "f", Free: 1 << 40, Volume: "3"}}}
	cfg := &config.Config{Reserve: 1 << 30}
	for _, p := range s.Partners {
		cfg.Partners = append(cfg.Partners, &config.Partner{Name: p.Name})
	}
	conclude(&s, cfg)
	var got []string
	for _, p := range s.Problems {
		what, _, _ := strings.Cut(p.Text, " has ")
		got = append(got, p.Partner+": "+what)
	}
	if want := []string{"a: the volume of a, b", "c: c's folder", "d: d's folder", "e: e's folder"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
