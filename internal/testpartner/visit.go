package testpartner

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/as2drop/as2drop/as2"
)

// visit is a POST while it is served.
type visit struct {
	p    *Partner
	w    http.ResponseWriter
	r    *http.Request
	seen *Visit
	body []byte
	told bool // the record is complete
}

// maxBody bounds a message, in bytes.
const maxBody = 256 << 20

// visit serves one POST.
func (p *Partner) visit(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST", http.StatusMethodNotAllowed)
		return
	}
	if p.options.Began != nil {
		p.options.Began()
	}
	p.mu.Lock()
	select {
	case <-p.closed: // nobody waits for this visit any more
		p.mu.Unlock()
		return
	default:
	}
	p.served.Add(1)
	defer p.served.Done()
	for p.step().serve == nil {
		// It is for connections, and this one came before the plan did.
		_, v := p.begin()
		p.mu.Unlock()
		p.record(v, func(*Visit) {})
		p.mu.Lock()
	}
	b, seen := p.begin()
	seen.Post, seen.MessageID, seen.Header = true, r.Header.Get("Message-Id"), headerDigest(r.Header)
	seen.Authorization = r.Header.Get("Authorization")
	seen.Connection, _ = r.Context().Value(connectionKey{}).(int)
	p.mu.Unlock()
	v := &visit{p: p, w: w, r: r, seen: seen}
	defer v.tell(false)
	b.serve(v)
}

// notSealed are the fields that belong to a connection or may change between attempts.
var notSealed = []string{"Authorization", "Connection", "Content-Length", "Expect", "Transfer-Encoding"}

// headerDigest is over all fields that are fixed for the life of a message.
func headerDigest(h http.Header) string {
	d := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if !slices.Contains(notSealed, name) {
			fmt.Fprintf(d, "%s: %q\n", name, h[name])
		}
	}
	return hex.EncodeToString(d.Sum(nil))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// tell completes the record of the visit, once.
func (v *visit) tell(whole bool) {
	if v.told {
		return
	}
	v.told = true
	v.p.record(v.seen, func(s *Visit) { s.Body, s.Length, s.Whole = digest(v.body), int64(len(v.body)), whole })
}

// read reads the body, and says whether it came whole.
func (v *visit) read() bool { return v.readFrom(v.r.Body) }

func (v *visit) readFrom(r io.Reader) bool {
	rest, err := io.ReadAll(io.LimitReader(r, maxBody))
	v.body = append(v.body, rest...)
	v.tell(err == nil)
	return err == nil
}

// answer writes an answer. Before a step that is for connections it closes this one.
func (v *visit) answer(status int, header []as2.Field, body []byte) {
	h := v.w.Header()
	for _, f := range header {
		h[f.Name] = append(h[f.Name], f.Value)
	}
	v.p.mu.Lock()
	if v.p.step().connect != nil {
		h.Set("Connection", "close")
	}
	v.p.mu.Unlock()
	if status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // a visitor who left gets none
}

// wire is an answer as it goes over the wire.
func wire(status int, header []as2.Field, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, f := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// seize takes the connection away from the server. The caller closes it.
func (v *visit) seize() (c *tls.Conn, r io.Reader) {
	conn, buffered, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		panic(err) // HTTP/1.1 over TLS is all that is spoken here
	}
	return conn.(*tls.Conn), buffered.Reader
}

// cut resets the connection.
func (v *visit) cut() {
	c, _ := v.seize()
	reset(c.NetConn())
	v.p.forget(c)
}

// messageID is without its brackets.
func messageID(h http.Header) string {
	return strings.Trim(h.Get("Message-Id"), "<> ")
}
