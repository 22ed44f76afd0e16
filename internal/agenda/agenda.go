// Package agenda says what will happen next, and when.
//
// Of takes a config, what the ledger says of open transfers, receipts and pauses, and a
// moment, and lists what follows in the order of time: windows that open and close,
// pick-ups, rescans, attempts, waits that end, runs of retention, and changes and ends of
// certificates. It is pure: it changes nothing, looks at no clock, and whoever asks twice
// gets the same list. Each moment is told in the time zone that it was set in.
//
// Of what repeats, and of the transfers and receipts of a partner, it lists the next
// few. What waits for somebody (a hold, a pause until it is released) or for another
// transfer has no moment and is not in the list; as2drop ls shows it.
package agenda

import (
	"cmp"
	"slices"
	"time"

	"github.com/as2drop/as2drop/config"
)

// Item is one thing that will happen.
type Item struct {
	At      time.Time `json:"at"` // in the zone of the partner
	Partner string    `json:"partner,omitempty"`
	What    string    `json:"what"`
	ID      string    `json:"id,omitempty"` // of the transfer or message
	Text    string    `json:"text,omitempty"`
}

// List is what will happen, the earliest first.
type List struct {
	Items   []Item
	LeftOut []string // partners of which more transfers or receipts are open than are listed
}

// Question is what Of answers.
type Question struct {
	Config  *config.Config
	Partner string            // only this one; empty = all, and the stations
	Facts   map[string]Facts  // what the ledger says of partners; may be empty
	Told    map[string]string // who was told of certificates of ours that come into use, by their SHA-256; may be empty
	From    time.Time
	Count   int // of what repeats, and of the transfers and receipts of a partner
}

// Of lists what will happen.
func Of(q Question) List {
	l := &list{Question: q}
	if q.Partner == "" {
		l.ours()
	}
	for _, p := range q.Config.Partners {
		if q.Partner != "" && q.Partner != p.Name {
			continue
		}
		l.of(p)
	}
	slices.SortStableFunc(l.Items, func(a, b Item) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Partner, b.Partner))
	})
	return l.List
}

// list collects items.
type list struct {
	Question
	List
	loc  *time.Location
	name string // of the partner
}

// add adds what happens at a moment, unless that is past.
func (l *list) add(at time.Time, what, id, text string) {
	if at.Before(l.From) {
		return
	}
	l.Items = append(l.Items, Item{At: at.In(l.loc), Partner: l.name, What: what, ID: id, Text: text})
}
