// Package logs is where an agent logs: to standard error, files, the journal of systemd and
// the event log of Windows, to several at once, each with a level and a format of its own.
//
// Logger stays the same while Take puts other places behind it, as a new config wants it.
// A place that does not take a line loses that line and stops nobody, as a disk that is
// full or a journal that hangs: the others have it, standard error is told once, and
// when the place takes lines again the first one there says how many are missing.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/journal"
	"github.com/as2drop/as2drop/internal/logfile"
	"github.com/as2drop/as2drop/internal/service"
)

// World is what the places are made of.
type World struct {
	Stderr io.Writer
	// Events is the event log of the service that runs this; it gets warnings and errors
	// whatever is configured. nil = no service of Windows does.
	Events service.EventWriter
}

// Logs are the places that are in force. It is safe for concurrent use, but for several
// calls of Take.
type Logs struct {
	world World
	now   inForce
	open  []*place
}

// inForce is the handler of all places. Who logs holds it for reading, so that no place is
// closed under his hands.
type inForce struct {
	mu      sync.RWMutex
	handler *slog.Handler
}

// place is one that is open.
type place struct {
	name    string
	handler slog.Handler
	file    *logfile.File // nil = it is no file
	closer  io.Closer     // nil = there is nothing to close
}

// Open opens places.
func Open(list []config.Log, w World) (*Logs, error) {
	l := &Logs{world: w}
	return l, l.Take(list)
}

// Logger logs to the places that are in force when it is used.
func (l *Logs) Logger() *slog.Logger { return slog.New(&handler{root: &l.now}) }

// Take opens places and has them take over. On an error nothing has changed.
func (l *Logs) Take(list []config.Log) error {
	var places []*place
	for i, c := range list {
		p, err := l.place(c)
		if err != nil {
			return errors.Join(fmt.Errorf("log[%d]: %w", i, err), closeAll(places))
		}
		places = append(places, p)
	}
	if p := l.events(list); p != nil {
		places = append(places, p)
	}
	handlers := make([]slog.Handler, len(places))
	for i, p := range places {
		handlers[i] = &careful{inner: p.handler, place: p.handler, lost: &loss{place: p.name, stderr: l.world.Stderr}}
	}
	var all slog.Handler = slog.NewMultiHandler(handlers...)
	l.now.mu.Lock()
	defer l.now.mu.Unlock()
	l.now.handler = &all
	former := l.open
	l.open = places
	return closeAll(former)
}

// events is the event log of a service that the config says nothing of.
func (l *Logs) events(list []config.Log) *place {
	if l.world.Events == nil {
		return nil
	}
	for _, c := range list {
		if c.To == config.ToEventLog {
			return nil
		}
	}
	return &place{name: "the event log", handler: service.Events(l.world.Events, slog.LevelWarn)}
}

func (l *Logs) place(c config.Log) (*place, error) {
	switch c.To {
	case config.ToFile:
		f, err := logfile.Open(c.File, logfile.Limits{Bytes: c.RotateSize, Every: c.RotateEvery, Keep: c.Keep, KeepFor: c.KeepFor, Compress: c.Compress})
		if err != nil {
			return nil, err
		}
		return &place{name: c.File, handler: lines(f, c), file: f, closer: f}, nil
	case config.ToJournald:
		j, err := journal.Open(c.Socket, c.Level)
		if err != nil {
			return nil, err
		}
		return &place{name: "the journal", handler: j, closer: j}, nil
	case config.ToEventLog:
		if l.world.Events != nil {
			return &place{name: "the event log", handler: service.Events(l.world.Events, c.Level)}, nil
		}
		w, closer, err := service.OpenEventLog("as2drop")
		if err != nil {
			return nil, err
		}
		return &place{name: "the event log", handler: service.Events(w, c.Level), closer: closer}, nil
	}
	return &place{name: "standard error", handler: lines(l.world.Stderr, c)}, nil
}

// lines writes a line each.
func lines(w io.Writer, c config.Log) slog.Handler {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// Reopen begins files anew that other programs have moved away.
func (l *Logs) Reopen() (err error) {
	l.now.mu.RLock()
	defer l.now.mu.RUnlock()
	for _, p := range l.open {
		if p.file != nil {
			err = errors.Join(err, p.file.Reopen())
		}
	}
	return err
}

// Close closes all places. What is logged then is lost.
func (l *Logs) Close() error {
	l.now.mu.Lock()
	defer l.now.mu.Unlock()
	nobody := slog.DiscardHandler
	l.now.handler = &nobody
	return closeAll(l.open)
}

func closeAll(places []*place) (err error) {
	for _, p := range places {
		if p.closer != nil {
			err = errors.Join(err, p.closer.Close())
		}
	}
	return err
}

// handler passes on to the handler that is in force, with the attributes and groups that
// it was given.
type handler struct {
	root  *inForce
	given []func(slog.Handler) slog.Handler
	made  atomic.Pointer[made]
}

// made is what became of the root with what was given.
type made struct {
	root  *slog.Handler
	whole slog.Handler
}

// whole is what lines go through. The caller holds root.
func (h *handler) whole() slog.Handler {
	root := h.root.handler
	if m := h.made.Load(); m != nil && m.root == root {
		return m.whole
	}
	whole := *root
	for _, give := range h.given {
		whole = give(whole)
	}
	h.made.Store(&made{root, whole})
	return whole
}

func (h *handler) Enabled(ctx context.Context, l slog.Level) bool {
	h.root.mu.RLock()
	defer h.root.mu.RUnlock()
	return h.whole().Enabled(ctx, l)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.root.mu.RLock()
	defer h.root.mu.RUnlock()
	return h.whole().Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(in slog.Handler) slog.Handler { return in.WithAttrs(attrs) })
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.with(func(in slog.Handler) slog.Handler { return in.WithGroup(name) })
}

func (h *handler) with(give func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{root: h.root, given: append(h.given[:len(h.given):len(h.given)], give)}
}
