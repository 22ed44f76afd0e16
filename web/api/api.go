package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// Prefix is where the API is.
const Prefix = "/api/v1"

// VersionField is the field of every answer that tells the version of the program, by which
// a client knows that it is one of ours.
const VersionField = "As2drop-Version"

// Options are the world of a handler.
type Options struct {
	Reader  *views.Reader
	Now     func() time.Time
	Rand    io.Reader // of identifiers of wishes
	Version string    // of the program
}

// Limits of requests.
const (
	maxQuery = 4 << 10  // bytes
	maxBody  = 16 << 10 // bytes
	maxWhat  = 1000     // characters
)

type handler struct {
	o   Options
	mux *http.ServeMux
}

// New makes the handler of everything under Prefix.
func New(o Options) http.Handler {
	h := &handler{o: o, mux: http.NewServeMux()}
	for _, r := range routes() {
		h.mux.Handle(r.method+" "+Prefix+r.path, h.serve(r))
	}
	h.mux.HandleFunc("/", h.nothing)
	return h
}

// ServeHTTP answers a request.
func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	header := rw.Header()
	header.Set(VersionField, h.o.Version)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if len(r.URL.RawQuery) > maxQuery {
		answerProblem(rw, problem{Status: http.StatusRequestURITooLong, Detail: fmt.Sprintf("the query has %d bytes, more than %d", len(r.URL.RawQuery), maxQuery)})
		return
	}
	h.mux.ServeHTTP(rw, r)
}

// nothing answers paths and methods that there are not.
func (h *handler) nothing(rw http.ResponseWriter, r *http.Request) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := h.mux.Handler(other); pattern != "/" {
			rw.Header().Set("Allow", method)
			answerProblem(rw, problem{Status: http.StatusMethodNotAllowed, Detail: fmt.Sprintf("%s takes %s", r.URL.Path, method)})
			return
		}
	}
	answerProblem(rw, problem{Status: http.StatusNotFound, Detail: fmt.Sprintf("as2drop %s answers nothing at %q", h.o.Version, r.URL.Path), Hint: Prefix + "/openapi.json lists what there is"})
}

// serve answers one route: whoever may ask, with what the route finds out.
func (h *handler) serve(route route) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who := accounts.From(r.Context())
		if !who.Role.May(route.role) {
			answerProblem(rw, problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("%s has the role %q, and this takes the role %q", who.By(), who.Role, route.role), Hint: "as2drop token add --role " + string(route.role) + " makes a token that may"})
			return
		}
		q, err := route.query(r.URL.RawQuery)
		var result any
		if err == nil {
			result, err = route.do(&request{h, r, rw.Header(), who, q})
		}
		if err != nil {
			answerProblem(rw, problemOf(err))
			return
		}
		answer(rw, route.status, "application/json", result)
	})
}

// query checks the parameters of a request: those that the route does not know are mistakes,
// and so are values that one cannot have.
func (r route) query(raw string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, bad("the query cannot be read: %v", err)
	}
	for name, values := range q {
		i := slices.IndexFunc(r.params, func(p param) bool { return p.name == name })
		if i < 0 {
			var names []string
			for _, p := range r.params {
				names = append(names, p.name)
			}
			return nil, bad("there is no parameter %q here; those that there are: %s", name, strings.Join(names, ", "))
		}
		if len(values) > 1 {
			return nil, bad("the parameter %q is there %d times", name, len(values))
		}
		if enum := r.params[i].enum; enum != nil && values[0] != "" && !slices.Contains(enum, values[0]) {
			return nil, bad("%s is one of %s, not %q", name, strings.Join(enum, ", "), values[0])
		}
	}
	return q, nil
}

// request is one question.
type request struct {
	*handler
	*http.Request
	answer http.Header
	who    accounts.Identity
	query  url.Values
}

func answer(rw http.ResponseWriter, status int, kind string, v any) {
	rw.Header().Set("Content-Type", kind)
	rw.WriteHeader(status)
	e := json.NewEncoder(rw)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // whoever asked is gone
}

// problem is an error for programs (RFC 9457) and people.
type problem struct {
	Type   string `json:"type"` // always about:blank: the status says what it is
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do
}

func (p problem) Error() string { return p.Detail }

func bad(format string, args ...any) error {
	return problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

func answerProblem(rw http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	answer(rw, p.Status, "application/problem+json", p)
}

// problemOf says what an error means for who asked.
func problemOf(err error) problem {
	var p problem
	var none *views.NoWish
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &none) && none.Several:
		return problem{Status: http.StatusConflict, Detail: none.Text}
	case errors.As(err, &none):
		return problem{Status: http.StatusNotFound, Detail: none.Text}
	case errors.As(err, &long):
		return problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("what was sent is longer than %d bytes", long.Limit)}
	case errors.Is(err, ledger.ErrNotFound):
		return problem{Status: http.StatusNotFound, Detail: err.Error()}
	}
	return problem{Status: http.StatusServiceUnavailable, Detail: err.Error(), Hint: "as2drop status, or the log of the agent, says more"}
}
