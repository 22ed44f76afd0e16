package views

import (
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// Transfer is one line in a list of transfers.
type Transfer struct {
	ID        string         `json:"id"`
	Partner   string         `json:"partner"`
	Document  string         `json:"document"` // the file's name
	Key       string         `json:"key"`
	Files     int            `json:"files"` // that are sent, the document among them
	Bytes     int64          `json:"bytes"`
	Stand     ledger.Stand   `json:"stand"`
	State     ledger.State   `json:"state"`
	Verdict   ledger.Verdict `json:"verdict,omitempty"`
	Words     string         `json:"words"`         // the state, for people
	Why       string         `json:"why,omitempty"` // the fact behind it
	ToDo      string         `json:"to_do,omitempty"`
	MessageID string         `json:"message_id,omitempty"`
	Created   time.Time      `json:"created"`
	Due       time.Time      `json:"due,omitzero"`      // when it goes on by itself
	Deadline  time.Time      `json:"deadline,omitzero"` // when it is given up
	Filed     time.Time      `json:"filed,omitzero"`
	Attempts  int            `json:"attempts"`          // counted ones, in the present budget
	Posts     int            `json:"posts"`             // all of them
	Unknown   bool           `json:"unknown,omitempty"` // the partner may have it
	Actions   []Action       `json:"actions"`           // that make sense now
	Progress  *Progress      `json:"progress,omitempty"`
}

// Progress is how far a POST that is under way has come.
type Progress struct {
	Sent  int64     `json:"sent"`  // bytes
	Total int64     `json:"total"` // bytes
	Since time.Time `json:"since"`
}

// Action is what an operator can ask for.
type Action = ledger.WishKind

// Search says which transfers are wanted. The zero value wants all, the newest first.
type Search struct {
	Text      string       // the beginning of a word of a file name, a key, an identifier or a Message-ID
	Partner   string       // only of this one
	Stand     ledger.Stand // only those that stand so
	MessageID string       // exactly this one, with or without angle brackets
	From, To  time.Time    // created from the one on and before the other; zero = no limit
	After     string       // the identifier of the last line of the page before
	Limit     int          // lines of a page; 0 = DefaultLimit, at most MaxLimit
}

// Limits of pages, in lines.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// Page is a part of a list, the newest first.
type Page[T any] struct {
	Items []T `json:"items"`
	// Next is the After of the page that follows; empty = this is the last one.
	Next string `json:"next,omitempty"`
	// Reached is set when the search stopped before the page was full, because it had looked
	// at as many as one question may: nothing more was found that is younger than this moment.
	Reached time.Time `json:"reached,omitzero"`
}

// File is a file of a transfer or of a received message.
type File struct {
	Name   string `json:"name"`
	Role   string `json:"role"`           // document, attachment, marker
	From   string `json:"from,omitempty"` // the document that it was taken out of, or what the partner called it
	Hook   string `json:"hook,omitempty"` // that made it, to be sent in place of what was dropped
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

// Message is a transfer with everything that is known of it.
type Message struct {
	Transfer
	Station    string             `json:"station"`
	Folder     string             `json:"folder,omitempty"` // in the partner's folder, where it was filed
	RetryOf    string             `json:"retry_of,omitempty"`
	RetriedAs  string             `json:"retried_as,omitempty"`
	Held       *Held              `json:"held,omitempty"`
	Members    []File             `json:"members"`
	Sealed     *Sealed            `json:"sealed,omitempty"`
	Receipt    *Receipt           `json:"receipt,omitempty"`
	Objections []ledger.Objection `json:"objections,omitempty"`
	More       int                `json:"more_objections,omitempty"`
	Removed    []ledger.Removal   `json:"removed,omitempty"`
	Attempted  []ledger.Attempt   `json:"attempted"` // every POST, in order
	Hooks      []ledger.OwedHook  `json:"hooks,omitempty"`
	Wishes     []ledger.Wish      `json:"wishes,omitempty"` // who asked for what, the oldest first
	Timeline   []Moment           `json:"timeline"`         // all of it, the oldest first
}

// Held is why nothing is done for a transfer.
type Held struct {
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// Sealed is how a message travels.
type Sealed struct {
	Header       []as2.Field      `json:"header"` // without credentials
	Bytes        int64            `json:"bytes"`  // of the body
	SHA256       string           `json:"sha256"`
	MICs         []as2.MIC        `json:"mics"`
	Signed       bool             `json:"signed"`
	Encrypted    bool             `json:"encrypted"`
	Compressed   bool             `json:"compressed"`
	Files        []as2.SealedFile `json:"files,omitempty"`
	Certificates []string         `json:"certificates,omitempty"` // SHA-256 of those it was sealed with
}

// Receipt is an MDN.
type Receipt struct {
	Disposition string      `json:"disposition"`
	Header      []as2.Field `json:"header,omitempty"` // of its entity
	Text        string      `json:"text,omitempty"`   // what it says to people; cut at 64 KiB
	Signed      bool        `json:"signed"`
	Bytes       int         `json:"bytes"`
}

// Moment is one thing that happened to a transfer or received message.
type Moment struct {
	At    time.Time    `json:"at"`
	What  string       `json:"what"` // created, attempt, answer, receipt, event, wish, granted, hook, verdict, filed, ...
	Level ledger.Level `json:"level"`
	Text  string       `json:"text"`
	Hint  string       `json:"hint,omitempty"`
	By    string       `json:"by,omitempty"` // who asked for it
	N     int          `json:"n,omitempty"`  // of the attempt
}
