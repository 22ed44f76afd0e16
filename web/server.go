package web

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// Views answers what the pages ask; *views.Reader does.
type Views interface {
	Overview(ctx context.Context, now time.Time) (views.Overview, error)
	PartnerOverview(ctx context.Context, name string, now time.Time) (views.PartnerOverview, error)
	Transfers(ctx context.Context, s views.Search, now time.Time) (views.Page[views.Transfer], error)
	Transfer(ctx context.Context, id string, now time.Time) (views.Message, error)
	Incoming(ctx context.Context, s views.IncomingSearch, now time.Time) (views.Page[views.Incoming], error)
	IncomingMessage(ctx context.Context, id string, now time.Time) (views.IncomingMessage, error)
	Parties(now time.Time) views.Parties
	Partner(name string, now time.Time) (views.Partner, error)
	Events(ctx context.Context, partner string, limit int) ([]ledger.Event, error)
	Wish(ctx context.Context, id string) (ledger.Wish, error)
	Schedule(ctx context.Context, partner string, from time.Time, count int) (views.Schedule, error)
}

// Options of a console.
type Options struct {
	Views    Views
	Ledger   *ledger.Ledger        // that takes wishes
	Config   func() *config.Config // that is in force
	Status   func() *status.Status // the newest one; nil = none was taken yet
	Accounts *accounts.Store
	Log      *slog.Logger
	Now      func() time.Time
	Version  string
	API      http.Handler // under /api/v1; nil = none
	Metrics  http.Handler // under /metrics; nil = none
}

// Server is the console. Use New.
type Server struct {
	o        Options
	sessions *sessions
	pages    *pages
	static   map[string]asset
	mux      *http.ServeMux
}

// New returns a console. Its sessions live as long as it does.
func New(o Options) *Server {
	s := &Server{o: o, sessions: newSessions(), static: assets(), mux: http.NewServeMux()}
	s.pages = newPages(s)
	s.routes()
	return s
}

func (s *Server) routes() {
	s.mux.HandleFunc("GET /static/{name}", s.serveStatic)
	s.mux.HandleFunc("GET /sign-in", s.signInPage)
	s.mux.HandleFunc("POST /sign-in", s.signIn)
	s.mux.HandleFunc("POST /sign-out", s.signOut)
	for pattern, page := range map[string]page{
		"GET /{$}":              s.overview,
		"GET /transfers":        s.transfers,
		"GET /transfers/{id}":   s.transfer,
		"GET /received":         s.received,
		"GET /received/{id}":    s.incoming,
		"GET /partners":         s.partners,
		"GET /partners/{name}":  s.partner,
		"GET /schedule":         s.schedule,
		"GET /health":           s.health,
		"GET /events":           s.events,
		"/":                     s.nothing,
		"POST /transfers/{id}":  s.actOnTransfer,
		"POST /received/{id}":   s.actOnReceived,
		"POST /partners/{name}": s.actOnPartner,
	} {
		s.mux.Handle(pattern, s.visit(page))
	}
	if s.o.API != nil {
		s.mux.Handle("/api/v1/", s.o.Accounts.Bearer(s.o.Now, s.o.Log, s.o.API))
	}
	if s.o.Metrics != nil {
		s.mux.Handle("/metrics", s.o.Accounts.Bearer(s.o.Now, s.o.Log, s.o.Metrics))
	}
}

// maxForm bounds what is posted, in bytes; what goes through the API has the same bound.
const maxForm = 64 << 10

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	protect(rw.Header())
	if why := s.foreign(r); why != "" {
		http.Error(rw, why, http.StatusMisdirectedRequest)
		return
	}
	var cross http.CrossOriginProtection // no origin but ours is trusted
	if err := cross.Check(r); err != nil {
		http.Error(rw, "This form does not come from this console. Nothing was done.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	s.mux.ServeHTTP(rw, r)
}

// asset is a file that the pages load. Its name changes with its content.
type asset struct {
	kind    string
	content []byte
}

func (s *Server) serveStatic(rw http.ResponseWriter, r *http.Request) {
	a, ok := s.static[r.PathValue("name")]
	if !ok {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Type", a.kind)
	rw.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = rw.Write(a.content) // whoever asked is gone
}

// files of the program itself can always be read.
func mustRead(fsys fs.FS, name string) []byte {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		panic(err)
	}
	return b
}
