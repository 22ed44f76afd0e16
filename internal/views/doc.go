// Package views is what an operator sees: the one read model behind the console, the API
// and the commands that list and show.
//
// A Reader answers questions about a config, the status of the agent and a ledger with
// plain structs that carry JSON tags: the overview, lists of transfers and of received
// messages that are searched and paged, one transfer with its timeline, partners and
// stations with their certificates, what is planned, and how the agent is. It changes
// nothing. Every question but Waiting, which lists all that is under way, is bounded, in rows
// and in what it reads, and each query uses an index, so that a ledger with a million
// transfers answers as fast as an empty one. Time is an argument.
//
// Nothing here holds a key, a password or data of a document.
package views
