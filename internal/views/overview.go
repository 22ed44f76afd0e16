package views

import (
	"time"

	"github.com/as2drop/as2drop/internal/agenda"
	"github.com/as2drop/as2drop/internal/status"
)

// Overview is the first page: every partner, and what is wrong.
type Overview struct {
	At       time.Time         `json:"at"`
	Today    time.Time         `json:"today"` // when today began, in the zone of the config
	Running  bool              `json:"running"`
	Version  string            `json:"version"`
	Since    time.Time         `json:"since,omitzero"`  // when the agent started
	Looked   time.Time         `json:"looked,omitzero"` // when the agent looked how it is
	Partners []PartnerOverview `json:"partners"`        // in the order of the config
	Problems []status.Problem  `json:"problems"`        // alarms first
	Hours    []Slot            `json:"hours"`           // the last 24, of all partners, the oldest first
	Days     []Slot            `json:"days"`            // the last 30, today the last
}

// PartnerOverview is one partner on the first page.
type PartnerOverview struct {
	Name         string    `json:"name"`
	State        string    `json:"state"` // as in status: ok, paused, failing, ...
	Words        string    `json:"words"` // the state, for people
	Since        time.Time `json:"since,omitzero"`
	InOutbox     int       `json:"in_outbox"` // files
	Ready        int       `json:"ready"`     // complete batches among them
	InFlight     int       `json:"in_flight"` // transfers without verdict that nobody holds
	Held         int       `json:"held"`      // and those that wait for their turn
	SentToday    int64     `json:"sent_today"`
	FailedToday  int64     `json:"failed_today"`
	GotToday     int64     `json:"received_today"`
	RefusedToday int64     `json:"refused_today"`
	LastSent     time.Time `json:"last_sent,omitzero"` // the last success
	LastFailed   time.Time `json:"last_failed,omitzero"`
	LastReceived time.Time `json:"last_received,omitzero"`
	Paused       bool      `json:"paused"`
	Alarms       int       `json:"alarms"`
	Warnings     int       `json:"warnings"`
	Hours        []Slot    `json:"hours,omitempty"` // the last 24; of one partner alone
	Days         []Slot    `json:"days,omitempty"`  // the last 30; of one partner alone
}

// Slot is what happened in an hour or a day.
type Slot struct {
	From          time.Time `json:"from"`
	Sent          int64     `json:"sent"`
	SentBytes     int64     `json:"sent_bytes"`
	Failed        int64     `json:"failed"`
	Received      int64     `json:"received"`
	ReceivedBytes int64     `json:"received_bytes"`
	Refused       int64     `json:"refused"`
}

// Planned is one thing that will happen.
type Planned struct {
	agenda.Item
	Local string `json:"local"` // wall time, zone and offset
}

// Schedule is what will happen, the earliest first.
type Schedule struct {
	Items   []Planned `json:"items"`
	LeftOut []string  `json:"left_out,omitempty"` // partners of which more is open than is listed
}
