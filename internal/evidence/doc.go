// Package evidence proves again, from what was kept of a transfer or a received message
// and from nothing else, who signed what.
//
// The folder .evidence/<id> of a partner holds the message as it went over the wire,
// every answer and receipt, and the certificates of the time. Of a message that we sent,
// Prove opens it anew, computes its MIC and looks for a receipt with the partner's
// signature that repeats it: then the partner cannot deny to have received these bytes
// (non-repudiation of receipt, RFC 4130, 2.4.2). Of a message that we received, it
// verifies the sender's signature: then the sender cannot deny to have sent them
// (non-repudiation of origin). The digest of every file inside is shown, so that a file
// at hand can be compared.
//
// The ledger is not asked. What our own records claim (transfer.json, message.json) is
// compared and never counts as proof. An encrypted message needs one of our private
// keys to be opened. Nothing is written.
package evidence
