// Package inbox takes a message from the request to files in a partner's inbox and
// gives the receipt.
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
// A repeat of a message is opened and verified in full; if it has the same MIC it gets
// the stored receipt, byte for byte. Faults of ours are 503 without a receipt, so that
// the sender tries again; negative receipts are for faults of the message.
//
// The package is synchronous, starts no goroutines and knows no YAML. Different
// messages may be received at the same time; two copies of one message wait for each
// other.
package inbox
