package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
)

// session is one browser that somebody signed in with.
type session struct {
	who   accounts.Identity
	stamp accounts.Stamp
	form  string // the secret that each form of the session carries
	began time.Time
	used  time.Time
}

// Bounds of how many sessions there are; beyond them the one that was used last the longest
// ago ends.
const (
	maxSessions = 1000
	maxPerUser  = 20
)

// sessions are known by the digest of what the browser shows, so that whoever reads the
// memory of the program cannot take one over, and looking one up tells nothing by its time.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

func newSessions() *sessions { return &sessions{all: map[[sha256.Size]byte]*session{}} }

// secret has 256 bits.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// begin makes a session and returns what the browser is to show.
func (s *sessions) begin(who accounts.Identity, stamp accounts.Stamp, now time.Time) string {
	key := secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(func(o *session) bool { return o.who.Name == who.Name }, maxPerUser)
	s.makeRoom(func(*session) bool { return true }, maxSessions)
	s.all[sha256.Sum256([]byte(key))] = &session{who, stamp, secret(), now, now}
	return key
}

func (s *sessions) makeRoom(which func(*session) bool, most int) {
	for {
		n := 0
		var oldest [sha256.Size]byte
		var used time.Time
		for key, o := range s.all {
			if !which(o) {
				continue
			}
			if n++; n == 1 || o.used.Before(used) {
				oldest, used = key, o.used
			}
		}
		if n < most {
			return
		}
		delete(s.all, oldest)
	}
}

// find returns a session that is still good. A look by the script that keeps a page fresh
// does not count as use: a browser that nobody sits at is signed out.
func (s *sessions) find(key string, now time.Time, idle, most time.Duration, byScript bool) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sha256.Sum256([]byte(key))
	o := s.all[id]
	if o == nil {
		return session{}, false
	}
	if now.Sub(o.used) >= idle || now.Sub(o.began) >= most {
		delete(s.all, id)
		return session{}, false
	}
	if !byScript {
		o.used = now
	}
	return *o, true
}

func (s *sessions) end(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(key)))
}

// Names of the cookie. The prefix has browsers refuse it from anybody but this host through
// TLS; plain HTTP, which exists on this machine alone, cannot have it.
const (
	cookieSecure = "__Host-as2drop"
	cookiePlain  = "as2drop"
)

func (s *Server) cookieName(r *http.Request) string {
	if s.secure(r) {
		return cookieSecure
	}
	return cookiePlain
}

// setCookie gives the browser a key; an empty one takes it away. It ends with the browser.
func (s *Server) setCookie(rw http.ResponseWriter, r *http.Request, key string) {
	c := &http.Cookie{Name: s.cookieName(r), Value: key, Path: "/", HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteStrictMode}
	if key == "" {
		c.MaxAge = -1
	}
	http.SetCookie(rw, c)
}

// byScript marks what the script asks for by itself.
const byScript = "X-As2drop-Refresh"

// session finds the one of a request.
func (s *Server) session(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(s.cookieName(r))
	if err != nil {
		return session{}, false
	}
	c := s.o.Config().Console
	o, ok := s.sessions.find(cookie.Value, s.o.Now(), c.Idle, c.Session, r.Header.Get(byScript) != "")
	if ok && !s.o.Accounts.Still(o.who.Name, o.stamp) {
		s.sessions.end(cookie.Value)
		return session{}, false
	}
	return o, ok
}
