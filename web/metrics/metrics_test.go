package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/as2drop/as2drop/as2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func newMetrics() *Metrics {
	return New(Options{Version: "1.2.3", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon }})
}

// scrape asks as Prometheus does; accept is what it wants.
func scrape(t testing.TB, m *Metrics, accept string) (contentType, body string) {
	t.Helper()
	rw, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	m.ServeHTTP(rw, r)
	if rw.Code != 200 || rw.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, %v: %s", rw.Code, rw.Header(), rw.Body)
	}
	return rw.Header().Get("Content-Type"), rw.Body.String()
}

// expect says that a scrape has, or has not, these lines.
func expect(t *testing.T, m *Metrics, there bool, lines ...string) {
	t.Helper()
	_, body := scrape(t, m, "text/plain")
	for _, l := range lines {
		if slices.Contains(strings.Split(body, "\n"), l) != there {
			var like []string
			for line := range strings.Lines(body) {
				if strings.HasPrefix(line, l[:strings.IndexAny(l, "{ ")]) {
					like = append(like, line)
				}
			}
			t.Errorf("%s: there is none, want it %v; there are\n%s", l, there, strings.Join(like, ""))
		}
	}
}

// traffic is one of everything that counts.
func traffic() ledger.Commit {
	post := func(o ledger.Outcome, status int, opened time.Time) ledger.Attempt {
		return ledger.Attempt{Outcome: o, Status: status, Opened: opened, Closed: noon.Add(3 * time.Second)}
	}
	return ledger.Commit{Took: 2 * time.Millisecond, Deeds: []ledger.Deed{
		{Kind: ledger.DeedSettled, Partner: "acme", Verdict: ledger.VerdictAccepted, Bytes: 1000, Took: 7 * time.Second},
		{Kind: ledger.DeedSettled, Partner: "acme", Verdict: ledger.VerdictAccepted, Bytes: 500, Took: -time.Second},
		{Kind: ledger.DeedSettled, Partner: "acme", Verdict: ledger.VerdictGaveUp, Took: 25 * time.Hour},
		{Kind: ledger.DeedPosted, Partner: "acme", Attempt: post(ledger.OutcomeAnswered, 200, noon)},
		{Kind: ledger.DeedPosted, Partner: "acme", Attempt: post(ledger.OutcomeAnswered, 503, noon)},
		{Kind: ledger.DeedPosted, Partner: "acme", Attempt: post(ledger.OutcomeNotSent, 0, noon)},
		{Kind: ledger.DeedPosted, Partner: "acme", Attempt: post(ledger.OutcomeUnknown, 0, noon.Add(-time.Hour))},
		{Kind: ledger.DeedReceipt, Partner: "acme", Attempt: post(ledger.OutcomeAnswered, 204, noon)},
		{Kind: ledger.DeedReceived, Partner: "acme", Bytes: 42},
		{Kind: ledger.DeedRefused, Partner: "acme", Reason: as2.Failed(as2.DecryptionFailed).String()},
		{Kind: ledger.DeedRefused, Reason: "none: HTTP 401"},
		{Kind: ledger.DeedRefused, Reason: "none: HTTP 1234"},
		{Kind: ledger.DeedRefused, Reason: "automatic-action/MDN-sent-automatically; processed/error: <script>"},
		{Kind: ledger.DeedEvent, Level: ledger.Alarm, Code: "failed"},
	}}
}

// partners is a config with those names and nothing else.
func partners(names ...string) *config.Config {
	cfg := &config.Config{}
	for _, n := range names {
		cfg.Partners = append(cfg.Partners, &config.Partner{Name: n, Station: &config.Station{}})
	}
	return cfg
}

func TestWhatIsCounted(t *testing.T) {
	m := newMetrics()
	m.Look(&status.Status{At: noon}, partners("acme"))
	expect(t, m, true, `as2drop_transfers_total{outcome="rejected",partner="acme"} 0`, `as2drop_received_total{partner="acme"} 0`)
	m.Commit(traffic())
	m.Commit(ledger.Commit{Took: time.Second, Err: errors.New("disk full")})
	expect(t, m, true,
		`as2drop_transfers_total{outcome="accepted",partner="acme"} 2`,
		`as2drop_transfers_total{outcome="gave_up",partner="acme"} 1`,
		`as2drop_sent_bytes_total{partner="acme"} 1500`,
		`as2drop_transfer_duration_seconds_bucket{outcome="accepted",le="0.1"} 1`,
		`as2drop_transfer_duration_seconds_bucket{outcome="accepted",le="10"} 2`,
		`as2drop_transfer_duration_seconds_bucket{outcome="gave_up",le="86400"} 0`,
		`as2drop_posts_total{class="2xx",kind="message",partner="acme"} 1`,
		`as2drop_posts_total{class="5xx",kind="message",partner="acme"} 1`,
		`as2drop_posts_total{class="not_sent",kind="message",partner="acme"} 1`,
		`as2drop_posts_total{class="unknown",kind="message",partner="acme"} 1`,
		`as2drop_posts_total{class="2xx",kind="receipt",partner="acme"} 1`,
		`as2drop_post_duration_seconds_count{kind="message"} 3`, // not the one of an earlier process
		`as2drop_post_duration_seconds_sum{kind="message"} 9`,
		`as2drop_received_total{partner="acme"} 1`, `as2drop_received_bytes_total{partner="acme"} 42`,
		`as2drop_refused_total{partner="acme",reason="decryption-failed"} 1`,
		`as2drop_refused_total{partner="",reason="http_401"} 1`,
		`as2drop_refused_total{partner="",reason="other"} 2`,
		`as2drop_events_total{code="failed",level="alarm"} 1`,
		`as2drop_ledger_commit_duration_seconds_count 2`, `as2drop_ledger_commit_failures_total 1`,
	)
	// Who leaves the config takes his series with him.
	m.Look(&status.Status{At: noon}, partners("globex"))
	if _, body := scrape(t, m, ""); strings.Contains(body, "acme") || !strings.Contains(body, "globex") {
		t.Errorf("series of a partner who is gone: %s", body)
	}
}

// Where nobody scrapes a partner has no series, and all of them once somebody does.
func TestSeriesBeforeTheFirstScrape(t *testing.T) {
	m := newMetrics()
	m.Look(&status.Status{At: noon}, partners("acme", "globex"))
	series := make(chan prometheus.Metric, 100)
	m.transfers.Collect(series)
	m.received.Collect(series)
	if len(series) > 0 {
		t.Errorf("%d series that nobody asked for", len(series))
	}
	m.Commit(traffic())
	expect(t, m, true, `as2drop_transfers_total{outcome="accepted",partner="acme"} 2`, `as2drop_transfers_total{outcome="accepted",partner="globex"} 0`, `as2drop_sent_bytes_total{partner="globex"} 0`)
}

func TestEveryVerdictHasALabel(t *testing.T) {
	for _, v := range []ledger.Verdict{ledger.VerdictAccepted, ledger.VerdictUnverified, ledger.VerdictNoReceipt, ledger.VerdictReceiptLost, ledger.VerdictRejected, ledger.VerdictRefused, ledger.VerdictGaveUp} {
		if outcomeOf(v) == other {
			t.Errorf("%q has none", v)
		}
	}
	if outcomeOf("made up") != other {
		t.Error("a verdict that nobody knows")
	}
}

// stands is a status with something in every field.
func stands() *status.Status {
	return &status.Status{
		At: noon.Add(-5 * time.Second), Started: noon.Add(-time.Hour), Taken: noon.Add(-time.Minute), Refused: "line 3", Free: 1 << 30,
		Work: status.Work{Updates: 7, Rows: 70},
		Partners: []status.Partner{{
			Name: "acme", State: status.StateFailing, Files: 9, Ready: 2, OldestReady: noon.Add(-90 * time.Second), Open: 5, Held: 1, Oldest: noon.Add(-time.Hour),
			LastSent: noon.Add(-time.Minute), Restarts: 3, Free: 77, Hooks: 4, Trouble: &ledger.Trouble{Count: 6}, Pause: &ledger.Pause{},
		}},
		Problems: []status.Problem{
			{Level: ledger.Alarm, Partner: "acme", Code: status.CodeFailing}, {Level: ledger.Warning, Partner: "acme", Code: status.CodeExpiry},
			{Level: ledger.Warning, Partner: "acme", Code: status.CodeExpiry}, {Level: ledger.Alarm, Code: status.CodeConfig},
		},
	}
}

func TestHowThingsStand(t *testing.T) {
	m := newMetrics()
	if _, body := scrape(t, m, ""); strings.Contains(body, "as2drop_partner_state") || !strings.Contains(body, "as2drop_build_info") {
		t.Error("before the agent has looked there is nothing to say of partners")
	}
	m.Look(stands(), partners("acme"))
	expect(t, m, true,
		`as2drop_status_timestamp_seconds 1.795694395e+09`, `as2drop_config_refused 1`, `as2drop_ledger_fault 0`, `as2drop_data_free_bytes 1.073741824e+09`,
		`as2drop_partner_state{partner="acme",state="failing"} 1`,
		`as2drop_outbox_files{partner="acme"} 9`, `as2drop_outbox_ready{partner="acme"} 2`, `as2drop_oldest_ready_seconds{partner="acme"} 90`,
		`as2drop_transfers_open{partner="acme"} 5`, `as2drop_transfers_held{partner="acme"} 1`, `as2drop_oldest_open_seconds{partner="acme"} 3600`,
		`as2drop_last_sent_timestamp_seconds{partner="acme"} 1.79569434e+09`, `as2drop_last_received_timestamp_seconds{partner="acme"} 0`,
		`as2drop_attempts_failed_in_row{partner="acme"} 6`, `as2drop_partner_paused{partner="acme"} 1`, `as2drop_partner_free_bytes{partner="acme"} 77`,
		`as2drop_hooks_owed{partner="acme"} 4`, `as2drop_worker_restarts_total{partner="acme"} 3`,
		`as2drop_problems{level="alarm"} 2`, `as2drop_problems{level="warning"} 2`,
		`as2drop_problem{code="certificate-expires",level="warning",partner="acme"} 1`, `as2drop_problem{code="config-refused",level="alarm",partner=""} 1`,
		`as2drop_ledger_updates_total 7`, `as2drop_ledger_rows_read_total 70`,
	)
}

// What the linter of Prometheus complains of would be in the way of those who know its
// conventions.
func TestConventions(t *testing.T) {
	m := full()
	_, body := scrape(t, m, "")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	kind, open := scrape(t, m, "application/openmetrics-text; version=1.0.0")
	if !strings.HasPrefix(kind, "application/openmetrics-text") || !strings.HasSuffix(open, "# EOF\n") {
		t.Errorf("OpenMetrics: %s, ends with %q", kind, open[max(len(open)-20, 0):])
	}
}

// full has a series of each metric there is.
func full() *Metrics {
	m := newMetrics()
	m.Look(stands(), partners("acme"))
	m.mu.Lock()
	expiries := []config.Expiry{{Partner: "acme", Owner: "partner acme", For: "encryption", At: noon}, {Owner: "listener 127.0.0.1:0", For: "tls", At: noon}, {Owner: "listener 127.0.0.1:0", For: "tls", At: noon.Add(-time.Hour)}}
	m.seen.expiries = func() []config.Expiry { return expiries }
	m.mu.Unlock()
	m.Commit(traffic())
	return m
}

// Two listeners with port 0 have one name: the one that expires first counts.
func TestExpiriesOfOneName(t *testing.T) {
	expect(t, full(), true, fmt.Sprintf(`as2drop_certificate_expiry_timestamp_seconds{owner="listener 127.0.0.1:0",partner="",use="tls"} %v`, float64(noon.Add(-time.Hour).Unix())))
}

// A scrape costs what there are partners, not what was transferred.
func TestAThousandPartners(t *testing.T) {
	m := newMetrics()
	names := make([]string, 1000)
	s := &status.Status{At: noon}
	for i := range names {
		names[i] = fmt.Sprintf("partner-%04d", i)
		s.Partners = append(s.Partners, status.Partner{Name: names[i], State: status.StateOK})
	}
	m.Look(s, partners(names...))
	few := series(t, m)
	c := ledger.Commit{}
	for i := range 100_000 {
		c.Deeds = append(c.Deeds, ledger.Deed{Kind: ledger.DeedSettled, Partner: names[i%1000], Verdict: ledger.VerdictAccepted, Bytes: 1},
			ledger.Deed{Kind: ledger.DeedEvent, Partner: names[i%1000], Level: ledger.Info, Code: "sent"},
			ledger.Deed{Kind: ledger.DeedRefused, Reason: fmt.Sprintf("processed/error: stranger %d", i)})
	}
	m.Commit(c)
	// The histogram of accepted ones, the event, the refusal: nothing per transfer, nothing per stranger.
	if more := series(t, m) - few; more > 20 {
		t.Errorf("%d series more after 100,000 transfers", more)
	}
	if few > 25_000 {
		t.Errorf("%d series for 1,000 partners", few)
	}
}

func series(t *testing.T, m *Metrics) (n int) {
	_, body := scrape(t, m, "")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, namespace+"_") {
			n++
		}
	}
	return n
}

func BenchmarkScrape1000(b *testing.B) {
	m := newMetrics()
	var names []string
	s := &status.Status{At: noon}
	for i := range 1000 {
		names = append(names, fmt.Sprintf("partner-%04d", i))
		s.Partners = append(s.Partners, status.Partner{Name: names[i], State: status.StateOK})
	}
	m.Look(s, partners(names...))
	var size int
	for b.Loop() {
		_, body := scrape(b, m, "")
		size = len(body)
	}
	b.ReportMetric(float64(size), "bytes/scrape")
}
