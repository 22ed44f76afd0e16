// Package outbox takes a transfer from dropped files to verdict and filing.
//
// Scan looks at the outbox and records the intent to claim complete batches. Step
// performs one effect of one transfer and commits its result; called until it says
// that nothing is to be done now, it carries the transfer on. Everything may stop
// after any line: a step that is repeated finds out how far it came.
//
//	state      effect of its step                            committed then
//	claiming   members move into .work/<id>                  claimed, or undone
//	claimed    hooks, checks; seal into .work/<id>/message   sealed, refused, or held
//	sealed     attempt is opened (sending), then the POST    settled, waiting, or sealed again
//	sending    nothing: whoever posted could not record it   as for an unknown outcome
//	waiting    nothing: no receipt came in time              as for an unknown outcome
//	settled    folder completed, one rename to sent/failed   filed
//	reopening  a given-up transfer's folder comes back       sealed
//
// A receipt on a connection of its own comes to ReceiveReceipt, at any moment and beside
// any step. It is written to the evidence, then what it means is committed:
//
//	the transfer is         a receipt that counts                    one that does not
//	never posted            does not count                           event, 404
//	sealed, waiting         settled                                  event, 403 or 400
//	sending (early)         settled; the POST closes its attempt     the same
//	settled as gave up      settled anew; RefileFrom is the intent   the same
//	  or filed so (late)      to move its folder out of failed
//	reopening               the same                                 the same
//	settled otherwise       event; alarm if it says otherwise        the same
//	  or filed so (double)
//
// Held ones are settled like the others. "Duplicate" after an unknown attempt holds them
// instead, unless it is accepted by the policy. Two that decide at the same time are
// told apart by compare-and-set on the row: who loses reads it again.
//
// What a receipt means is decided by judge, what it does by meet, what follows from an
// event by next; all are pure. judge asks for what only the sealed message can tell (a
// MIC in another digest, what the partner's is over) and is called again with it.
//
// .evidence/<id> is there from sealing on: request.http, certificates.pem, answer-N.http
// of each POST, receipt-X.http (X from its SHA-256); transfer.json and the message join
// them when the transfer is filed. OpenEvidence reads it, without ledger or config.
//
// transfer.json is in .work/<id> before the first member moves, and says sealed before that
// is committed. So the folders tell of every transfer how far it can have come, and Repair
// reads back what a ledger lacks that was lost or put back from a copy:
//
//	.work/<id>, transfer.json says    it can have been     read back as
//	nothing, or claiming              claimed              claiming
//	sealed                            posted               sealed, with an attempt of unknown outcome, or
//	                                                       settled by what is in the evidence
//	a verdict                         settled              settled
//	sent, failed: a verdict           filed                filed
//
// The package is synchronous, starts no goroutines and knows no YAML. Different
// transfers may be stepped at the same time, one by one step only.
package outbox
