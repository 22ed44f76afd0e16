// Package inspection takes a raw AS2 message or receipt apart and says what is in it:
// every layer with its algorithms, the signer, the files, the MIC in each digest, what
// would be answered and why, and for a receipt its disposition and what that means.
//
// Read splits what was captured into header and body, from one file or two. Message and
// Receipt look at it and go on where a station would refuse: a signature that does not
// verify and a key that is missing are findings, not errors. Compare holds a receipt
// against the message that it is for and, where the MIC differs, finds the known way to
// compute it that the other side has used.
//
// A report is for people (Print) and for machines (its JSON). Nothing in it is
// authenticated unless it says so. Messages of any size pass in constant memory.
package inspection
