// Package outbox takes a transfer from dropped files to verdict and filing.
//
// Scan looks at the outbox and records the intent to claim complete batches. Step
// performs one effect of one transfer and commits its result; called until it says
// that nothing is to be done now, it carries the transfer on. Everything may stop
// after any line: a step that is repeated finds out how far it came.
//
//	state      effect of its step                            committed then
//	claiming   members move into .work/<id>                  claimed, or undone
//	claimed    zip, sign, encrypt into .work/<id>/message    sealed
//	sealed     attempt is opened (sending), then the POST    settled, or sealed again
//	sending    nothing: whoever posted could not record it  as for an unknown outcome
//	settled    folder completed, one rename to sent/failed   filed
//	reopening  a given-up transfer's folder comes back       sealed
//
// What a receipt means is decided by judge, what follows from an event by next; both
// are pure. The package is synchronous, starts no goroutines and knows no YAML.
// Different transfers may be stepped at the same time.
package outbox
