// Package bench says what as2drop costs, and holds it against the limits of the machine.
//
// The real binary runs as processes of their own, on folders below $TMPDIR:
//
//   - Pair, Large, Tenfold: two agents, one of which sends to the other, with small and
//     with large documents, from a rename into the outbox to the file in the inbox.
//     limit_test.go measures in the same run what the primitives take that no product
//     can do without; operations.txt lists them.
//   - Backlog: so many documents lie in one outbox when the agent starts. How many does it
//     send in a second, in how much memory, and how much does it do for each? With ten and
//     a hundred times the documents the answers should be the same. The partner is one of
//     package testpartner, in this process.
//   - Idle: so many partners have nothing to send. What do they cost, and how long does the
//     agent take to start?
//
// What was sent is counted by content at the partner, and in sent. A figure of a run that
// lost something, or sent it twice, is worth nothing.
//
// The package is nothing but tests, for Linux. With all others they run small, so that they
// still work when somebody wants the figures; make bench measures, and writes the
// tables of docs/performance.md.
package bench
