package agent

import (
	"context"
	"errors"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/alarms"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// silenceEvery is how often the past is asked whether a silence is normal, unless something
// was sent or received meanwhile.
const silenceEvery = 5 * time.Minute

// silence is what was found out about a partner last, and from what.
type silence struct {
	at          time.Time
	box         *box
	filed, came time.Time
	paused      bool
	found       []status.Silence
}

// silent says what a partner is silent about although that is not normal. s has all else
// that is known of the partner.
func (h *health) silent(ctx context.Context, b *box, s *status.Partner) []status.Silence {
	former := h.silences[s.Name]
	next := silence{at: h.a.now(), box: b, filed: s.LastFiled, came: s.LastReceived, paused: s.Pause != nil}
	if former.box == b && former.filed.Equal(next.filed) && former.came.Equal(next.came) && former.paused == next.paused && next.at.Sub(former.at).Abs() < silenceEvery {
		return former.found
	}
	err := h.a.ledger.View(ctx, func(tx *ledger.Tx) (err error) { next.found, err = h.quietWays(tx, b, &next); return err })
	if err != nil {
		return former.found // without an answer of the ledger the status says that
	}
	h.silences[s.Name] = next
	return next.found
}

// quietWays asks both directions.
func (h *health) quietWays(tx *ledger.Tx, b *box, n *silence) (found []status.Silence, err error) {
	p := b.partner
	folder, err := tx.Folder(p.Name)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	begun := folder.Created
	if begun.IsZero() {
		begun = h.started
	}
	if up := n.at.Sub(h.started); up >= 0 && up < p.Expect.Grace { // less than nothing: the clock was put back
		return nil, nil // what came while nobody ran is just coming
	}
	for _, way := range []struct {
		what   string
		expect config.Traffic
		last   time.Time
		first  func(partner string, from, to time.Time) (time.Time, error)
		off    bool
	}{
		{alarms.Sent, p.Expect.Sent, n.filed, tx.SentBetween, n.paused || p.URL == ""}, // a pause is told itself
		{alarms.Received, p.Expect.Received, n.came, tx.ReceivedBetween, false},
	} {
		if way.off || way.expect.Off {
			continue
		}
		t := alarms.Traffic{What: way.what, By: way.expect.By, Grace: p.Expect.Grace, Zone: p.Location, Begun: begun, Last: way.last,
			First: func(from, to time.Time) (time.Time, error) { return way.first(p.Name, from, to) }}
		why, since, err := t.Silence(n.at)
		if err != nil {
			return nil, err
		}
		if why != "" {
			found = append(found, status.Silence{What: way.what, Since: since.UTC(), Why: why, Expected: !way.expect.By.IsZero()})
		}
	}
	return found, nil
}

// untold are the receivers whom alarms do not reach.
func (h *health) untold(ctx context.Context, cfg *config.Config) (list []status.Untold) {
	if len(cfg.Alarms.Receivers) == 0 {
		return nil
	}
	// Without an answer of the ledger the status says that.
	_ = h.a.ledger.View(ctx, func(tx *ledger.Tx) error {
		rows, err := tx.AlarmReceivers()
		for _, r := range rows {
			for _, c := range cfg.Alarms.Receivers {
				if c.Name == r.Name && !r.Failing.IsZero() {
					list = append(list, status.Untold{Receiver: r.Name, Since: r.Failing, Reason: r.Reason, Hint: r.Hint})
				}
			}
		}
		return err
	})
	return list
}
