// Package bench says what backlogs and many partners cost.
//
// The real binary runs as a process of its own, on folders below $TMPDIR, and sends to a
// partner of package testpartner in this process. Two questions are asked:
//
//   - Backlog: so many documents lie in one outbox when the agent starts. How many does it
//     send in a second, in how much memory, and how much does it do for each? With ten and
//     a hundred times the documents the answers should be the same.
//   - Idle: so many partners have nothing to send. What do they cost, and how long does the
//     agent take to start?
//
// What was sent is counted by content at the partner, and in sent. A figure of a run that
// lost something, or sent it twice, is worth nothing.
//
// The package is nothing but tests, for Linux. With all others they run small, so that they
// still work when somebody wants the figures; make bench-backlog measures, and writes the
// tables of docs/performance.md.
package bench
