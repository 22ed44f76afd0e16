package agenda

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/ledger"
)

// Facts are what the ledger says of a partner, of each kind those that are due first.
type Facts struct {
	Transfers []ledger.Transfer // that time carries on
	Stored    []ledger.Stored   // messages that nobody has opened yet
	Owed      []ledger.OwedMDN  // receipts
	Pause     *ledger.Pause
	More      bool // there are more of them
}

// end is after everything that is stored in a ledger.
var end = time.Unix(0, 1<<63-1)

// Read reads the facts of a partner, of each kind at most count.
func Read(tx *ledger.Tx, partner string, count int) (f Facts, err error) {
	var err1, err2, err3 error
	f.Transfers, err1 = tx.DueTransfers(partner, end, count+1)
	f.Stored, err2 = tx.NextStored(partner, count+1)
	f.Owed, err3 = tx.NextMDNs(partner, count+1)
	pause, err := tx.Pause(partner)
	if err == nil {
		f.Pause = &pause
	} else if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	f.More = len(f.Transfers) > count || len(f.Stored) > count || len(f.Owed) > count
	f.Transfers, f.Stored, f.Owed = f.Transfers[:min(len(f.Transfers), count)], f.Stored[:min(len(f.Stored), count)], f.Owed[:min(len(f.Owed), count)]
	return f, errors.Join(err, err1, err2, err3)
}

// due is when something is done: what was to be done before is done now.
func (l *list) due(at time.Time) time.Time {
	if at.Before(l.From) {
		return l.From
	}
	return at
}

// ledger adds what follows from the facts of a partner.
func (l *list) ledger(p *config.Partner) {
	f := l.Facts[p.Name]
	if f.More {
		l.LeftOut = append(l.LeftOut, p.Name)
	}
	until := time.Time{} // nobody is posted before
	if f.Pause != nil {
		if until = f.Pause.Until; !until.IsZero() {
			l.add(l.due(until), "probe", "", "nothing else is sent to "+p.Name+" before: "+f.Pause.Reason)
		}
	}
	for _, t := range f.Transfers {
		if t.State == ledger.StateSealed && f.Pause != nil && until.IsZero() {
			continue // until somebody releases the partner
		}
		l.transfer(p, t)
	}
	for _, s := range f.Stored {
		l.add(l.due(s.Due), "message is opened", s.ID, fmt.Sprintf("it came %s; its receipt goes to %s", l.told(s.At), bare(s.URL)))
	}
	for _, m := range f.Owed {
		l.add(l.due(m.Due), "receipt is posted", m.Received, fmt.Sprintf("attempt %d of %d, until %s, to %s%s",
			m.Attempts+1, p.Receive.ReceiptRetry.Attempts, l.told(m.Deadline), bare(m.URL), because(m.Reason)))
	}
}

// transfer adds what is done for one next.
func (l *list) transfer(p *config.Partner, t ledger.Transfer) {
	at := l.due(t.Due)
	budget := fmt.Sprintf("attempt %d of %d, gives up %s%s", t.Attempts+1, p.Retry.Attempts, l.told(t.Deadline), because(t.Reason))
	switch t.State {
	case ledger.StateWaiting:
		l.add(at, "wait for a receipt ends", t.ID, fmt.Sprintf("%s: without a receipt it is posted again; it was attempt %d of %d, gives up %s", t.Document, t.Attempts+1, p.Retry.Attempts, l.told(t.Deadline)))
	case ledger.StateSending:
		l.add(l.From, "attempt", t.ID, t.Document+": is being posted; "+budget)
	case ledger.StateSettled:
		l.add(at, "filing", t.ID, fmt.Sprintf("%s: %s", t.Document, t.Verdict))
	case ledger.StateSealed:
		l.add(p.Outbox.Window.Next(at), "attempt", t.ID, t.Document+": "+budget)
	default:
		l.add(p.Outbox.Window.Next(at), "attempt", t.ID, fmt.Sprintf("%s: is %s; %s", t.Document, t.State, budget))
	}
}

// bare is a URL without user and password.
func bare(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	u.User = nil
	return u.String()
}

// because is the reason of the last failure, for the end of a line.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "; " + reason
}
