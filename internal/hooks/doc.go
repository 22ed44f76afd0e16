// Package hooks runs what operators want run around a transfer: programs of theirs, and
// calls of their web services.
//
// A hook is told one JSON document, the Input: a program on its standard input, a service
// as the body of a POST. A program is started as it is named, never by a shell, with the
// arguments that the config says and nothing put into them. It has its time limit, and
// when that is over it is killed with everything that it started. What it prints is read
// to its end and kept up to a limit. Secrets are never part of what a hook is told.
//
// Runner.Run runs one hook once. Owed carries on the rows of the ledger that say which
// hooks are to be run because of what happened: at least once each, again after failures
// with waits that grow, until they are given up with an alarm. What becomes of a hook that
// runs afterwards never changes what became of its transfer.
//
// The package is synchronous: nothing that it starts outlives a call.
package hooks
