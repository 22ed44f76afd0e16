package testpartner

import "net"

// Behaviour is how one visit is treated.
type Behaviour struct {
	Name string
	// Endless behaviours end because the visitor loses patience.
	Endless bool
	// connect treats a connection before anything was read; nil = TLS, and then a request.
	// What it returns is served; nil = nothing will come over it.
	connect func(p *Partner, raw net.Conn) net.Conn
	serve   func(v *visit) // a request
}

// MeddlesWithConnections reports whether a behaviour is for a connection, before any
// POST can come over it.
func MeddlesWithConnections(b Behaviour) bool { return b.connect != nil }

// Plan says how the n-th visit is treated, from 1. It is asked once for each, and by one
// goroutine at a time.
type Plan func(n int) Behaviour

// Script is a plan whose last step goes on for ever. None = Well.
func Script(steps ...Behaviour) Plan {
	if len(steps) == 0 {
		steps = []Behaviour{Well}
	}
	return func(n int) Behaviour { return steps[min(n, len(steps))-1] }
}

// Visit is the record of one.
type Visit struct {
	N          int // from 1
	Behaviour  string
	Connection int  // number of the connection, from 1
	Post       bool // a POST came; false = it came to nothing before that

	MessageID     string
	Header        string // SHA-256 of all fields that are sealed: none of the connection's, no credentials
	Body          string // SHA-256 of what came of the body
	Length        int64  // bytes of it
	Whole         bool   // it came to its end
	Authorization string // as it was sent
}
