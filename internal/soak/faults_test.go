//go:build linux

package soak

import (
	"net/http"
	"strconv"
	"time"
)

// answerTimeout is how long the agents wait for an answer.
const answerTimeout = 6 * time.Second

// fault is one way to harm a request.
type fault struct {
	name   string
	weight int
	fits   func(r *request) bool // which requests it is for; nil = all
	do     func(p *passage, w http.ResponseWriter, r *request)
}

func messages(r *request) bool { return !r.receipt }
func receipts(r *request) bool { return r.receipt }

// checked are the messages whose answer is held against a receipt: where none is asked for,
// whoever answers 200 has taken the message, and nobody can know better.
func checked(r *request) bool { return !r.receipt && !r.link.noReceipt }

// hasty are the messages whose transfer may end in failed.
func hasty(r *request) bool { return !r.receipt && r.link.hasty }

// faults are all that the HTTP proxy does, with how often of all.
func faults() []fault {
	return []fault{
		{"passed", 55, nil, (*passage).pass},
		{"passed late", 5, nil, (*passage).slow},
		{"passed after the sender gave up", 1, nil, (*passage).tooLate},
		{"cut before the answer", 6, nil, (*passage).unanswered},
		{"cut in mid answer", 4, nil, (*passage).half},
		{"answer dripped", 3, nil, (*passage).drip},
		{"never answered", 1, nil, (*passage).silent},
		{"answered 503 itself", 3, nil, say(503)},
		{"answered 500 itself", 2, nil, say(500)},
		{"answered 429 itself", 2, nil, say(429)},
		{"answered 408 itself", 2, nil, say(408)},
		{"answered 425 itself", 1, nil, say(425)},
		{"answered 404 itself", 1, nil, say(404)},
		{"answered 401 itself", 1, nil, say(401)},
		{"answered 400 itself", 2, hasty, say(400)},
		{"answered HTML itself", 2, checked, say(200)},
		{"forwarded, answered 503", 4, messages, lie(503)},
		{"forwarded, answered 500", 2, messages, lie(500)},
		{"forwarded, answered 504", 2, messages, lie(504)},
		{"forwarded, answered HTML", 2, checked, lie(200)},
		{"sent twice at once", 4, nil, (*passage).twiceAtOnce},
		{"sent twice in turn", 3, nil, (*passage).twiceInTurn},
		{"hidden", 6, receipts, say(200)},
		{"taken, and passed later", 8, receipts, func(p *passage, w http.ResponseWriter, r *request) {
			p.later(r, p.about(4*time.Second))
			say(200)(p, w, r)
		}},
	}
}

func (p *passage) slow(w http.ResponseWriter, r *request) {
	pause(p.ctx, p.about(time.Second))
	p.pass(w, r)
}

func (p *passage) tooLate(w http.ResponseWriter, r *request) {
	p.later(r, p.between(answerTimeout, answerTimeout+4*time.Second))
	pause(p.ctx, answerTimeout+time.Second)
	tear(w)
}

func (p *passage) unanswered(w http.ResponseWriter, r *request) {
	_, _ = p.forward(r) // whatever the agent says to it
	tear(w)
}

func (p *passage) silent(w http.ResponseWriter, r *request) {
	_, _ = p.forward(r) // whatever the agent says to it
	pause(p.ctx, answerTimeout+time.Second)
	tear(w)
}

// half announces a whole answer and ends in the middle.
func (p *passage) half(w http.ResponseWriter, r *request) {
	a, err := p.forward(r)
	if err != nil || len(a.body) < 2 {
		tear(w)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:len(a.body)/2])    // the sender may be gone
	_ = http.NewResponseController(w).Flush() // as above
	tear(w)
}

// drip gives an answer a few bytes at a time.
func (p *passage) drip(w http.ResponseWriter, r *request) {
	a, err := p.forward(r)
	if err != nil {
		tear(w)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	step := max(len(a.body)/40, 1)
	for rest := a.body; len(rest) > 0; {
		n := min(step, len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // the next write tells
		rest = rest[n:]
		pause(p.ctx, 20*time.Millisecond)
	}
}

// say answers in place of the agent.
func say(status int) func(*passage, http.ResponseWriter, *request) {
	return func(_ *passage, w http.ResponseWriter, _ *request) {
		w.Header().Set("Content-Type", "text/html")
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html><body>This is not what you were looking for.</body></html>")) // the sender may be gone
	}
}

// lie takes the message to the agent and answers something else.
func lie(status int) func(*passage, http.ResponseWriter, *request) {
	return func(p *passage, w http.ResponseWriter, r *request) {
		_, _ = p.forward(r) // whatever the agent says to it
		say(status)(p, w, r)
	}
}

func (p *passage) twiceInTurn(w http.ResponseWriter, r *request) {
	_, _ = p.forward(r) // the second answer counts
	p.pass(w, r)
}

func (p *passage) twiceAtOnce(w http.ResponseWriter, r *request) {
	p.pending.Go(func() { _, _ = p.forward(r) }) // whichever comes first
	p.pass(w, r)
}
