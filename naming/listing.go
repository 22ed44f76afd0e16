package naming

import (
	"fmt"
	"time"
)

// File is one entry of an outbox as it was last seen.
type File struct {
	Name      string
	Size      int64         // bytes
	Unchanged time.Duration // for how long size, time and identity have stood still between two observations; negative = it came while the folder was being listed
	Busy      bool          // another program has it open for writing
	Dir       bool
}

// Claim is a key that was taken from the outbox lately, or is still on its way.
type Claim struct {
	Key      string
	Document string
	Sent     time.Time // when it was claimed
	InFlight bool      // not settled yet
}

// Listing is everything that Group may know.
type Listing struct {
	Files  []File
	Claims []Claim // within the window for late attachments, or in flight
}

// Batch is a document with its attachments, complete and ready to be claimed.
type Batch struct {
	Key         string
	Document    string
	Attachments []string // sorted
	Marker      string   // the marker file, to be claimed but not sent; "" = none
}

// Reason says in one word why a file waits; the words are stable.
type Reason string

const (
	WaitQuiet     Reason = "quiet"     // it, or a file it travels with, changed lately
	WaitBusy      Reason = "busy"      // another program writes to it
	WaitMarker    Reason = "marker"    // the marker file is missing
	WaitParts     Reason = "parts"     // announced parts are missing
	WaitNamed     Reason = "named"     // attachments that the document names are missing
	WaitBroken    Reason = "broken"    // the document cannot be read for the attachments that it names
	WaitDocument  Reason = "document"  // it pairs with nothing
	WaitAmbiguous Reason = "ambiguous" // several readings, none is taken
	WaitLate      Reason = "late"      // its document was sent already
	WaitInFlight  Reason = "in-flight" // an earlier document of the key is not settled
	WaitEmpty     Reason = "empty"     // it has no bytes
	WaitIgnored   Reason = "ignored"   // its name says that it is not finished, or is none of ours
	WaitSubfolder Reason = "subfolder" // folders are left alone
)

// Waiting is a file that stays where it is.
type Waiting struct {
	Name   string        `json:"name"`
	Key    string        `json:"key,omitempty"`
	Reason Reason        `json:"reason"`
	Text   string        `json:"text"`  // for people: what it waits for
	Alarm  bool          `json:"alarm"` // waiting alone will not help
	For    time.Duration `json:"-"`     // until it may be ready; 0 = not a matter of time
}

func waits(name, key string, reason Reason, alarm bool, text string, args ...any) Waiting {
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return Waiting{Name: name, Key: key, Reason: reason, Alarm: alarm, Text: text}
}
