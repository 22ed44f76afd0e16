package accounts

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// How many tries may fail within a window: of one name from one address, from one address,
// and of one name from anywhere. The last is generous, so that a stranger cannot keep
// somebody out who comes from elsewhere for more than a window.
const (
	window     = 15 * time.Minute
	maxPair    = 5
	maxAddress = 30
	maxName    = 100
)

// maxTracked bounds what is remembered. Beyond it what is oldest is forgotten.
const maxTracked = 30_000

// limiter counts tries that failed.
type limiter struct {
	mu    sync.Mutex
	fails map[string]failure
}

type failure struct {
	n     int
	until time.Time // the end of the window
}

func newLimiter() *limiter { return &limiter{fails: map[string]failure{}} }

// bucket is what an address counts as: one host may have a whole /64 of IPv6.
func bucket(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "?"
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

type counted struct {
	key string
	max int
}

func counts(name, address string) []counted {
	name, address = strings.ToLower(name), bucket(address)
	return []counted{{"pair " + address + " " + name, maxPair}, {"address " + address, maxAddress}, {"name " + name, maxName}}
}

// begin counts a try as one that failed, before it is known, so that many at the same time
// do not slip through. It returns how long to wait where there were too many.
func (l *limiter) begin(name, address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wait time.Duration
	for _, c := range counts(name, address) {
		if f := l.fails[c.key]; f.n >= c.max && now.Before(f.until) {
			wait = max(wait, f.until.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	l.tidy(now)
	for _, c := range counts(name, address) {
		f := l.fails[c.key]
		if !now.Before(f.until) {
			f = failure{until: now.Add(window)}
		}
		f.n++
		l.fails[c.key] = f
	}
	return 0
}

// succeeded takes a try back that was counted, and forgets those of the pair.
func (l *limiter) succeeded(name, address string) { l.undo(name, address, true) }

// undecided takes a try back that came to no result.
func (l *limiter) undecided(name, address string) { l.undo(name, address, false) }

func (l *limiter) undo(name, address string, forget bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range counts(name, address) {
		f, ok := l.fails[c.key]
		if f.n--; !ok || f.n <= 0 || forget && i == 0 {
			delete(l.fails, c.key)
			continue
		}
		l.fails[c.key] = f
	}
}

// tidy makes room.
func (l *limiter) tidy(now time.Time) {
	if len(l.fails) < maxTracked {
		return
	}
	for key, f := range l.fails {
		if !now.Before(f.until) {
			delete(l.fails, key)
		}
	}
	for key := range l.fails { // an attack from everywhere; any of them
		if len(l.fails) < maxTracked*9/10 {
			return
		}
		delete(l.fails, key)
	}
}
