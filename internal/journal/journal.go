// Package journal logs to the journal of systemd in its own protocol: each attribute is a
// field of the entry, so that journalctl AS2DROP_PARTNER=acme finds what is about acme.
//
// MESSAGE is the message with its attributes behind it, as journalctl shows it; PRIORITY is
// the level: err, warning, info, debug. The fields of the attributes begin with AS2DROP_,
// because some names mean something to the journal (MESSAGE_ID).
//
// A journal that does not take an entry within a second is not waited for: the entry is
// lost and Handle says so, and the next ones wait a millisecond until one is taken.
package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// prefix begins the names of the fields that are ours.
const prefix = "AS2DROP_"

// Handler is a handler of log/slog. It is safe for concurrent use.
type Handler struct {
	out   *sender
	level slog.Leveler
	text  slog.Handler // writes MESSAGE into the buffer
	group string
	attrs []byte // fields of WithAttrs
}

// sender is what all handlers of one journal share.
type sender struct {
	mu   sync.Mutex
	buf  bytes.Buffer // of the text handlers
	conn conn
	wait time.Duration // for an entry to be taken
	slow bool          // it did not take the last entry in time

	closed bool
}

// conn takes entries.
type conn interface {
	send(entry []byte, limit time.Time) error
	close() error
}

// How long an entry waits for the journal.
const (
	patience   = time.Second
	impatience = time.Millisecond
)

// Open opens the journal behind a socket. An error means that nobody listens there.
func Open(socket string, level slog.Leveler) (*Handler, error) {
	c, err := dial(socket)
	if err != nil {
		return nil, err
	}
	return newHandler(c, level), nil
}

func newHandler(c conn, level slog.Leveler) *Handler {
	out := &sender{conn: c, wait: patience}
	text := slog.NewTextHandler(&out.buf, &slog.HandlerOptions{Level: slog.Level(-100), ReplaceAttr: withoutHead})
	return &Handler{out: out, level: level, text: text}
}

// withoutHead leaves out what the journal has fields for.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Close closes the journal. What is logged then is lost.
func (h *Handler) Close() error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.closed = true
	return h.out.conn.close()
}

// Enabled reports whether a level goes to the journal.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle sends an entry.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	if h.out.closed {
		return net.ErrClosed
	}
	h.out.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	text := strings.TrimSpace(r.Message + " " + h.out.buf.String())
	entry := appendField(nil, "MESSAGE", text)
	entry = appendField(entry, "PRIORITY", strconv.Itoa(priority(r.Level)))
	entry = appendField(entry, "SYSLOG_IDENTIFIER", "as2drop")
	entry = append(entry, h.attrs...)
	r.Attrs(func(a slog.Attr) bool { entry = appendAttr(entry, h.group, a); return true })
	wait := h.out.wait
	if h.out.slow {
		wait = impatience
	}
	err := h.out.conn.send(entry, time.Now().Add(wait))
	h.out.slow = err != nil
	return err
}

// WithAttrs is a handler that adds attributes to each entry.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.text, next.attrs = h.text.WithAttrs(attrs), slices.Clone(h.attrs)
	for _, a := range attrs {
		next.attrs = appendAttr(next.attrs, h.group, a)
	}
	return &next
}

// WithGroup is a handler whose further attributes are in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.text, next.group = h.text.WithGroup(name), h.group+name+"_"
	return &next
}

// priority is a level as syslog has it.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// appendAttr adds a field for an attribute, and one for each of a group.
func appendAttr(entry []byte, group string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			group += a.Key + "_"
		}
		for _, inner := range v.Group() {
			entry = appendAttr(entry, group, inner)
		}
		return entry
	case a.Key == "":
		return entry
	case v.Kind() == slog.KindTime:
		return appendField(entry, fieldName(group+a.Key), v.Time().Format(time.RFC3339Nano))
	}
	return appendField(entry, fieldName(group+a.Key), v.String())
}

// fieldName is a name that the journal takes: capital letters, digits and _, at most 64.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, prefix+key)
	return name[:min(len(name), 64)]
}

// appendField adds a field. One of several lines has its length before it.
func appendField(entry []byte, name, value string) []byte {
	entry = append(entry, name...)
	if strings.Contains(value, "\n") {
		entry = append(entry, '\n')
		entry = binary.LittleEndian.AppendUint64(entry, uint64(len(value)))
	} else {
		entry = append(entry, '=')
	}
	return append(append(entry, value...), '\n')
}
