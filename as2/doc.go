// Package as2 is AS2 (RFC 4130) as a library: both sides of the protocol, without
// folders, databases or policy.
//
// Sending: Seal turns a payload into the message that goes over the wire and the
// digests (MIC) that a receipt must repeat; Client.Post posts it. Receiving: Handler
// gives each POST to a Backend; Open peels the layers off a message, checks them and
// hands out the payload. BuildMDN and ParseMDN write and read receipts.
//
// Messages of any size pass in constant memory and in one pass. Signatures and
// digests are taken over the exact bytes on the wire; nothing is parsed and written
// again. What Open writes to the payload before it returns is not authentic yet, and
// stays in the caller's staging area until then.
//
// An error that is a *Fault is the sender's fault and says which disposition to
// answer; its Detail is for our own log and must not be sent. Every other error of
// Open is ours: no receipt is given for it.
//
// Which clause of which RFC is implemented where is in CONFORMANCE.md.
package as2
