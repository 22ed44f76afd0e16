// Package outbox takes a transfer from dropped files to verdict and filing.
//
// Scan looks at the outbox and records the intent to claim complete batches; Take carries
// several of those intents out together. Step performs one effect of one transfer and
// commits its result; Carry makes step after step until nothing is to be done now.
// Everything may stop after any line: a step that is repeated finds out how far it came.
//
//	state      effect of its step                            committed then
//	claiming   members move into .work/<id>                  claimed, or undone
//	claimed    hooks, checks; seal into .work/<id>/message   sealed, refused, or held
//	           (one alone that Take has moved is committed
//	           as claimed with that)
//	sealed     attempt is opened (sending), then the POST    settled, waiting, or sealed again
//	           (Carry opens the first one in the commit
//	           that says sealed)
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
// transfer.json in .work/<id> says from sealing on what the message was sealed with: address
// and certificates of that moment. It becomes the record of .evidence/<id> when the transfer
// is filed, with the verdict and the answer that settles; until then that answer is in the
// ledger. Beside it lie the message, answer-N.http of POSTs that settled nothing,
// receipt-X.http (X from its SHA-256), and certificates.pem with whoever signed a receipt and
// was not known when the message was sealed. OpenEvidence reads it, without ledger or config.
//
// transfer.json says sealed, in .work/<id>, before that is committed. So the folders tell of
// every transfer how far it can have come, and Repair reads back what a ledger lacks that was
// lost or put back from a copy:
//
//	.work/<id>, transfer.json says    it can have been     read back as
//	there is none                     claimed              put back into the outbox
//	claiming (of a retry, or held)    claimed              claiming
//	sealed                            posted               sealed, with an attempt of unknown outcome, or
//	                                                       settled by what is in the evidence
//	sealed, without its message, or   claimed              claiming: the power failed before the folders
//	  a file is in the outbox too;                         were synced, and so before the attempt was
//	  no .evidence/<id>                                    committed
//	a verdict                         settled              settled
//	sent, failed: a verdict           filed                filed
//
// What is synced for a document, in this order, and what needs it. A file that counts for
// nothing before a later commit is written under its name; a folder is synced once, after the
// last change that the commit rests on. TestCostOfADocument counts them.
//
//	.work                    of those taken together: the folder is there before anything is in it (O1);
//	                         an empty one that no row names is nothing, and Recover removes it
//	the member               its writer may not have (O1)
//	.work/<id>               the new name, before the old one goes (O1)
//	outbox                   of those taken together: claimed is true (O1, O2)
//	message                  fixed for life, once it is sealed (O3)
//	transfer.json            a ledger that is lost must not make the message anew (O3); evidence
//	.work/<id>               its name and that of the message, before sealed and the attempt (O3, O4)
//	transfer.json            of the evidence (O11)
//	.evidence                of those filed together: the folder, before the message moves into it (O7)
//	.evidence/<id>           the names of record and message, before it leaves .work/<id>
//	receipt.mdn              what is in sent is whole
//	transfer.json            as above; it is overwritten
//	.work/<id>               what is in the folder, before it is in sent
//	sent/<day>               of those filed together: filed is true (O1); before it sent, with the first document of a day
//	.work                    of those filed together: nothing of it comes back (O9)
//
// Of a small document that is alone some of that is done at the same time, by Deps.Beside,
// which returns when all of it has ended:
//
//	the message is sealed in memory | commit of the intent | .work/<id> is made, .work | sync of the member
//	rename, .work/<id>              | message              | transfer.json.part        |
//	transfer.json gets its name,    | outbox               |                           |
//	.work/<id> for that and message |                      |                           |
//
// Then it is committed as claimed and sealed, with its attempt. Without a transfer.json nothing
// of it counts.
//
// The package is synchronous, starts no goroutines and knows no YAML. Different
// transfers may be stepped at the same time, one by one step only. Those that come to be
// filed while another one is are filed together, by one of the calls; the others wait.
package outbox
