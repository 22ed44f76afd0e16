package accounts

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Bearer lets requests through to next that show a token, with 401 for others. From tells
// next who asks, who decides what a role may. It is the way in for programs: no cookie counts.
func (s *Store) Bearer(now func() time.Time, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		var id Identity
		err := ErrToken
		if strings.EqualFold(scheme, "Bearer") {
			id, err = s.Token(strings.TrimSpace(token), now())
		}
		switch {
		case errors.Is(err, ErrToken):
			rw.Header().Set("WWW-Authenticate", `Bearer realm="as2drop"`)
			refuse(rw, http.StatusUnauthorized, "show a token in the header Authorization: Bearer TOKEN; as2drop token add makes one. The one that was shown is unknown, was removed or has expired, if there was one")
		case err != nil:
			log.Error("console: the tokens cannot be read, no program gets in", "error", err)
			refuse(rw, http.StatusServiceUnavailable, "the tokens cannot be read; the log of the agent says why")
		default:
			next.ServeHTTP(rw, r.WithContext(With(r.Context(), id)))
		}
	})
}

func refuse(rw http.ResponseWriter, status int, text string) {
	rw.Header().Set("Content-Type", "application/problem+json") // RFC 9457
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": text}) // whoever asked is gone
}
