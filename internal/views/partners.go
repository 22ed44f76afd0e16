package views

import "time"

// Partner is how a partner is configured, without anything secret.
type Partner struct {
	Name         string        `json:"name"`
	Station      string        `json:"station"` // ours that it deals with
	AS2          string        `json:"as2_id"`
	URL          string        `json:"url,omitempty"` // without credentials; empty = it only sends to us
	Folder       string        `json:"folder"`
	Zone         string        `json:"zone"`
	Summary      string        `json:"summary"` // signature, encryption, receipt, in one line
	Order        string        `json:"order"`
	Window       string        `json:"window,omitempty"` // when is sent; empty = always
	Pickup       string        `json:"pickup,omitempty"`
	Certificates []Certificate `json:"certificates"`
}

// Station is one of our identities.
type Station struct {
	Name         string        `json:"name"`
	AS2          string        `json:"as2_id"`
	Partners     []string      `json:"partners"`
	Certificates []Certificate `json:"certificates"`
}

// Listener is an address where messages are received.
type Listener struct {
	Address      string        `json:"address"`
	Path         string        `json:"path"`
	URL          string        `json:"url,omitempty"` // as partners reach it
	TLS          bool          `json:"tls"`
	Certificates []Certificate `json:"certificates"`
}

// Parties are all partners, stations and addresses of a config.
type Parties struct {
	Partners  []Partner  `json:"partners"`
	Stations  []Station  `json:"stations"`
	Listeners []Listener `json:"listeners"`
}

// Certificate is one that is configured.
type Certificate struct {
	Use       []string  `json:"use"` // sign, encrypt, verify, decrypt, tls, client, authority
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`
	Key       string    `json:"key"` // RSA 2048
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Days      int       `json:"days"`            // until it expires; negative = since it has
	From      time.Time `json:"from,omitzero"`   // when it is begun to be used
	Until     time.Time `json:"until,omitzero"`  // when it is not used any more
	InUse     bool      `json:"in_use"`          // now, to sign or to encrypt
	Level     string    `json:"level,omitempty"` // warning, alarm; empty = nothing to do
	Words     string    `json:"words"`           // how long it is good for, and what to do
}
