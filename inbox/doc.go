// Package inbox takes a message from the request to files in a partner's inbox and
// gives the receipt, at once or later.
//
// A message is staged in .incoming/<id>, opened and verified there, and unpacked.
// Then the row "received" is committed, with the final names and the receipt: it is
// the intent to publish. The files move to their final names, attachments first and
// the document last; then the row becomes "published", and only then the receipt
// leaves. Nothing unverified ever has a final name.
//
//	effect                                   committed then
//	stage, open, verify, unpack, sync        received (or a refusal)
//	move to final names, sync                published
//	move the evidence to .evidence/<id>      -
//
// A sender who wants his receipt on a connection of its own (Receipt-Delivery-Option)
// gets an empty 2xx as soon as header and body are durable, and Work does the rest. It
// carries the message on as if it came now; where the receipt would be the answer it
// is a row of its own, owed from the same commit as its cause.
//
//	effect                                   committed then
//	header and body to .incoming/<id>, sync  stored; then the 2xx
//	as above                                 received (or a refusal), the receipt owed
//	as above                                 published
//	-                                        an attempt to post the receipt
//	POST                                     delivered, or the next moment, or given up
//
// message.json, with the final names and the receipt, is in .incoming/<id> before
// "received" is committed. So the folders tell of every message how far it can have come,
// and Repair reads back what a ledger lacks: in .evidence it was published, in .incoming
// with its record it is published from wherever it came to, without one nothing of it is in
// the inbox.
//
// A stored message has a table of its own: what nobody has verified never stands in the
// way of another message of its Message-ID. A receipt is posted to the hosts agreed
// upon and to no other; a message that asks for another one is not taken, with a 4xx
// and no receipt. A receipt is not posted before its message is published. A crash at
// any point leaves the message stored, received or refused, and the receipt owed once.
//
// A repeat of a message is opened and verified in full; if it has the same MIC it gets
// the stored receipt, byte for byte, posted once more where it asks for that. Faults of
// ours are 503 without a receipt, so that the sender tries again, or leave a message
// stored; negative receipts are for faults of the message.
//
// With multipart/related (RFC 6362) each part is a file and all are one batch, the root
// its document. A single part that is a zip is unpacked; a zip among several is a file.
//
// # Syncs
//
// A message that waits for its receipt is synced so often and no more; testdata has the
// calls one by one, and a test holds them. Files are synced each, names with their folder:
//
//	raw                              the evidence of what is answered is there before it is
//	each file of the payload         I2: its content, before it is committed that it is
//	                                 published
//	message.json                     the same as raw; Repair: no file moves before it, or I3 is
//	                                 lost with the ledger
//	.incoming/<id>                   the names of all of these; Repair: before the record has its
//	                                 own, for it says that they were there
//	.incoming/<id>                   that of the record
//	.incoming                        its own name
//	commit "received"                I2, I3
//	inbox, behind the attachments    I6; not where there are none
//	inbox, behind the document       I2
//	.incoming/<id>                   I3: a file that a reader has taken does not come back
//	commit "published"               I2, I9
//	.evidence                        a folder that moved is in one place
//
// A payload of up to 256 KiB is never a file of its own, and a larger one that is taken
// apart is not synced. Of a larger zip what is stored and not compressed is laid down file by
// file as it comes, and not written a second time: bundle.Loose believes nothing but the directory
// at its end. Messages that come at the same time share commits, and package fsx has
// them share the syncs of the folders that they have in common.
//
// # Evidence
//
// Of every message that was opened, accepted or refused, .evidence/<id> keeps what
// proves again what we signed for. It stands by itself, without ledger and config; only
// what is encrypted needs our key:
//
//	message.json    the row as it was when the files began to move: digests, layers, names
//	                and digests of the files; the header of the request without Authorization
//	                and cookies, the receipt as it was given, and in DER the certificate that
//	                signed the message (signed_by) and ours that signed the receipt
//	                (receipt_by); of a refusal the fact
//	raw             body of the request, if it has no more than EvidenceUpTo bytes
//	headers.txt     header of the request, where it has to be there before anybody opens the
//	                message, or it was refused, or is not UTF-8, which JSON would change
//	receipt.mdn     the receipt of a refusal: status line, header, body
//	answer-<n>.http what the n-th POST of an asynchronous receipt was answered
//
// Earlier versions had header and receipt of every message in files of their own.
//
// # Limits
//
// The package is synchronous, starts no goroutines and knows no YAML. Different
// messages may be received at the same time, and several calls of Work may run; two
// copies of one message wait for each other. It does not remove evidence.
package inbox
