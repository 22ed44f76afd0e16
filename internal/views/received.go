package views

import (
	"time"

	"github.com/as2drop/as2drop/ledger"
)

// Incoming is one line in a list of messages that came: accepted, refused, or stored and
// not opened yet.
type Incoming struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`              // received, refused, stored
	Partner     string    `json:"partner,omitempty"` // empty if the sender is unknown
	Name        string    `json:"name,omitempty"`    // of its document
	Files       int       `json:"files"`
	Bytes       int64     `json:"bytes"`
	MessageID   string    `json:"message_id,omitempty"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	At          time.Time `json:"at"`
	Words       string    `json:"words"`                 // where it stands, for people
	Held        bool      `json:"held"`                  // nothing goes on by itself
	Why         string    `json:"why,omitempty"`         // it was refused or is held
	Disposition string    `json:"disposition,omitempty"` // that a refusal was answered with
	Repeats     int       `json:"repeats,omitempty"`     // how often it came again
	Actions     []Action  `json:"actions"`
}

// Kinds of messages that came.
const (
	KindReceived = "received"
	KindRefused  = "refused"
	KindStored   = "stored"
)

// Kinds are all of them.
var Kinds = []string{KindReceived, KindRefused, KindStored}

// IncomingSearch says which messages are wanted. The zero value wants the accepted ones of
// all partners, the newest first.
type IncomingSearch struct {
	Kind      string // received, refused or stored; empty = received
	Text      string // as in Search, for accepted messages
	Partner   string
	MessageID string
	From, To  time.Time
	After     string
	Limit     int
}

// IncomingMessage is a message that came with everything that is known of it.
type IncomingMessage struct {
	Incoming
	Station   string            `json:"station,omitempty"`
	Remote    string            `json:"remote,omitempty"` // address it came from
	Published time.Time         `json:"published,omitzero"`
	Folder    string            `json:"folder,omitempty"` // in the inbox
	Members   []File            `json:"members"`
	Layers    []string          `json:"layers,omitempty"`
	Signer    string            `json:"signer,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
	MICs      map[string]string `json:"mics,omitempty"`
	Owed      *Owed             `json:"owed_receipt,omitempty"`
	Attempted []ledger.Attempt  `json:"attempted,omitempty"` // to post the receipt
	Hooks     []ledger.OwedHook `json:"hooks,omitempty"`
	Wishes    []ledger.Wish     `json:"wishes,omitempty"`
	Removed   []ledger.Removal  `json:"removed,omitempty"`
	Timeline  []Moment          `json:"timeline"`
}

// Owed is a receipt that is or was to be posted later.
type Owed struct {
	URL      string    `json:"url"`
	Open     bool      `json:"open"`
	Posts    int       `json:"posts"`
	Due      time.Time `json:"due,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Outcome  string    `json:"outcome,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Done     time.Time `json:"done,omitzero"`
}
