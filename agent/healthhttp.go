package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
)

// healthServer answers /healthz, /readyz and /metrics.
type healthServer struct {
	configured string
	net        net.Listener
	server     *http.Server
}

// listenForHealth opens the address of the config, nil if there is none. One that is open
// already stays.
func (a *running) listenForHealth(cfg *config.Config, open *healthServer) (*healthServer, error) {
	address := cfg.Health.Address
	switch {
	case address == "":
		return nil, nil
	case open != nil && open.configured == address:
		return open, nil
	}
	n, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: health.address: %w", cfg.Path, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health.healthz)
	mux.HandleFunc("GET /readyz", a.health.readyz)
	mux.Handle("GET /metrics", a.counts)
	return &healthServer{address, n, &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}}, nil
}

// tellHealth has a server, or none, take the place of the one before.
func (a *running) tellHealth(next *healthServer) {
	a.changing.Lock()
	former := a.told
	a.told = next
	a.changing.Unlock()
	if former == next {
		return
	}
	if former != nil {
		former.server.Close() // who asked comes again
	}
	if next != nil {
		a.group.Go(func() { next.serve(a.log) })
	}
}

// closeNew closes one that was opened for a config that is not taken.
func (s *healthServer) closeNew(open *healthServer) error {
	if s == nil || s == open {
		return nil
	}
	return s.net.Close()
}

func (s *healthServer) serve(log *slog.Logger) {
	log.Info("health is told", "address", s.net.Addr().String())
	if err := s.server.Serve(s.net); !errors.Is(err, http.ErrServerClosed) {
		log.Error("telling health ended", "error", err)
	}
}

// healthz is 200 as long as the agent is alive: it looks after itself, and not every
// worker hangs. What it cannot do for others does not count: starting it again would not help.
func (h *health) healthz(rw http.ResponseWriter, _ *http.Request) {
	s := h.latest.Load()
	switch {
	case s == nil:
		answer(rw, http.StatusServiceUnavailable, "starting")
	case s.Hangs(h.a.now()):
		answer(rw, http.StatusServiceUnavailable, hangs(s))
	case h.a.allHang(h.a.now(), status.Fresh):
		answer(rw, http.StatusServiceUnavailable, "no worker has come to an end of its round for "+status.Fresh.String())
	default:
		answer(rw, http.StatusOK, "ok")
	}
}

// hangs says that the agent does not look after itself any more.
func hangs(s *status.Status) string {
	return "the agent has not looked after itself since " + s.At.Format(time.DateTime+" UTC")
}

// readyz is 200 as long as messages can be accepted and posted, whatever single partners
// suffer from. Its further lines are the problems.
func (h *health) readyz(rw http.ResponseWriter, _ *http.Request) {
	s := h.latest.Load()
	lines := []string{"ready"}
	status := http.StatusOK
	switch {
	case s == nil:
		status, lines[0] = http.StatusServiceUnavailable, "starting"
	case h.a.ctx.Err() != nil:
		status, lines[0] = http.StatusServiceUnavailable, "stopping"
	case s.Hangs(h.a.now()):
		status, lines[0] = http.StatusServiceUnavailable, hangs(s)
	case s.NotReady() != "":
		status, lines[0] = http.StatusServiceUnavailable, "not ready: "+s.NotReady()
	}
	if s != nil {
		for _, p := range s.Problems {
			lines = append(lines, p.String())
		}
	}
	answer(rw, status, lines...)
}

func answer(rw http.ResponseWriter, status int, lines ...string) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	for _, l := range lines {
		fmt.Fprintln(rw, l)
	}
}
