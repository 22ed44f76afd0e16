// Package alarms tells people what is wrong: by mail, a web service or a program.
//
// An alarm is one thing that is wrong, for one partner or for the agent itself. It comes of
// what a status calls a problem, and lasts while it does; or of events at level alarm: then
// it is a notice, or, where it is about transfers, lasts until something has become of each.
// However often the same is met, it is one alarm with a count.
//
//	Gather  reads what is new into the alarms of the ledger; it never counts an event twice
//	Plan    decides what each receiver is told now, and commits the message as owed
//	Deliver sends the owed message of one receiver, and commits that it arrived
//
// So each receiver is told of everything at least once, whatever the moment of a crash: the
// message is in the ledger, with its identifier, before anybody tries to send it, and is
// sent again under the same identifier until it arrives. A receiver owes one message at a
// time; what happens meanwhile is in the next one. A message that has not arrived for
// rewriteAfter is withdrawn and written anew, with what is so then.
//
// Package alarms is synchronous and asks the clock of its Desk. Waits, goroutines and the
// conditions are the agent's.
package alarms
