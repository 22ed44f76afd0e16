package service

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// The identifiers of our entries in the event log of Windows. They are documented in
// docs/windows.md and never change their meaning.
const (
	EventStarted    = 1  // the agent works
	EventStopped    = 2  // the agent has ended as it was asked to
	EventReloaded   = 3  // the config was read anew
	EventInfo       = 5  // a line of the log of level INFO or DEBUG, where the config wants them
	EventWarning    = 10 // a line of the log of level WARN
	EventAlarm      = 20 // a line of the log of level ERROR: somebody has to look
	EventFailed     = 21 // the agent ended by itself, or did not begin
	EventSuppressed = 30 // entries were left out, because there were too many
)

// EventWriter is an event log. That of golang.org/x/sys/windows/svc/eventlog is one.
type EventWriter interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// entriesPerMinute bounds what goes into the event log, which other programs share.
const entriesPerMinute = 60

// Events is a handler of log/slog that writes what has a level, or a worse one, into an
// event log. What is beyond a number per minute is counted and left out.
func Events(w EventWriter, level slog.Level) slog.Handler {
	return &events{out: &eventOut{writer: w, now: time.Now}, level: level}
}

type events struct {
	out    *eventOut
	level  slog.Level
	prefix string // of attributes in groups
	attrs  []string
}

// eventOut is what all handlers of one log share.
type eventOut struct {
	writer EventWriter
	now    func() time.Time

	mu      sync.Mutex
	minute  time.Time
	written int
	left    int // left out since then
}

func (h *events) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *events) Handle(_ context.Context, r slog.Record) error {
	lines := append([]string{r.Message}, h.attrs...)
	r.Attrs(func(a slog.Attr) bool { lines = appendAttr(lines, h.prefix, a); return true })
	return h.out.write(r.Level, strings.Join(lines, "\r\n"))
}

func (h *events) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		next.attrs = appendAttr(next.attrs, h.prefix, a)
	}
	return &next
}

func (h *events) WithGroup(name string) slog.Handler {
	next := *h
	next.prefix += name + "."
	return &next
}

// appendAttr adds a line for an attribute, and one for each of a group.
func appendAttr(lines []string, prefix string, a slog.Attr) []string {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			lines = appendAttr(lines, prefix, inner)
		}
		return lines
	}
	return append(lines, prefix+a.Key+": "+v.String())
}

// maxEntry is the longest text of an entry, in bytes. Windows takes 31,839 characters.
const maxEntry = 16 << 10

func (o *eventOut) write(level slog.Level, text string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if now.Sub(o.minute) >= time.Minute || now.Before(o.minute) {
		if o.left > 0 {
			if err := o.writer.Warning(EventSuppressed, fmt.Sprintf("%d more entries were left out; the log file, if there is one, has them", o.left)); err != nil {
				return err
			}
		}
		o.minute, o.written, o.left = now, 0, 0
	}
	if o.written++; o.written > entriesPerMinute {
		o.left++
		return nil
	}
	// The log takes no zero, and what is cut is in the log file.
	text = strings.ReplaceAll(text, "\x00", "?")
	if len(text) > maxEntry {
		text = strings.ToValidUTF8(text[:maxEntry], "") + "..."
	}
	switch {
	case level >= slog.LevelError:
		return o.writer.Error(EventAlarm, text)
	case level >= slog.LevelWarn:
		return o.writer.Warning(EventWarning, text)
	}
	return o.writer.Info(EventInfo, text)
}
