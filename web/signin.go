package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
)

// visitor is who looks at a page.
type visitor struct {
	accounts.Identity
	Open bool   // nobody has to sign in, and nobody may act
	Form string // the secret that forms carry
}

// MayAct reports whether buttons are shown.
func (v visitor) MayAct() bool { return v.Role.May(accounts.Operator) && !v.Open }

// visitor finds out who somebody is. The error is for the log; without one and without a
// visitor somebody has to sign in.
func (s *Server) visitor(r *http.Request) (*visitor, error) {
	has, err := s.o.Accounts.HasUsers()
	if err != nil {
		return nil, err
	}
	if !has && !s.o.Config().Console.Beyond() {
		return &visitor{Identity: accounts.Identity{Role: accounts.Viewer, Way: "console"}, Open: true}, nil
	}
	o, ok := s.session(r)
	if !ok {
		return nil, nil
	}
	return &visitor{Identity: o.who, Form: o.form}, nil
}

// page is one that needs a visitor.
type page func(rw http.ResponseWriter, r *http.Request, v *visitor)

// visit has whoever is not signed in do that first.
func (s *Server) visit(p page) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		v, err := s.visitor(r)
		switch {
		case err != nil:
			s.o.Log.Error("console: the accounts cannot be read, nobody gets in", "error", err)
			s.pages.failure(rw, nil, http.StatusServiceUnavailable, "Nobody can sign in at the moment", "The file of the users cannot be read. The log of the agent says why, and as2drop user list does too.")
		case v != nil:
			p(rw, r, v)
		case r.Method == http.MethodGet && r.Header.Get(byScript) != "":
			rw.WriteHeader(http.StatusUnauthorized)
		case r.Method == http.MethodGet:
			http.Redirect(rw, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			s.pages.failure(rw, nil, http.StatusUnauthorized, "Your session has ended", "Nothing was done. Sign in and try again.")
		}
	})
}

// signInData fills the page of that name.
type signInData struct {
	Next, Name, Wrong string
}

func (s *Server) signInPage(rw http.ResponseWriter, r *http.Request) {
	if v, err := s.visitor(r); err == nil && v != nil {
		http.Redirect(rw, r, local(r.URL.Query().Get("next")), http.StatusSeeOther)
		return
	}
	s.pages.render(rw, nil, http.StatusOK, "sign-in", "Sign in", signInData{Next: local(r.URL.Query().Get("next"))})
}

// local is a path of ours: nobody who makes a link sends people elsewhere after they signed in.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(u.Path, "/sign-") {
		return "/"
	}
	return next
}

// maxTyped is how much the log has of what somebody typed as a name, in bytes.
const maxTyped = 64

// signInLimit is how long somebody may wait for the others who sign in.
const signInLimit = 30 * time.Second

func (s *Server) signIn(rw http.ResponseWriter, r *http.Request) {
	name, address := r.PostFormValue("name"), s.address(r)
	typed := strings.ToValidUTF8(name[:min(len(name), maxTyped)], "?")
	d := signInData{Next: local(r.PostFormValue("next")), Name: name}
	ctx, cancel := context.WithTimeout(r.Context(), signInLimit)
	defer cancel()
	who, stamp, wait, err := s.o.Accounts.SignIn(ctx, name, r.PostFormValue("password"), address, s.o.Now())
	refuse := func(status int, why string) {
		d.Wrong = why
		s.pages.render(rw, nil, status, "sign-in", "Sign in", d)
	}
	switch {
	case err == nil:
		s.o.Log.Info("console: signed in", "user", who.Name, "role", who.Role, "address", address)
		if old, err := r.Cookie(s.cookieName(r)); err == nil {
			s.sessions.end(old.Value)
		}
		s.setCookie(rw, r, s.sessions.begin(who, stamp, s.o.Now()))
		http.Redirect(rw, r, d.Next, http.StatusSeeOther)
	case errors.Is(err, accounts.ErrWrong):
		s.o.Log.Warn("console: sign-in refused", "user", typed, "address", address)
		refuse(http.StatusUnauthorized, "The name or the password is wrong.")
	case errors.Is(err, accounts.ErrTooMany):
		s.o.Log.Warn("console: too many tries to sign in", "user", typed, "address", address)
		rw.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		refuse(http.StatusTooManyRequests, "Too many tries failed. Try again in "+minutes(wait)+", or have somebody with access to the machine look at the log.")
	case errors.Is(err, accounts.ErrBusy), ctx.Err() != nil:
		rw.Header().Set("Retry-After", "5")
		refuse(http.StatusServiceUnavailable, "Too many people sign in at this moment. Try again in a few seconds.")
	default:
		s.o.Log.Error("console: the accounts cannot be read, nobody gets in", "error", err)
		refuse(http.StatusServiceUnavailable, "Nobody can sign in at the moment: the file of the users cannot be read. The log of the agent says why.")
	}
}

func minutes(d time.Duration) string {
	if d <= time.Minute {
		return "a minute"
	}
	return strconv.Itoa(int((d+time.Minute-1)/time.Minute)) + " minutes"
}

func (s *Server) signOut(rw http.ResponseWriter, r *http.Request) {
	if o, ok := s.session(r); ok && same(o.form, r.PostFormValue("form")) {
		cookie, err := r.Cookie(s.cookieName(r))
		if err == nil {
			s.sessions.end(cookie.Value)
		}
		s.setCookie(rw, r, "")
		s.o.Log.Info("console: signed out", "user", o.who.Name)
	}
	http.Redirect(rw, r, "/sign-in", http.StatusSeeOther)
}
