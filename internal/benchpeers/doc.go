// Package benchpeers measures the program beside OpenAS2 and pyas2-lib.
//
// Of each product two ends run as processes of their own on 127.0.0.1, a sender with an
// outbox and a folder of what is sent, and a receiver with an inbox. The same documents
// are dropped into the three outboxes in turn, with the same RSA keys, and travel signed,
// encrypted and with a signed receipt at once. The products take turns, round by round, in
// one run, and the ratios are those of the medians.
//
// A round counts only if every document arrived once, with its bytes, and the sender has
// filed it as sent. A peer that is missing, or that loses something, fails the run.
//
// The package is nothing but tests with the build tag peers, for Linux. make bench-peers
// brings the peers together and writes the tables of docs/performance.md; without flags
// the tests run small, to show that the way to the figures works.
package benchpeers
