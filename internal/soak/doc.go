// Package soak lets two agents exchange batches for as long as one likes while everything
// around them fails, and then counts.
//
// Two agents, a and b, run as processes of the real binary on folders of their own. Between
// them stand two proxies that cut, delay, double, replay, withhold and lie. The agents are
// killed, stopped and started at random; their folders vanish, lose their permissions and
// run full. A dropper plays both ERPs and keeps a book: the SHA-256 of every file that it
// dropped. A reader takes files out of the inboxes as an ERP does and books what it took.
//
// When the faults end and both agents have come to rest, the judge compares the folders
// with the book, by content alone:
//
//   - every dropped file is exactly once in sent or in failed of the side that dropped it
//     (a late attachment may still wait in the outbox), with those of its batch;
//   - of what is in sent, every file is exactly once on the other side, under the partner
//     that it was dropped for, and its batch complete;
//   - in failed is only what a partner with few attempts has, at most once on the other
//     side, and there only if WHY.txt does not say otherwise;
//   - nothing else is in any inbox, and nothing is left in .work and .incoming.
//
// Neither the ledger nor the agent's own check is asked for that; check must find nothing
// either. Before a run is believed, the judge is shown the same folders with planted
// damage and must object to each.
//
// The package is nothing but tests. In short they run with all others; make soak runs
// them for a given time, with a seed that repeats every decision, though not the timing
// between processes.
package soak
