// Package testpartner is a partner for tests: an AS2 receiver over TLS that opens what
// it gets, answers with signed receipts, and misbehaves on command.
//
//	p, err := testpartner.Start(testpartner.Options{
//		Own: theirs, Sender: ours.Certificate,
//		Plan: testpartner.Script(testpartner.ResetBeforeBody, testpartner.Busy(503, "120"), testpartner.Well),
//	})
//	// ... post to p.URL() ...
//	p.Visits() // what came, with digests of what a repeated message must not change
//
// A visit is a POST, or a connection that a Behaviour meddles with before any POST can
// come. Each takes the next step of the plan; the last step of a Script goes on. What a
// real partner would have taken before things went wrong is delivered: after
// ResetBeforeAnswer the message is in, after ResetInBody it is not. Messages are
// remembered: a known Message-ID gets the stored receipt and is delivered once.
//
// Faults of the transport are made of crypto/tls, net/http and plain sockets. Behaviours
// that never answer end when the visitor goes away, with Release, or with Close.
// Nobody, NoSuchName and BlackHole are partners that are not there at all.
//
// It keeps the record of every visit in memory and messages only while they are read;
// with Options.Saw it keeps none of them. The program never imports it.
package testpartner
