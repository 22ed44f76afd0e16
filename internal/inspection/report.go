package inspection

import (
	"encoding/base64"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
)

// Keys are what a capture is opened with and held against.
type Keys struct {
	Identities []cms.Identity              // private keys that may open it
	Trust      func(name string) cms.Trust // whose signatures count for an AS2 name; nil = nobody's
	Spool      cms.NewSpool                // for AES-CCM
	At         time.Time                   // the moment of verification
}

func (k Keys) trust(name string) cms.Trust {
	if k.Trust == nil {
		return cms.Trust{}
	}
	return k.Trust(name)
}

// Report is what was found in a capture: a Message or a Receipt.
type Report struct {
	Start   string   `json:"start_line,omitempty"`
	Message *Message `json:"message,omitempty"`
	Receipt *Receipt `json:"receipt,omitempty"`
	Match   *Match   `json:"match,omitempty"` // of a message and a receipt
}

// Message is a message taken apart.
type Message struct {
	From      string   `json:"as2_from"`
	To        string   `json:"as2_to"`
	MessageID string   `json:"message_id"`
	Version   string   `json:"as2_version,omitempty"`
	Subject   string   `json:"subject,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
	Type      string   `json:"content_type"`
	Wants     string   `json:"receipt_wanted"`
	Layers    []Layer  `json:"layers"`                     // outermost first
	SignedBy  string   `json:"signed_by_sha256,omitempty"` // fingerprint of the certificate that verified
	Files     []File   `json:"files"`
	MICs      []MIC    `json:"mics"` // by the rule first, then every other known way
	Accepted  bool     `json:"accepted"`
	Answer    string   `json:"disposition"` // what a station with these keys would answer
	Fault     string   `json:"fault,omitempty"`
	Notes     []string `json:"notes,omitempty"`

	examined *as2.Examination
}

// Layer is one wrapping.
type Layer struct {
	Kind       string   `json:"kind"`
	Cipher     string   `json:"cipher,omitempty"`
	Transport  string   `json:"key_transport,omitempty"`
	Recipients []string `json:"recipients,omitempty"`
	Digest     string   `json:"digest,omitempty"`
	Scheme     string   `json:"scheme,omitempty"`
	Attributes bool     `json:"signed_attributes,omitempty"`
	Opaque     bool     `json:"opaque,omitempty"`
	Verified   bool     `json:"verified,omitempty"`
	Signer     string   `json:"signer,omitempty"`
	Legacy     bool     `json:"legacy,omitempty"`
}

// File is one file of a message.
type File struct {
	Name     string `json:"name"`
	Type     string `json:"content_type"`
	Size     int64  `json:"size"` // bytes
	SHA256   string `json:"sha256"`
	Document bool   `json:"document,omitempty"`
}

// MIC is one way to compute the message integrity check.
type MIC struct {
	Over   string `json:"over"`
	Digest string `json:"digest"`
	Base64 string `json:"mic"`
	Rule   bool   `json:"rule,omitempty"` // as the RFCs have it
}

// Receipt is a receipt taken apart.
type Receipt struct {
	From              string   `json:"as2_from,omitempty"`
	To                string   `json:"as2_to,omitempty"`
	OriginalMessageID string   `json:"original_message_id"`
	FinalRecipient    string   `json:"final_recipient,omitempty"`
	ReportingUA       string   `json:"reporting_ua,omitempty"`
	Disposition       string   `json:"disposition"` // as written
	Accepted          bool     `json:"accepted"`
	Meaning           string   `json:"meaning,omitempty"`
	MIC               string   `json:"received_content_mic,omitempty"` // as written
	Text              string   `json:"text,omitempty"`
	Details           []string `json:"details,omitempty"`
	Signed            bool     `json:"signed"` // and verified
	Signer            string   `json:"signer,omitempty"`
	SignedBy          string   `json:"signed_by_sha256,omitempty"` // fingerprint of its certificate
	Digest            string   `json:"digest,omitempty"`
	Scheme            string   `json:"scheme,omitempty"`
	Claim             string   `json:"signature_fault,omitempty"`
	Layers            []string `json:"layers"`
	Notes             []string `json:"notes,omitempty"`

	mics []as2.MIC
}

// Match says whether a receipt proves that a message arrived.
type Match struct {
	Equal bool   `json:"equal"`
	Over  string `json:"over,omitempty"` // what the other side's MIC is over, where that is known
	Text  string `json:"text"`
}

func encode(m as2.MIC) string { return base64.StdEncoding.EncodeToString(m.Sum) }
