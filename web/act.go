package web

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// wanted is what a form asks for.
type wanted struct {
	kind   ledger.WishKind
	reason string
	sure   bool
}

// mayAct reads the form of an action, or answers why there is none.
func (s *Server) mayAct(rw http.ResponseWriter, r *http.Request, v *visitor) (w wanted, ok bool) {
	refuse := func(status int, what, why string) (wanted, bool) {
		s.pages.failure(rw, v, status, what, why)
		return wanted{}, false
	}
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "That is too much", "Nothing was done. The form is longer than it can be.")
	}
	switch {
	case v.Open:
		return refuse(http.StatusForbidden, "Nobody can act here yet", "Nothing was done. As long as there are no users, the console can only be read. Make one on this machine: as2drop user add NAME --role operator")
	case !same(v.Form, r.PostFormValue("form")):
		return refuse(http.StatusForbidden, "This form is not of your session", "Nothing was done. Open the page again and repeat it there.")
	case !v.Role.May(accounts.Operator):
		return refuse(http.StatusForbidden, "You may not do that", "Nothing was done. You are signed in as a viewer; it takes an operator.")
	}
	w = wanted{ledger.WishKind(r.PostFormValue("action")), reasonOf(r.PostFormValue("reason")), r.PostFormValue("sure") == "yes"}
	return w, true
}

// reasonOf makes one line of what somebody typed.
func reasonOf(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if utf8.RuneCountInString(text) > views.MaxReason {
		text = string([]rune(text)[:views.MaxReason])
	}
	return text
}

func (s *Server) actOnTransfer(rw http.ResponseWriter, r *http.Request, v *visitor) {
	w, ok := s.mayAct(rw, r, v)
	if !ok {
		return
	}
	id := r.PathValue("id")
	t, err := s.o.Views.Transfer(r.Context(), id, s.o.Now())
	if s.unknown(rw, v, err, "transfer", id) {
		return
	}
	if !slices.Contains(t.Actions, w.kind) {
		s.pages.failure(rw, v, http.StatusConflict, "It has moved on", "Nothing was done. "+t.Document+" is "+t.Words+" now, and that does not fit any more.")
		return
	}
	if w.kind == ledger.WishDismiss && !w.sure {
		s.pages.render(rw, v, http.StatusOK, "sure", "Give up "+t.Document+"?", sureData{t, w.reason})
		return
	}
	s.act(rw, r, v, ledger.Wish{Kind: w.kind, Transfer: t.ID, Reason: w.reason}, "/transfers/"+url.PathEscape(t.ID))
}

// sureData asks whether somebody means it.
type sureData struct {
	Transfer views.Message
	Reason   string
}

func (s *Server) actOnReceived(rw http.ResponseWriter, r *http.Request, v *visitor) {
	w, ok := s.mayAct(rw, r, v)
	if !ok {
		return
	}
	id := r.PathValue("id")
	m, err := s.o.Views.IncomingMessage(r.Context(), id, s.o.Now())
	if s.unknown(rw, v, err, "received message", id) {
		return
	}
	if !slices.Contains(m.Actions, w.kind) {
		s.pages.failure(rw, v, http.StatusConflict, "It has moved on", "Nothing was done. The message is "+m.Words+" now, and that does not fit any more.")
		return
	}
	s.act(rw, r, v, ledger.Wish{Kind: w.kind, Transfer: m.ID, Reason: w.reason}, "/received/"+url.PathEscape(m.ID))
}

func (s *Server) actOnPartner(rw http.ResponseWriter, r *http.Request, v *visitor) {
	w, ok := s.mayAct(rw, r, v)
	if !ok {
		return
	}
	name := r.PathValue("name")
	if _, err := s.o.Views.Partner(name, s.o.Now()); s.unknown(rw, v, err, "partner", name) {
		return
	}
	if w.kind != ledger.WishHold && w.kind != ledger.WishRelease {
		s.pages.failure(rw, v, http.StatusBadRequest, "That cannot be done to a partner", "Nothing was done.")
		return
	}
	s.act(rw, r, v, ledger.Wish{Kind: w.kind, Partner: name, Reason: w.reason}, "/partners/"+url.PathEscape(name))
}

// grantLimit is how long the answer to a form waits for the agent to do what is wished.
const (
	grantLimit = 10 * time.Second
	grantPoll  = 50 * time.Millisecond
)

// act commits a wish with the name of who has it, waits for the agent, and shows the page
// again with what became of it.
func (s *Server) act(rw http.ResponseWriter, r *http.Request, v *visitor, w ledger.Wish, back string) {
	var err error
	w.By, w.At = v.By(), s.o.Now().UTC()
	if w, err = s.o.Ledger.AddWish(r.Context(), w); err != nil {
		s.o.Log.Error("console: a wish was not recorded", "kind", w.Kind, "transfer", w.Transfer, "partner", w.Partner, "by", w.By, "error", err)
		s.pages.failure(rw, v, http.StatusServiceUnavailable, "It was not recorded", "Nothing was done: the ledger takes nothing at the moment. The health page says why.")
		return
	}
	s.o.Log.Info("console: wish", "kind", w.Kind, "transfer", w.Transfer, "partner", w.Partner, "by", w.By, "reason", w.Reason)
	s.await(r.Context(), w.ID)
	http.Redirect(rw, r, back+"?done="+url.QueryEscape(w.ID), http.StatusSeeOther)
}

// await waits until a wish is granted or refused, up to a limit.
func (s *Server) await(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, grantLimit)
	defer cancel()
	tick := time.NewTicker(grantPoll)
	defer tick.Stop()
	for {
		if w, err := s.o.Views.Wish(ctx, id); err != nil || !w.Done.IsZero() {
			return // the page tells what is known
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// outcome is what the page that an action leads to says of it.
type outcome struct {
	Done bool
	Text string
}

// outcome reads what became of the wish that is named in the URL, if it is about the subject.
func (s *Server) outcome(r *http.Request, subject string) *outcome {
	id := r.URL.Query().Get("done")
	if id == "" {
		return nil
	}
	w, err := s.o.Views.Wish(r.Context(), id)
	switch {
	case err != nil || w.Transfer != subject && w.Partner != subject:
		return nil
	case w.Done.IsZero():
		return &outcome{false, actionName(w.Kind) + " by " + w.By + " is noted; the agent has not dealt with it yet."}
	}
	return &outcome{true, actionName(w.Kind) + " by " + w.By + ": " + w.Result}
}
