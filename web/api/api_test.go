package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/accounts"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/internal/views"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

var update = flag.Bool("update", false, "write docs/openapi.json anew")

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var (
	viewer   = accounts.Identity{Name: "vera", Role: accounts.Viewer, Way: "API"}
	operator = accounts.Identity{Name: "otto", Role: accounts.Operator, Way: "API"}
)

// site is an API with a ledger of its own.
type site struct {
	*testing.T
	ledger  *ledger.Ledger
	server  http.Handler
	who     accounts.Identity
	calls   map[string]bool // routes that were answered as they should
	nothing bool            // there is no status yet
}

const (
	sentID, failedID, openID = "06f0000000sentsent", "06f0000000fai1ed00", "06f0000000open0000"
	receivedID, refusedID    = "06f00000rece1ved00", "06f00000refused000"
)

func newSite(t *testing.T) *site {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	station := &config.Station{Name: "us", AS2ID: "US"}
	cfg := &config.Config{Path: "/etc/config.yaml", Location: time.UTC, Stations: []*config.Station{}, Partners: []*config.Partner{{Name: "acme", AS2ID: "ACME", Location: time.UTC, Station: station, StationName: "us", URL: "https://anna:secret@acme.example/as2"}}}
	s := &site{T: t, ledger: l, who: viewer, calls: map[string]bool{}}
	taken := &status.Status{At: noon, Started: noon, Version: "9", Listening: []string{}, Partners: []status.Partner{{Name: "acme", State: status.StateFailing}}, Problems: []status.Problem{{Level: ledger.Alarm, Partner: "acme", Code: status.CodeFailing, Text: "3 attempts"}}}
	r := &views.Reader{Ledger: l, Config: func() *config.Config { return cfg }, Status: func() *status.Status {
		if s.nothing {
			return nil
		}
		return taken
	}, Look: func(context.Context, string) (views.Outbox, error) {
		return views.Outbox{Waiting: []naming.Waiting{{Name: "half.xml", Reason: "quiet", Text: "it is still being written"}}}, nil
	}}
	s.server = New(Options{Reader: r, Now: func() time.Time { return noon }, Rand: rand{}, Version: "9"})
	s.fill()
	return s
}

// rand is as random as this test needs it: identifiers differ.
type rand struct{}

var drawn byte

func (rand) Read(p []byte) (int, error) {
	drawn++
	return copy(p, bytes.Repeat([]byte{drawn}, len(p))), nil
}

func (s *site) fill() {
	s.Helper()
	transfer := func(id, name string, state ledger.State, verdict ledger.Verdict) *ledger.Transfer {
		t := &ledger.Transfer{ID: id, Partner: "acme", Station: "us", Key: name, Document: name + ".xml", State: state, Verdict: verdict, Created: noon.Add(-time.Hour), MessageID: "<" + id + "@us>",
			Members: []ledger.Member{{Name: name + ".xml", Role: ledger.RoleDocument, Size: 10}}, Sealed: json.RawMessage(`{"header":[{"name":"AS2-To","value":"ACME"},{"name":"X-` + name + `","value":"y"}],"mics":[{"digest":"sha256","sum":"AAAA"}],"receipt":{}}`), Receipt: []byte("Content-Type: text/plain\r\n\r\nall is well")}
		if state != ledger.StateFiled { // nobody records such a field; it would not be told
			t.Sealed = json.RawMessage(strings.ReplaceAll(string(t.Sealed), "X-"+name, "Authorization\",\"value\":\"secret\"},{\"name\":\"X"))
		} else {
			t.Settled, t.Filed, t.FilePath = noon.Add(-time.Minute), noon.Add(-time.Minute), "sent/x"
		}
		return t
	}
	err := s.ledger.Update(s.Context(), func(tx *ledger.Tx) error {
		return errors.Join(
			tx.InsertTransfer(transfer(sentID, "INV-1", ledger.StateFiled, ledger.VerdictAccepted)),
			tx.InsertTransfer(transfer(failedID, "INV-2", ledger.StateFiled, ledger.VerdictGaveUp)),
			tx.InsertTransfer(transfer(openID, "INV-3", ledger.StateSealed, "")),
			tx.AddAttempt(ledger.Attempt{Transfer: sentID, N: 1, Opened: noon, Closed: noon, URL: "https://anna:secret@acme.example/as2", Outcome: ledger.OutcomeAnswered, Status: 200, Counted: true}),
			tx.AddEvent(ledger.Event{At: noon, Level: ledger.Info, Partner: "acme", Subject: sentID, Code: "sent", Text: "it was sent"}),
			tx.InsertReceived(&ledger.Received{ID: receivedID, Partner: "acme", From: "ACME", To: "US", MessageID: "m1@acme", State: ledger.ReceivedPublished, At: noon, Key: "ORD-1", Files: []ledger.ReceivedFile{{Final: "ORD-1.edi", Size: 5, Document: true}}}, strings.ToLower),
			tx.AddRefusal(ledger.Refusal{ID: refusedID, Partner: "acme", At: noon, From: "ACME", To: "US", MessageID: "m2@acme", Fact: "not signed"}),
			tx.OweMDN(&ledger.OwedMDN{Received: receivedID, Partner: "acme", URL: "https://anna:secret@acme.example/mdn", Receipt: json.RawMessage(`{}`), Open: true, Due: noon}),
			tx.InsertStored(&ledger.Stored{ID: "06f0000000st0red00", Partner: "acme", MessageID: "m3@acme", At: noon, Open: true, Due: noon, Hold: "why"}))
	})
	if err != nil {
		s.Fatal(err)
	}
}

// ask asks, and holds the answer against the description.
func (s *site) ask(method, path, body string, header ...string) (int, map[string]any) {
	s.Helper()
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	r = r.WithContext(accounts.With(r.Context(), s.who))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rw := httptest.NewRecorder()
	s.server.ServeHTTP(rw, r)
	answer, err := io.ReadAll(rw.Body)
	if err != nil {
		s.Fatal(err)
	}
	if bytes.Contains(answer, []byte("secret")) && !strings.HasPrefix(path, "/openapi") {
		s.Errorf("%s %s tells a secret: %s", method, path, answer)
	}
	if rw.Header().Get(VersionField) != "9" || rw.Header().Get("Access-Control-Allow-Origin") != "" || rw.Header().Get("Cache-Control") != "no-store" {
		s.Errorf("%s %s: header %v", method, path, rw.Header())
	}
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		s.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
	s.valid(method, path, rw, value)
	object, _ := value.(map[string]any)
	return rw.Code, object
}

// valid holds an answer against what the description says of its route.
func (s *site) valid(method, path string, rw *httptest.ResponseRecorder, value any) {
	s.Helper()
	d := description(s.T)
	v := validator{d["components"].(map[string]any)["schemas"].(map[string]any)}
	kind := rw.Header().Get("Content-Type")
	schema := map[string]any{"$ref": "#/components/schemas/Problem"}
	if rw.Code < 300 {
		pattern := s.pattern(method, path)
		operation := d["paths"].(map[string]any)[pattern].(map[string]any)[strings.ToLower(method)].(map[string]any)
		schema = operation["responses"].(map[string]any)[fmt.Sprint(rw.Code)].(map[string]any)["content"].(map[string]any)[kind].(map[string]any)["schema"].(map[string]any)
		s.calls[method+" "+pattern] = true
	} else if kind != "application/problem+json" {
		s.Errorf("%s %s: %d as %s", method, path, rw.Code, kind)
	}
	for _, wrong := range v.check("", schema, value) {
		s.Errorf("%s %s: %d%s", method, path, rw.Code, wrong)
	}
}

// pattern is the path of the route that a request is for.
func (s *site) pattern(method, path string) string {
	_, pattern := s.server.(*handler).mux.Handler(httptest.NewRequest(method, Prefix+path, nil))
	_, pattern, _ = strings.Cut(pattern, " ")
	return pattern
}

// description is the one that is committed.
func description(t *testing.T) (d map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.json"))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The committed description is the one that the program serves.
func TestDescriptionIsFresh(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(Description()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "..", "docs", "openapi.json")
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want.Bytes()) {
		t.Errorf("docs/openapi.json is not what the program serves (%v); write it anew with: go test ./web/api -update", err)
	}
}

// Every route of the mux is in the description, answers, and answers what is described.
func TestEveryRoute(t *testing.T) {
	s := newSite(t)
	for _, path := range []string{"/openapi.json", "/me", "/status", "/overview", "/parties", "/partners/acme", "/partners/acme/overview", "/waiting", "/waiting?partner=acme&done=true",
		"/transfers", "/transfers?text=inv&stand=failed&partner=acme&from=2026-11-25&to=2027-01-01T00:00:00Z&limit=1", "/transfers/" + sentID, "/transfers/" + openID,
		"/received", "/received?kind=refused", "/received?kind=stored", "/received/" + receivedID, "/received/" + refusedID, "/stories?what=INV-1", "/stories?what=nobody", "/schedule", "/schedule?partner=acme&from=2026-11-25&count=5"} {
		if code, answer := s.ask("GET", path, ""); code != 200 {
			t.Errorf("%s: %d %v", path, code, answer)
		}
	}
	s.who = operator
	code, wish := s.ask("POST", "/wishes", `{"kind":"retry","what":"INV-2"}`)
	if code != 202 {
		t.Fatalf("%d %v", code, wish)
	}
	if code, again := s.ask("GET", "/wishes/"+wish["id"].(string), ""); code != 200 || again["by"] != "otto (API)" || again["transfer"] != failedID {
		t.Errorf("%d %v", code, again)
	}
	paths := description(t)["paths"].(map[string]any)
	described := 0
	for _, operations := range paths {
		described += len(operations.(map[string]any))
	}
	for _, r := range routes() {
		if !s.calls[r.method+" "+Prefix+r.path] {
			t.Errorf("%s %s was never answered", r.method, r.path)
		}
	}
	if described != len(routes()) {
		t.Errorf("%d operations are described, there are %d routes", described, len(routes()))
	}
}

// What is wrong with a request is said, and nothing is done.
func TestProblems(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		who                accounts.Identity
		method, path, body string
		code               int
		says               string
	}{
		{viewer, "GET", "/nothing", "", 404, "answers nothing"},
		{viewer, "POST", "/transfers", "", 405, "takes GET"},
		{viewer, "GET", "/wishes", "", 405, "takes POST"},
		{viewer, "GET", "/transfers?tekst=x", "", 400, `no parameter "tekst"`},
		{viewer, "GET", "/transfers?text=a&text=b", "", 400, "2 times"},
		{viewer, "GET", "/transfers?limit=501", "", 400, "from 1 to 500"},
		{viewer, "GET", "/transfers?limit=x", "", 400, "from 1 to 500"},
		{viewer, "GET", "/transfers?stand=lost", "", 400, "one of open"},
		{viewer, "GET", "/transfers?stand=open+waiting", "", 400, "one of open"},
		{viewer, "GET", "/transfers?from=yesterday", "", 400, "write for example"},
		{viewer, "GET", "/transfers?%zz", "", 400, "cannot be read"},
		{viewer, "GET", "/transfers?text=" + strings.Repeat("x", 5000), "", 414, "bytes"},
		{viewer, "GET", "/received?kind=x", "", 400, "one of received"},
		{viewer, "GET", "/schedule?count=0", "", 400, "from 1 to 10000"},
		{viewer, "GET", "/waiting?done=x", "", 400, "true or false"},
		{viewer, "GET", "/waiting?partner=beta", "", 404, `no partner "beta"`},
		{viewer, "GET", "/schedule?partner=beta", "", 404, "beta"},
		{viewer, "GET", "/partners/beta", "", 404, "beta"},
		{viewer, "GET", "/transfers/none", "", 404, "none"},
		{viewer, "GET", "/received/none", "", 404, "none"},
		{viewer, "GET", "/wishes/none", "", 404, "none"},
		{viewer, "GET", "/stories", "", 400, "what is missing"},
		{viewer, "POST", "/wishes", `{"kind":"retry","what":"INV-2"}`, 403, `takes the role "operator"`},
		{accounts.Identity{}, "GET", "/me", "", 403, `takes the role "viewer"`},
		{operator, "POST", "/wishes", `{"kind":"stop","what":"x"}`, 400, "kind is one of"},
		{operator, "POST", "/wishes", `{"kind":"retry"}`, 400, "what is missing"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"INV-9"}`, 404, "there is no transfer"},
		{operator, "POST", "/wishes", `{"kind":"rerun","what":"INV-1"}`, 404, "no hook of"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"INV-2","who":"me"}`, 400, "cannot be read"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"INV-2"}{}`, 400, "more was sent"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"INV-2","reason":"a\nb"}`, 400, "one line"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"INV-2","reason":"` + strings.Repeat("x", 501) + `"}`, 400, "longer than 500"},
		{operator, "POST", "/wishes", `{"kind":"retry","what":"` + strings.Repeat("x", 20_000) + `"}`, 413, "longer than"},
		{operator, "POST", "/wishes", "", 415, "application/json"},
	} {
		s.who = c.who
		if code, p := s.ask(c.method, c.path, c.body); code != c.code || !strings.Contains(fmt.Sprint(p["detail"]), c.says) {
			t.Errorf("%s %.60s %.60s: %d %v, want %d with %q", c.method, c.path, c.body, code, p, c.code, c.says)
		}
	}
	err := s.ledger.View(t.Context(), func(tx *ledger.Tx) error {
		if open, err := tx.OpenWishes(); err != nil || len(open) > 0 {
			t.Errorf("something was wished: %v, %v", open, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	s.nothing = true
	s.who = viewer
	if code, p := s.ask("GET", "/status", ""); code != 503 {
		t.Errorf("%d %v", code, p)
	}
}

// A wish that comes twice is one wish: by its key, and while nobody has dealt with it.
func TestWishesAreIdempotent(t *testing.T) {
	s := newSite(t)
	s.who = operator
	const hold = `{"kind":"hold","what":"acme","reason":"stocktaking"}`
	id := func(body string, header ...string) string {
		code, w := s.ask("POST", "/wishes", body, header...)
		if code != 202 {
			t.Fatalf("%d %v", code, w)
		}
		return w["id"].(string)
	}
	first := id(hold)
	if again := id(hold); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	keyed := id(hold, KeyField, "k1")
	s.finish(first)
	s.finish(keyed)
	if again := id(hold, KeyField, "k1"); again != keyed {
		t.Errorf("the key was known: %s, then %s", keyed, again)
	}
	if anew := id(hold); anew == first || anew == keyed {
		t.Error("what was dealt with can be wished again")
	}
	if code, p := s.ask("POST", "/wishes", `{"kind":"release","what":"acme"}`, KeyField, "k1"); code != 422 {
		t.Errorf("%d %v", code, p)
	}
	s.who.Name = "olga"
	if hers := id(hold, KeyField, "k1"); hers == keyed {
		t.Error("the key of somebody else")
	}
}

// finish deals with a wish, as the agent does.
func (s *site) finish(id string) {
	s.Helper()
	err := s.ledger.Update(s.Context(), func(tx *ledger.Tx) error {
		w, err := tx.Wish(id)
		return errors.Join(err, tx.FinishWish(w, noon, "done"))
	})
	if err != nil {
		s.Fatal(err)
	}
}

// A thousand partners are not asked ten thousand times each at once.
func TestScheduleOfManyIsBounded(t *testing.T) {
	s := newSite(t)
	cfg := &config.Config{Location: time.UTC}
	for i := range 1000 {
		cfg.Partners = append(cfg.Partners, &config.Partner{Name: fmt.Sprint("p", i), Location: time.UTC})
	}
	r := &views.Reader{Ledger: s.ledger, Config: func() *config.Config { return cfg }, Status: func() *status.Status { return nil }}
	s.server = New(Options{Reader: r, Now: func() time.Time { return noon }, Rand: rand{}, Version: "9"})
	for path, want := range map[string]int{"/schedule": 200, "/schedule?count=50": 200, "/schedule?count=51": 400, "/schedule?partner=p7&count=10000": 200, "/schedule?partner=p7&count=10001": 400} {
		if status, answer := s.ask("GET", path, ""); status != want {
			t.Errorf("%s: %d %v", path, status, answer)
		}
	}
}

// Two people who want the same both stand on record.
func TestSameWishOfTwo(t *testing.T) {
	s := newSite(t)
	for _, who := range []string{"otto", "olga", "otto"} {
		s.who = accounts.Identity{Name: who, Role: accounts.Operator, Way: "API"}
		status, w := s.ask("POST", "/wishes", `{"kind":"hold","what":"acme"}`)
		if status != 202 || w["by"] != who+" (API)" {
			t.Errorf("%s: %d %v", who, status, w)
		}
	}
	var open []ledger.Wish
	if err := s.ledger.View(t.Context(), func(tx *ledger.Tx) (err error) { open, err = tx.OpenWishes(); return err }); err != nil || len(open) != 2 {
		t.Errorf("%+v %v", open, err)
	}
}
