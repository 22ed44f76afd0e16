package ledger

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// State is where a transfer stands. The order of the constants is the usual one.
type State string

const (
	StateClaiming  State = "claiming"  // the intent to take files from the outbox is recorded
	StateClaimed   State = "claimed"   // they lie in .work
	StateSealed    State = "sealed"    // the message is ready to be posted
	StateSending   State = "sending"   // an attempt is open
	StateWaiting   State = "waiting"   // posted; the receipt comes later
	StateSettled   State = "settled"   // the verdict is committed, filing is not done
	StateFiled     State = "filed"     // the files lie in sent or failed
	StateReopening State = "reopening" // the intent to take a given-up transfer back is recorded
	StateUndone    State = "undone"    // the claim was undone, the files are back
)

// Open reports whether something is still to be done.
func (s State) Open() bool { return s != StateFiled && s != StateUndone }

// Verdict is what was concluded about a transfer.
type Verdict string

const (
	VerdictNone        Verdict = ""
	VerdictAccepted    Verdict = "accepted"                    // receipt authentic, MIC equal
	VerdictUnverified  Verdict = "accepted, MIC unverified"    // unsigned message, receipt without MIC
	VerdictNoReceipt   Verdict = "delivered, no receipt asked" // any 2xx
	VerdictReceiptLost Verdict = "delivered, receipt lost"     // "duplicate" after an unknown attempt
	VerdictRejected    Verdict = "rejected"                    // the receipt, or a final status, says no
	VerdictRefused     Verdict = "refused"                     // never posted: we refused it ourselves
	VerdictGaveUp      Verdict = "gave up"                     // attempts or time used up
)

// Sent reports whether the files belong in sent.
func (v Verdict) Sent() bool {
	switch v {
	case VerdictAccepted, VerdictUnverified, VerdictNoReceipt, VerdictReceiptLost:
		return true
	}
	return false
}

// Role is what a file is to its batch.
type Role string

const (
	RoleDocument   Role = "document"
	RoleAttachment Role = "attachment"
	RoleMarker     Role = "marker" // claimed, not sent
)

// Member is one claimed file as it was when it was claimed.
type Member struct {
	Name     string `json:"name"`
	Role     Role   `json:"role"`
	Size     int64  `json:"size"`     // bytes
	MTime    int64  `json:"mtime"`    // nanoseconds since 1970
	Identity string `json:"identity"` // fsx.ID
	SHA256   string `json:"sha256,omitempty"`
}

// Changed is a file that a hook made, to be sent in place of the member of its name, or
// beside the members. It lies in the folder changed-by-hook beside them.
type Changed struct {
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	Size   int64  `json:"size"`  // bytes
	MTime  int64  `json:"mtime"` // nanoseconds since 1970
	SHA256 string `json:"sha256,omitempty"`
	Hook   string `json:"hook"` // its name in the config
}

// Objection is what a check of outbox.checks found in a batch.
type Objection struct {
	Rule    string `json:"rule"`
	Refuses bool   `json:"refuses,omitempty"` // else it warns
	File    string `json:"file,omitempty"`    // empty = the batch as a whole
	Place   string `json:"place,omitempty"`   // in the file
	Fact    string `json:"fact"`
	Next    string `json:"next,omitempty"` // what to do
}

// Transfer is the journey of one batch under one Message-ID.
type Transfer struct {
	ID       string    `json:"id"`
	Partner  string    `json:"partner"`
	Station  string    `json:"station"`
	Key      string    `json:"key"`
	Document string    `json:"document"`
	Source   string    `json:"source"` // folder the files were claimed from
	RetryOf  string    `json:"retry_of,omitempty"`
	State    State     `json:"state"`
	Version  int64     `json:"version"`
	Hold     string    `json:"hold,omitempty"` // reason; empty = not held
	HoldBy   string    `json:"hold_by,omitempty"`
	HoldCode string    `json:"hold_code,omitempty"` // cause, for holds by the agent
	Members  []Member  `json:"members"`
	Changed  []Changed `json:"changed,omitempty"` // by hooks, before it was sealed
	Created  time.Time `json:"created"`
	Due      time.Time `json:"due,omitzero"`
	DueSet   time.Time `json:"due_set,omitzero"` // when Due was stored, by the clock of then
	Deadline time.Time `json:"deadline,omitzero"`

	MessageID    string          `json:"message_id"`
	Sealed       json.RawMessage `json:"sealed,omitempty"`       // as2.Sealed: fixed for life
	Certificates []string        `json:"certificates,omitempty"` // fingerprints it was sealed with
	Config       string          `json:"config"`                 // hash of the config it began with
	Attempts     int             `json:"attempts"`               // counted ones, in the present budget
	Posts        int             `json:"posts"`                  // all of them
	Unknown      bool            `json:"unknown,omitempty"`      // the partner may have it

	Verdict     Verdict   `json:"verdict,omitempty"`
	Reason      string    `json:"reason,omitempty"` // fact
	Next        string    `json:"next,omitempty"`   // what an operator can do
	Disposition string    `json:"disposition,omitempty"`
	Receipt     []byte    `json:"receipt,omitempty"` // the MDN's bytes, headers included
	FilePath    string    `json:"file_path,omitempty"`
	RefileFrom  string    `json:"refile_from,omitempty"` // a late receipt superseded "gave up"
	Settled     time.Time `json:"settled,omitzero"`
	Filed       time.Time `json:"filed,omitzero"`

	Objections     []Objection `json:"objections,omitempty"`      // of the checks, refusals first
	MoreObjections int         `json:"more_objections,omitempty"` // that are not listed

	Turn      int64     `json:"turn,omitempty"`       // place among those of a partner that go in order; 0 = it goes by itself
	Behind    bool      `json:"behind,omitempty"`     // rests until an earlier one is settled
	Blocks    bool      `json:"blocks,omitempty"`     // failed, and those behind it wait for an operator
	RetriedAs string    `json:"retried_as,omitempty"` // the transfer that a retry made of its files
	Removed   []Removal `json:"removed,omitempty"`    // by retention
}

// Replaced reports whether something that a hook made was sent in place of a member.
func (t *Transfer) Replaced(member string) bool {
	return slices.ContainsFunc(t.Changed, func(c Changed) bool { return c.Name == member })
}

// Size is that of all files that were dropped to be sent, in bytes.
func (t *Transfer) Size() int64 {
	var n int64
	for _, m := range t.Members {
		if m.Role != RoleMarker {
			n += m.Size
		}
	}
	return n
}

// Outcome is how an attempt ended.
type Outcome string

const (
	OutcomeOpen     Outcome = "open"
	OutcomeNotSent  Outcome = "not sent" // the partner cannot have it
	OutcomeUnknown  Outcome = "unknown"  // the partner may have it
	OutcomeWaiting  Outcome = "waiting"  // the partner took it; the receipt is to come
	OutcomeAnswered Outcome = "answered"
)

// Attempt is one POST.
type Attempt struct {
	Transfer string    `json:"transfer"` // or the received message whose receipt is posted
	N        int       `json:"n"`
	Opened   time.Time `json:"opened"`
	Closed   time.Time `json:"closed,omitzero"`
	Process  string    `json:"process"` // of the agent that opened it
	URL      string    `json:"url"`
	Config   string    `json:"config"`
	Outcome  Outcome   `json:"outcome"`
	Counted  bool      `json:"counted"`
	Status   int       `json:"status,omitempty"` // HTTP
	Text     string    `json:"text,omitempty"`
}

// ReceivedState is where a received message stands.
type ReceivedState string

const (
	ReceivedReceived  ReceivedState = "received"  // verified; the intent to publish
	ReceivedPublished ReceivedState = "published" // all files have their final names
)

// ReceivedFile is one file of a received batch.
type ReceivedFile struct {
	Entry    string `json:"entry"`            // as the partner called it
	From     string `json:"from,omitempty"`   // the document that it was taken out of
	Staged   string `json:"staged"`           // in .incoming/<id>
	Final    string `json:"final"`            // in the inbox
	Folder   string `json:"folder,omitempty"` // in the inbox, where the files of one message have several
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Document bool   `json:"document,omitempty"`
	Taken    bool   `json:"taken,omitempty"` // a reader had taken it before publishing was recorded
}

// Received is one message that was accepted.
type Received struct {
	ID        string            `json:"id"`
	Partner   string            `json:"partner"`
	Station   string            `json:"station"`
	From      string            `json:"from"`
	To        string            `json:"to"`
	MessageID string            `json:"message_id"`
	State     ReceivedState     `json:"state"`
	Version   int64             `json:"version"`
	Hold      string            `json:"hold,omitempty"`
	At        time.Time         `json:"at"`
	Published time.Time         `json:"published,omitzero"`
	MICs      map[string]string `json:"mics"` // digest name to base64
	Key       string            `json:"key"`
	Folder    string            `json:"folder,omitempty"` // in the inbox, with layout batch
	Files     []ReceivedFile    `json:"files"`
	Receipt   json.RawMessage   `json:"receipt,omitempty"` // status, headers and body of the answer: every repeat gets the same
	Signer    string            `json:"signer,omitempty"`
	// The certificate that signed the message and ours that signed the receipt, DER. They are in
	// rows of earlier versions, and in the record of the evidence.
	SignedBy  []byte    `json:"signed_by,omitempty"`
	ReceiptBy []byte    `json:"receipt_by,omitempty"`
	Layers    []string  `json:"layers"`
	Notes     []string  `json:"notes,omitempty"`
	Config    string    `json:"config"`
	Repeats   int       `json:"repeats,omitempty"`
	Removed   []Removal `json:"removed,omitempty"` // by retention
}

// FolderOf is the folder in the inbox that a file is in, empty if it is in none.
func (r *Received) FolderOf(f ReceivedFile) string { return cmp.Or(f.Folder, r.Folder) }

// ByFolder are the files of each folder in the inbox; none where files are not in folders.
func (r *Received) ByFolder() (folders [][]*ReceivedFile) {
	place := map[string]int{}
	for i := range r.Files {
		f := &r.Files[i]
		name := r.FolderOf(*f)
		if name == "" {
			return nil
		}
		n, ok := place[name]
		if !ok {
			n = len(folders)
			place[name], folders = n, append(folders, nil)
		}
		folders[n] = append(folders[n], f)
	}
	return folders
}

// Places are the names that the message takes in the inbox, each once: of files that are
// not in a folder, and of folders.
func (r *Received) Places() []string {
	places := make([]string, 0, len(r.Files))
	seen := map[string]bool{}
	for _, f := range r.Files {
		folder := r.FolderOf(f)
		if folder == "" {
			places = append(places, f.Final)
		} else if !seen[folder] {
			places = append(places, folder)
			seen[folder] = true
		}
	}
	return places
}

// Refusal is a message that was not accepted. It never stands in the way of a repeat.
type Refusal struct {
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	Partner     string    `json:"partner"` // empty if the sender is unknown
	From        string    `json:"from"`
	To          string    `json:"to"`
	MessageID   string    `json:"message_id"`
	Remote      string    `json:"remote"`
	Disposition string    `json:"disposition"`
	Fact        string    `json:"fact"` // for us; never sent
	// Receipt is the answer as it was given, where the message is kept as evidence.
	Receipt   json.RawMessage `json:"receipt,omitempty"`
	ReceiptBy []byte          `json:"receipt_by,omitempty"` // ours that signed it, DER
	Removed   []Removal       `json:"removed,omitempty"`    // by retention
}

// Stored is a message whose sender wants the receipt later: header and body lie in
// .incoming/<id>, nobody has verified them. What becomes of it is a Received or a
// Refusal of the same ID, or a repeat of an earlier Received.
type Stored struct {
	ID        string    `json:"id"`
	Partner   string    `json:"partner"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	MessageID string    `json:"message_id"`
	Remote    string    `json:"remote"`
	URL       string    `json:"url"` // where the receipt is to be posted
	At        time.Time `json:"at"`
	Open      bool      `json:"open"`
	Due       time.Time `json:"due,omitzero"`
	Tries     int       `json:"tries,omitempty"` // that ended with a fault of ours
	Panics    int       `json:"panics,omitempty"`
	Hold      string    `json:"hold,omitempty"`
	Outcome   string    `json:"outcome,omitempty"` // "accepted", "refused", "repeat of <id>"
	Version   int64     `json:"version"`
}

// OwedMDN is a receipt that is to be posted later. Each POST of it is an Attempt whose
// Transfer is Received.
type OwedMDN struct {
	Received string          `json:"received"` // the message or refusal that it is about
	Partner  string          `json:"partner"`
	URL      string          `json:"url"`
	Receipt  json.RawMessage `json:"receipt"` // header and body: every POST has the same
	Open     bool            `json:"open"`
	Posting  bool            `json:"posting,omitempty"` // an attempt is open
	Attempts int             `json:"attempts"`          // counted ones, in the present budget
	Posts    int             `json:"posts"`             // all of them
	Due      time.Time       `json:"due"`
	Deadline time.Time       `json:"deadline,omitzero"`
	Asked    int             `json:"asked"`             // how often the message came and asked for it
	Outcome  string          `json:"outcome,omitempty"` // "delivered" or "gave up", once it is not open
	Reason   string          `json:"reason,omitempty"`  // why the last attempt failed
	Done     time.Time       `json:"done,omitzero"`
	Version  int64           `json:"version"`
}

// Level is how much an event matters.
type Level string

const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "alarm" // somebody has to do something
)

// Event is something worth telling.
type Event struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Level   Level     `json:"level"`
	Partner string    `json:"partner,omitempty"`
	Subject string    `json:"subject,omitempty"` // transfer or received message
	Code    string    `json:"code"`              // stable, for machines
	Text    string    `json:"text"`
	Hint    string    `json:"hint,omitempty"`
}

// WishKind is what an operator may ask of a running agent.
type WishKind string

const (
	WishRetry   WishKind = "retry"
	WishHold    WishKind = "hold"
	WishRelease WishKind = "release"
	WishStop    WishKind = "stop"    // end the agent itself
	WishDismiss WishKind = "dismiss" // give a transfer up for good
	WishRetain  WishKind = "retain"  // remove now what retention would remove next
	WishRerun   WishKind = "rerun"   // run hooks again that were given up
)

// Wish is a request to the agent. Partner alone means all of the partner.
type Wish struct {
	ID       string    `json:"id"`
	Kind     WishKind  `json:"kind"`
	Partner  string    `json:"partner,omitempty"`
	Transfer string    `json:"transfer,omitempty"`
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
	Done     time.Time `json:"done,omitzero"`
	Result   string    `json:"result,omitempty"`
}

// Pause stops all posting to a partner.
type Pause struct {
	Partner string    `json:"partner"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // when one transfer may probe; zero = when released
	Tries   int       `json:"tries"`          // probes so far
	Reason  string    `json:"reason"`
	Hint    string    `json:"hint,omitempty"`
	By      string    `json:"by"` // "agent" or "operator"
}

// Folder is what the marker of a partner's folder must say.
type Folder struct {
	Partner string    `json:"partner"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Generation is the highest that this ledger wrote into the marker. A marker with a
	// higher one proves that the folder knows more; -1 = it may: the ledger is a copy.
	Generation int64 `json:"generation"`
}

// Station is one of our identities as it was configured.
type Station struct {
	Name string    `json:"name"`
	AS2  string    `json:"as2_id"`
	Seen time.Time `json:"seen"` // last start with it
}

// Certificate is one that was configured for a station or partner.
type Certificate struct {
	Owner       string    `json:"owner"` // "station NAME" or "partner NAME"
	Fingerprint string    `json:"fingerprint"`
	Subject     string    `json:"subject"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Seen        time.Time `json:"seen"` // last start with it
}

// Finding is a disagreement between the ledger and the folders.
type Finding struct {
	Partner string `json:"partner"`
	Path    string `json:"path,omitempty"` // in the partner's folder
	Subject string `json:"subject,omitempty"`
	Fact    string `json:"fact"`
	Hint    string `json:"hint,omitempty"`
	// Repair is what check --repair does about it; empty = it cannot mend it, or need not.
	Repair string `json:"repair,omitempty"`
}
