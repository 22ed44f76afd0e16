// Package card writes what the other side of an AS2 connection needs to know of us, and
// reads such a card of theirs.
//
// A Card is built from the config alone: AS2 ID, URLs, certificates with their fingerprints
// and dates, what we send and what we accept. The same config gives the same bytes. HTML,
// Text and JSON write it for people and machines; schema.json beside this file describes
// the last one. There are no secrets in a card.
//
// Parse reads a card from outside. Whoever wrote it is not to be believed: sizes and counts
// are bounded, names and URLs are plain ASCII, certificates are read by package keys, and
// each fingerprint is computed anew and must be the one that is stated. What a card asks for
// that would leave us less protected than our defaults is in Agreement.Weak, and it is for
// the caller to refuse it. That a card is whole says nothing about who made it: fingerprints
// must be compared over another channel.
package card
