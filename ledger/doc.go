// Package ledger keeps what is true: transfers and their attempts, received messages
// and the receipts given for them, events, and what the operator wishes.
//
// It is one SQLite database, in WAL mode with synchronous=FULL: what Update has
// returned without error survives a power cut. Every change of a row that has a life
// (Transfer, Received, Stored, OwedMDN) is compare-and-set on its Version; who loses gets
// ErrLost and has changed nothing. Concurrent Updates share one commit and one sync,
// each in its own savepoint, so that one that fails never takes others with it.
//
// Rows that rules are made of are columns with indexes and constraints: one open
// attempt per transfer, one delivery per message, one file name per inbox while it
// is being published. Everything else of a row is a JSON document in it.
//
// The package knows states and verdicts by name and enforces uniqueness; which state
// follows which is decided by outbox and inbox. It does not know AS2: headers,
// digests and receipts are bytes to it. Deleted are names reserved for publishing, pauses
// that ended, and by retention: events, attempts, wishes that were dealt with and stored
// messages that were opened. Transfers, received messages and refusals never are, and so
// neither are Message-IDs, MICs and receipts.
//
// Several processes may open one ledger, on a local disk. On a network file system
// SQLite's locks cannot be relied upon, and Open refuses it.
package ledger
