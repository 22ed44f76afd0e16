package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// overviewData fills the first page.
type overviewData struct {
	views.Overview
	Sent, Failed, Got, Refused int64
	InFlight, Held, InOutbox   int
}

func (s *Server) overview(rw http.ResponseWriter, r *http.Request, v *visitor) {
	o, err := s.o.Views.Overview(r.Context(), s.o.Now())
	if s.unknown(rw, v, err, "page", "overview") {
		return
	}
	d := overviewData{Overview: o}
	for _, p := range o.Partners {
		d.Sent, d.Failed, d.Got, d.Refused = d.Sent+p.SentToday, d.Failed+p.FailedToday, d.Got+p.GotToday, d.Refused+p.RefusedToday
		d.InFlight, d.Held, d.InOutbox = d.InFlight+p.InFlight, d.Held+p.Held, d.InOutbox+p.InOutbox
	}
	s.page(rw, r, v, "overview", "Overview", d)
}

// page shows a page of what is now.
func (s *Server) page(rw http.ResponseWriter, r *http.Request, v *visitor, name, title string, data any) {
	s.pages.show(rw, view{Title: title, V: v, Here: r.URL.RequestURI(), Data: data}, http.StatusOK, name)
}

// pageSize is how many lines a list has.
const pageSize = 50

// listData fills the lists of transfers and of received messages.
type listData[T any] struct {
	views.Page[T]
	Query    url.Values // what was searched for, but for the place in the list
	Partners []string
	Wrong    string // with the search
	Newest   string // the first page of the same search; empty = this is it
	Older    string // the next page
}

// Searched reports whether the list is less than everything.
func (d listData[T]) Searched() bool { return len(d.Query) > 0 }

// Get is what was searched for.
func (d listData[T]) Get(key string) string { return d.Query.Get(key) }

// list prepares one. Only what is known of the query is kept.
func list[T any](s *Server, r *http.Request, known ...string) listData[T] {
	d := listData[T]{Query: url.Values{}}
	for _, key := range known {
		if text := strings.TrimSpace(r.URL.Query().Get(key)); text != "" && len(text) <= 300 {
			d.Query.Set(key, text)
		}
	}
	for _, p := range s.o.Config().Partners {
		d.Partners = append(d.Partners, p.Name)
	}
	return d
}

func (d *listData[T]) link(path, after string) {
	if after != "" {
		d.Newest = path + "?" + d.Query.Encode()
	}
	if d.Next != "" {
		q := url.Values{"after": {d.Next}}
		for key, values := range d.Query {
			q[key] = values
		}
		d.Older = path + "?" + q.Encode()
	}
}

// days reads the first and the last day of a search.
func (d *listData[T]) days(zone *time.Location) (from, to time.Time) {
	read := func(key string) (t time.Time) {
		text := d.Query.Get(key)
		if text == "" {
			return t
		}
		t, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			d.Wrong = "The day " + text + " is none; write for example 2026-11-26."
		}
		return t
	}
	from, to = read("from"), read("to")
	if !to.IsZero() {
		to = to.AddDate(0, 0, 1)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		d.Wrong = "The last day is before the first one."
	}
	return from, to
}

func (s *Server) transfers(rw http.ResponseWriter, r *http.Request, v *visitor) {
	d := list[views.Transfer](s, r, "q", "partner", "stand", "from", "to")
	after := r.URL.Query().Get("after")
	search := views.Search{Text: d.Get("q"), Partner: d.Get("partner"), Stand: ledger.Stand(d.Get("stand")), After: after, Limit: pageSize}
	search.From, search.To = d.days(s.zone())
	if search.Stand != "" && !slices.Contains(ledger.Stands, search.Stand) {
		d.Wrong = "There is no state " + string(search.Stand) + "."
	}
	if d.Wrong == "" {
		var err error
		if d.Page, err = s.o.Views.Transfers(r.Context(), search, s.o.Now()); s.unknown(rw, v, err, "page of the list", after) {
			return
		}
	}
	d.link("/transfers", after)
	s.page(rw, r, v, "transfers", "Transfers", struct {
		listData[views.Transfer]
		Stands []ledger.Stand
	}{d, ledger.Stands})
}

func (s *Server) transfer(rw http.ResponseWriter, r *http.Request, v *visitor) {
	id := r.PathValue("id")
	t, err := s.o.Views.Transfer(r.Context(), id, s.o.Now())
	if s.unknown(rw, v, err, "transfer", id) {
		return
	}
	s.pages.show(rw, view{Title: t.Document, V: v, Here: r.URL.Path, Data: t, Outcome: s.outcome(r, t.ID)}, http.StatusOK, "transfer")
}

func (s *Server) received(rw http.ResponseWriter, r *http.Request, v *visitor) {
	d := list[views.Incoming](s, r, "q", "partner", "kind", "from", "to")
	after := r.URL.Query().Get("after")
	search := views.IncomingSearch{Kind: d.Get("kind"), Text: d.Get("q"), Partner: d.Get("partner"), After: after, Limit: pageSize}
	if search.Kind == views.KindRefused || search.Kind == views.KindStored { // they have no names of files
		search.MessageID, search.Text = search.Text, ""
	}
	search.From, search.To = d.days(s.zone())
	if search.Kind != "" && !slices.Contains(views.Kinds, search.Kind) {
		d.Wrong = "There is no kind " + search.Kind + "."
	}
	if d.Wrong == "" {
		var err error
		if d.Page, err = s.o.Views.Incoming(r.Context(), search, s.o.Now()); s.unknown(rw, v, err, "page of the list", after) {
			return
		}
	}
	d.link("/received", after)
	s.page(rw, r, v, "received", "Received", d)
}

func (s *Server) incoming(rw http.ResponseWriter, r *http.Request, v *visitor) {
	id := r.PathValue("id")
	m, err := s.o.Views.IncomingMessage(r.Context(), id, s.o.Now())
	if s.unknown(rw, v, err, "received message", id) {
		return
	}
	title := m.Name
	if title == "" {
		title = "Message from " + m.From
	}
	s.pages.show(rw, view{Title: title, V: v, Here: r.URL.Path, Data: m, Outcome: s.outcome(r, m.ID)}, http.StatusOK, "incoming")
}

func (s *Server) partners(rw http.ResponseWriter, r *http.Request, v *visitor) {
	s.page(rw, r, v, "partners", "Partners and stations", s.o.Views.Parties(s.o.Now()))
}

// partnerData fills the page of a partner.
type partnerData struct {
	views.PartnerOverview
	Settings views.Partner
	Problems []status.Problem
	Events   []ledger.Event
}

// partnerEvents is how many events the page of a partner shows.
const partnerEvents = 20

func (s *Server) partner(rw http.ResponseWriter, r *http.Request, v *visitor) {
	name := r.PathValue("name")
	o, err := s.o.Views.PartnerOverview(r.Context(), name, s.o.Now())
	if s.unknown(rw, v, err, "partner", name) {
		return
	}
	d := partnerData{PartnerOverview: o}
	if d.Settings, err = s.o.Views.Partner(name, s.o.Now()); s.unknown(rw, v, err, "partner", name) {
		return
	}
	if st := s.o.Status(); st != nil {
		for _, p := range st.Problems {
			if p.Partner == name {
				d.Problems = append(d.Problems, p)
			}
		}
	}
	if d.Events, err = s.o.Views.Events(r.Context(), name, partnerEvents); s.unknown(rw, v, err, "partner", name) {
		return
	}
	s.pages.show(rw, view{Title: name, V: v, Here: r.URL.Path, Data: d, Outcome: s.outcome(r, name)}, http.StatusOK, "partner")
}

// Bounds of what the schedule shows.
const scheduled = 10

func (s *Server) schedule(rw http.ResponseWriter, r *http.Request, v *visitor) {
	d := list[views.Planned](s, r, "partner")
	plan, err := s.o.Views.Schedule(r.Context(), d.Get("partner"), s.o.Now(), scheduled)
	if s.unknown(rw, v, err, "partner", d.Get("partner")) {
		return
	}
	d.Items = plan.Items
	s.page(rw, r, v, "schedule", "Schedule", struct {
		listData[views.Planned]
		LeftOut []string
	}{d, plan.LeftOut})
}

// healthData fills the page of that name.
type healthData struct {
	*status.Status
	Hang   bool
	Reason string // why the agent can do nothing for anybody
}

func (s *Server) health(rw http.ResponseWriter, r *http.Request, v *visitor) {
	st := s.o.Status()
	if st == nil {
		s.pages.failure(rw, v, http.StatusServiceUnavailable, "The agent is starting", "It has not looked how it is yet. Look again in a moment.")
		return
	}
	s.page(rw, r, v, "health", "Health", healthData{st, st.Hangs(s.o.Now()), st.NotReady()})
}

// Bounds of what the list of events shows.
const eventsShown = 200

func (s *Server) events(rw http.ResponseWriter, r *http.Request, v *visitor) {
	d := list[ledger.Event](s, r, "partner", "level")
	events, err := s.o.Views.Events(r.Context(), d.Get("partner"), eventsShown)
	if s.unknown(rw, v, err, "page", "events") {
		return
	}
	for _, e := range events {
		if level := d.Get("level"); level == "" || string(e.Level) == level || level == "warning" && e.Level == ledger.Alarm {
			d.Items = append(d.Items, e)
		}
	}
	s.page(rw, r, v, "events", "Events", d)
}
