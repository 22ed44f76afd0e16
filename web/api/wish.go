package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
)

// wanted is what somebody asks for.
type wanted struct {
	Kind   ledger.WishKind `json:"kind"`             // retry, hold, release, dismiss (give up), rerun (hooks)
	What   string          `json:"what"`             // a transfer or message: identifier, key or Message-ID; for hold and release also a partner
	Reason string          `json:"reason,omitempty"` // why; others will see it
}

// kinds are what can be wished through the API.
var kinds = []ledger.WishKind{ledger.WishRetry, ledger.WishHold, ledger.WishRelease, ledger.WishDismiss, ledger.WishRerun}

// KeyField is the field of a request that makes it one that can be repeated.
const KeyField = "Idempotency-Key"

// wish records what somebody wants, once.
func (r *request) wish() (ledger.Wish, error) {
	asked, err := r.wanted()
	if err != nil {
		return ledger.Wish{}, err
	}
	key := r.Header.Get(KeyField)
	if len(key) > 200 {
		return ledger.Wish{}, bad("%s is longer than 200 bytes", KeyField)
	}
	w, err := views.NewWish(r.Context(), r.o.Reader.Ledger, r.o.Reader.Config(), ledger.Wish{Kind: asked.Kind, Reason: asked.Reason, By: r.who.By()}, asked.What)
	if err != nil {
		return ledger.Wish{}, err
	}
	w.At = r.o.Now().UTC()
	if w.ID, err = ledger.NewID(w.At, r.o.Rand); err != nil {
		return ledger.Wish{}, err
	}
	told := "wish of " + r.who.By() + " " + key
	err = r.o.Reader.Ledger.Update(r.Context(), func(tx *ledger.Tx) error {
		known, err := before(tx, w, key, told)
		if known != nil || err != nil {
			if known != nil {
				w = *known
			}
			return err
		}
		if key != "" {
			err = tx.Tell(told, w.ID)
		}
		return errors.Join(err, tx.AddWish(w))
	})
	r.answer.Set("Location", Prefix+"/wishes/"+w.ID)
	return w, err
}

// before is the wish that there is already, nil if there is none.
func before(tx *ledger.Tx, w ledger.Wish, key, told string) (*ledger.Wish, error) {
	if key != "" {
		id, err := tx.Told(told)
		if err != nil || id == "" {
			return nil, err
		}
		known, err := tx.Wish(id)
		if err == nil && (known.Kind != w.Kind || known.Transfer != w.Transfer || known.Partner != w.Partner) {
			err = problem{Status: http.StatusUnprocessableEntity, Detail: "this " + KeyField + " was used for something else: " + string(known.Kind) + " of " + known.Transfer + known.Partner, Hint: "a new wish has a new key"}
		}
		return &known, err
	}
	open, err := tx.OpenWishes()
	for i, o := range open {
		if o.Kind == w.Kind && o.Transfer == w.Transfer && o.Partner == w.Partner && o.By == w.By && o.Reason == w.Reason {
			return &open[i], err
		}
	}
	return nil, err
}

// wanted reads what is asked for.
func (r *request) wanted() (w wanted, err error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return w, problem{Status: http.StatusUnsupportedMediaType, Detail: "what is sent must be application/json"}
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	d.DisallowUnknownFields()
	var long *http.MaxBytesError
	if err := d.Decode(&w); errors.As(err, &long) {
		return w, err
	} else if err != nil {
		return w, bad("what was sent cannot be read: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return w, bad("more was sent than one object")
	}
	switch {
	case !slices.Contains(kinds, w.Kind):
		return w, bad("kind is one of retry, hold, release, dismiss, rerun, not %q", w.Kind)
	case w.What == "":
		return w, bad("what is missing: an identifier, a key or a Message-ID; for hold and release also a partner")
	case utf8.RuneCountInString(w.What) > maxWhat:
		return w, bad("what is longer than %d characters", maxWhat)
	case utf8.RuneCountInString(w.Reason) > views.MaxReason:
		return w, bad("reason is longer than %d characters", views.MaxReason)
	case strings.ContainsFunc(w.Reason, unicode.IsControl):
		return w, bad("reason must be one line")
	}
	return w, nil
}
