package alarms

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/hooks"
)

// The path of a URL is a secret with many services: neither the log nor a failure tells it,
// not even where the service does.
func TestPathIsNotTold(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com"+r.URL.RequestURI(), http.StatusPermanentRedirect)
	}))
	defer s.Close()
	h := &Hook{Hook: &hooks.Hook{URL: s.URL + "/services/T1/s3cret?x=1", Client: hooks.NewClient(nil), Timeout: time.Minute, Header: http.Header{}},
		Runner: &hooks.Runner{Dir: t.TempDir(), Environ: os.Getenv}, Now: time.Now}
	if got := h.What(); got != s.URL+"/..." {
		t.Errorf("it leads to %s", got)
	}
	err := h.Send(t.Context(), &Message{}, func(Step) {})
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), `redirects to "https://example.com/..."`) {
		t.Error(err)
	}
}
