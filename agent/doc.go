// Package agent is the composition root: it makes outboxes and the inbox out of a
// config and runs them. Watchers, timers, listeners, locks and shutdown are here, and
// the only goroutines that outlive a call. It decides nothing about files or
// messages: a watcher shortens the wait for the next scan, a timer says that something
// is due, and what happens then is decided in packages outbox and inbox.
//
// Every partner has a worker of its own, so that none delays another. A worker that
// panics is counted, reported and started again; a transfer that made it panic three
// times is held.
package agent
