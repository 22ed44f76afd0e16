// Package as2 is AS2 (RFC 4130) as a library: both sides of the protocol, without
// folders, databases or policy.
//
// Sending: Seal turns a payload into the message that goes over the wire and the
// digests (MIC) that a receipt must repeat; Client.Post posts it. Receiving: Handler
// gives each POST to a Backend; Open peels the layers off a message, checks them and
// hands out the payload.
//
// Receipts: ParseEnvelope reads what a message asks for. ReceiptRequest.Fault says
// whether it can be given and Signer signs it, BuildMDN writes it, with a Disposition
// that Disposition.For has in the words the partner knows. ParseMDN reads receipts of
// others and says in Claim why a signature does not count. Handler tells receipts that
// come on a connection of their own from messages, ReceiptFor says whose they claim to
// be, and a client made by NewReceiptClient posts ours without any credentials.
//
// Messages of any size pass in constant memory and in one pass. Signatures and
// digests are taken over the exact bytes on the wire; nothing is parsed and written
// again. What Open writes to the payload before it returns is not authentic yet, and
// stays in the caller's staging area until then. Inside of encryption without
// protection from changes, all that makes no sense has one answer, after all of the
// message was read and decrypted.
//
// Seal writes every permutation of signing, encryption and compression, for the
// AS2-Version of the partner: what a version forbids is an error and never written.
// What single partners need otherwise is in Quirks and off by default. Open reads
// liberally and refuses strictly: a spelling is forgiven, a missing protection, another
// signer or an algorithm that was not agreed upon is not. Examine goes on where Open
// refuses and says how a MIC may have come to be; Recompute makes one of a sealed
// message in another digest.
//
// An error that is a *Fault is the sender's fault and says which disposition to
// answer; its Detail is for our own log and must not be sent. Every other error of
// Open is ours: no receipt is given for it.
//
// Which clause of which RFC is implemented where is in CONFORMANCE.md.
package as2
