package as2

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// Message is one POST on its way to a Backend.
type Message struct {
	Header http.Header
	Body   io.Reader
	Length int64 // -1 = not stated
	Remote string
	// Certificates are those of the client's TLS handshake, its own first; the chain was
	// not verified.
	Certificates []*x509.Certificate
}

// Reply is the answer to a POST.
type Reply struct {
	Status     int           `json:"status"`
	Header     []Field       `json:"header,omitempty"`
	Body       []byte        `json:"body,omitempty"`
	RetryAfter time.Duration `json:"-"` // sent where it is not zero
}

// Unavailable is the answer to faults of ours: the sender shall try again.
func Unavailable(text string, retry time.Duration) Reply {
	r := plainReply(http.StatusServiceUnavailable, text)
	r.RetryAfter = retry
	return r
}

// Backend takes messages. Receive returns only when what its Reply states is durable, and
// nothing reads the Body after that.
type Backend interface {
	Receive(ctx context.Context, m *Message) Reply
}

// ReceiptBackend takes receipts that come on a connection of their own (asynchronous
// MDNs). Receive returns only when what its Reply states is durable.
type ReceiptBackend interface {
	ReceiveReceipt(ctx context.Context, m *Message) Reply
}

// Handler serves AS2 over HTTP.
type Handler struct {
	Backend  Backend
	Receipts ReceiptBackend // nil = no receipts are expected here
	Stall    time.Duration  // a body without a byte for so long is given up; default 2 min
	Log      *slog.Logger
}

// methods that a Handler takes.
const methods = "POST, GET, HEAD, OPTIONS"

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const hello = "This is an AS2 station. It takes messages by POST.\n"
	switch r.Method {
	case http.MethodPost:
	case http.MethodHead:
		// Products look with HEAD whether an AS2 or receipt URL answers.
		w.Header().Set("Content-Length", "0")
		return
	case http.MethodGet:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(hello)))
		io.WriteString(w, hello)
		return
	case http.MethodOptions:
		w.Header().Set("Allow", methods)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header().Set("Allow", methods)
		http.Error(w, "this is an AS2 station: it takes messages by POST", http.StatusMethodNotAllowed)
		return
	}
	reply := h.receive(w, r)
	for _, f := range reply.Header {
		w.Header()[f.Name] = append(w.Header()[f.Name], f.Value)
	}
	if reply.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(reply.RetryAfter.Seconds()+0.5)))
	}
	if reply.Status != http.StatusNoContent { // RFC 9110, 8.6
		w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	}
	w.WriteHeader(reply.Status)
	if len(reply.Body) == 0 {
		return
	}
	if _, err := w.Write(reply.Body); err != nil {
		h.Log.Warn("the answer did not go out; the sender will repeat the message", "remote", r.RemoteAddr, "error", err)
	}
}

// bodies are buffers in front of what is received.
var bodies = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, peekReceipt) }}

// receive calls the backend. A panic in it is a fault of ours like any other.
func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (reply Reply) {
	defer func() {
		if v := recover(); v != nil {
			h.Log.Error("receiving panicked", "remote", r.RemoteAddr, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			reply = Unavailable("internal error, please try again", time.Minute)
		}
	}()
	stall := orDefault(h.Stall, 2*time.Minute)
	body := bodies.Get().(*bufio.Reader)
	defer func() { body.Reset(nil); bodies.Put(body) }() // a Backend that has returned reads no more
	body.Reset(&stallReader{r: r.Body, control: http.NewResponseController(w), stall: stall})
	m := &Message{Header: r.Header, Body: body, Length: r.ContentLength, Remote: r.RemoteAddr}
	if r.TLS != nil {
		m.Certificates = r.TLS.PeerCertificates
	}
	switch {
	case !h.isReceipt(r, body):
		return h.Backend.Receive(r.Context(), m)
	case h.Receipts != nil:
		return h.Receipts.ReceiveReceipt(r.Context(), m)
	}
	h.Log.Warn("a receipt came to an address that takes none", "remote", r.RemoteAddr, "from", r.Header.Get("AS2-From"))
	return plainReply(http.StatusBadRequest, "This is a receipt (MDN). This address takes AS2 messages and expects no receipts.")
}

// isReceipt looks at the beginning of the body where the header does not decide. A
// body that cannot be read is its reader's trouble.
func (h *Handler) isReceipt(r *http.Request, body *bufio.Reader) bool {
	var start []byte
	if mayBeReceipt(r.Header) {
		start, _ = body.Peek(peekReceipt)
	}
	return IsReceipt(r.Header, start)
}

// stallReader moves the read deadline on with each read.
type stallReader struct {
	r       io.Reader
	control *http.ResponseController
	stall   time.Duration
}

func (s *stallReader) Read(p []byte) (int, error) {
	// Where the connection knows no deadlines the server's own limits must do.
	_ = s.control.SetReadDeadline(time.Now().Add(s.stall))
	return s.r.Read(p)
}
