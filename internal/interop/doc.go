// Package interop holds the program against AS2 products that others wrote.
//
// OpenAS2 and pyas2-lib run as live peers on 127.0.0.1; our agent is started as users
// start it, with a config.yaml, files dropped into outboxes and results read from
// sent, failed and inbox. Every permutation of protection, compression and receipt,
// and every algorithm that a peer has, goes over the wire in both directions, each case
// under an AS2 name of its own. A recording proxy stands between the two, to see the
// bytes, to spoil them where a case wants that, and to capture vectors.
//
// What comes out is a table, which is committed as docs/interop.md: a run that makes
// another one fails. A cell in which the peer is at fault is listed in
// testdata/interop/blame.json with its reason, and fails as soon as it works.
//
// The package is nothing but tests with the build tag interop. Run them with
// make interop, which brings the peers together. A peer that is missing fails the run.
package interop
