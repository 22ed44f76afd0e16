package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilTold ends with the first Ctrl-C or SIGTERM. The second one ends the process as if
// nobody had listened, whatever is under way, and however soon it comes.
func untilTold() (ctx context.Context, stop func()) {
	told := make(chan os.Signal, 2)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	ctx, end := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		select {
		case <-over:
			return
		case <-told:
			end()
		}
		select {
		case <-over:
		case s := <-told:
			dieOf(s)
		}
	}()
	return ctx, func() {
		signal.Stop(told)
		close(over)
		end()
	}
}

// dieOf ends the process by a signal. Windows has none to end it by.
func dieOf(s os.Signal) {
	signal.Reset(s)
	if self, err := os.FindProcess(os.Getpid()); err != nil || self.Signal(s) != nil {
		os.Exit(exitFailed)
	}
}
