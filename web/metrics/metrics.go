// Package metrics says in numbers how an agent is, in the text format of Prometheus and as
// OpenMetrics.
//
// Two sources feed it. What was done is counted as it is committed: Commit is the observer
// of a ledger, so nothing is counted that a crash would take back, and nothing twice. How
// things stand is what the agent last saw when it looked after itself: Look is handed each
// status. A scrape asks neither the ledger nor a folder; with a thousand partners it costs a
// tenth of a second and 1.2 MB before compression, whatever has been transferred.
//
// Counters begin with the process. Labels are bounded: partners and stations are those of
// the config in force, reasons and codes are words of this program, and what a stranger
// calls himself is never a label.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/ledger"
)

// Options of the metrics of one process.
type Options struct {
	Version string
	Log     *slog.Logger
	Now     func() time.Time
}

// Metrics counts. It is safe for concurrent use, and an http.Handler that answers scrapes.
type Metrics struct {
	started time.Time
	now     func() time.Time
	handler http.Handler

	transfers, sentBytes, posts                *prometheus.CounterVec
	received, receivedBytes, refused, events   *prometheus.CounterVec
	transferSeconds, postSeconds, commitSecond *prometheus.HistogramVec
	commitFaults                               prometheus.Counter

	mu      sync.Mutex
	seen    seen
	scraped bool // somebody wants to know
}

const namespace = "as2drop"

// New makes the metrics of a process. Whoever opens the ledger has Commit observe it.
func New(o Options) *Metrics {
	m := &Metrics{started: o.Now(), now: o.Now}
	r := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
		r.MustRegister(v)
		return v
	}
	m.transfers = counter("transfers_total", "Transfers that got their verdict.", "partner", "outcome")
	m.sentBytes = counter("sent_bytes_total", "Bytes of the files that partners accepted, as they were dropped.", "partner")
	m.posts = counter("posts_total", "HTTP POSTs of messages and of owed receipts that ended.", "partner", "kind", "class")
	m.received = counter("received_total", "Messages that were accepted, repeats not among them.", "partner")
	m.receivedBytes = counter("received_bytes_total", "Bytes of the files that came in accepted messages.", "partner")
	m.refused = counter("refused_total", "Messages that were not accepted; partner is empty where the sender is unknown.", "partner", "reason")
	m.events = counter("events_total", "Events that were recorded.", "level", "code")
	m.transferSeconds = histogram("transfer_duration_seconds", "From the moment when files were taken from the outbox until the verdict.", []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600}, "outcome")
	m.postSeconds = histogram("post_duration_seconds", "How long POSTs took, until the answer was read or there was none.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}, "kind")
	m.commitSecond = histogram("ledger_commit_duration_seconds", "How long commits of the ledger took, the sync included.", []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10})
	m.commitFaults = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "ledger_commit_failures_total", Help: "Commits of the ledger that failed; nothing of them has happened."})
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "Always 1; which program this is."}, []string{"version", "goversion", "goos", "goarch"})
	build.WithLabelValues(o.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH).Set(1)
	r.MustRegister(m.commitFaults, build, m.standing(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.commitSecond.WithLabelValues()
	for _, kind := range []string{kindMessage, kindReceipt} {
		m.postSeconds.WithLabelValues(kind)
	}
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{
		EnableOpenMetrics: true, CoalesceGather: true, ProcessStartTime: m.started,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
	})
	return m
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	if !m.scraped {
		m.scraped = true
		m.begin(m.seen.partners)
	}
	m.mu.Unlock()
	rw.Header().Set("Cache-Control", "no-store")
	m.handler.ServeHTTP(rw, r)
}

// Kinds of what is posted.
const (
	kindMessage = "message"
	kindReceipt = "receipt"
)

// Commit counts what a commit made durable. It is ledger.Options.Observe.
func (m *Metrics) Commit(c ledger.Commit) {
	m.commitSecond.WithLabelValues().Observe(c.Took.Seconds())
	if c.Err != nil {
		m.commitFaults.Inc()
	}
	for _, d := range c.Deeds {
		m.count(d)
	}
}

func (m *Metrics) count(d ledger.Deed) {
	switch d.Kind {
	case ledger.DeedSettled:
		outcome := outcomeOf(d.Verdict)
		m.transfers.WithLabelValues(d.Partner, outcome).Inc()
		m.sentBytes.WithLabelValues(d.Partner).Add(float64(d.Bytes))
		m.transferSeconds.WithLabelValues(outcome).Observe(max(d.Took, 0).Seconds()) // the clock may have been put back
	case ledger.DeedPosted:
		m.posted(kindMessage, d)
	case ledger.DeedReceipt:
		m.posted(kindReceipt, d)
	case ledger.DeedReceived:
		m.received.WithLabelValues(d.Partner).Inc()
		m.receivedBytes.WithLabelValues(d.Partner).Add(float64(d.Bytes))
	case ledger.DeedRefused:
		m.refused.WithLabelValues(d.Partner, reasonOf(d.Reason)).Inc()
	case ledger.DeedEvent:
		m.events.WithLabelValues(string(d.Level), d.Code).Inc()
	}
}

// posted counts a POST. How long one took that an earlier process began nobody knows.
func (m *Metrics) posted(kind string, d ledger.Deed) {
	m.posts.WithLabelValues(d.Partner, kind, classOf(d.Attempt)).Inc()
	if !d.Attempt.Opened.Before(m.started) {
		m.postSeconds.WithLabelValues(kind).Observe(max(d.Attempt.Closed.Sub(d.Attempt.Opened), 0).Seconds())
	}
}

// outcomes are the verdicts as labels.
var outcomes = map[ledger.Verdict]string{
	ledger.VerdictAccepted:    "accepted",
	ledger.VerdictUnverified:  "accepted_unverified",
	ledger.VerdictNoReceipt:   "no_receipt_asked",
	ledger.VerdictReceiptLost: "receipt_lost",
	ledger.VerdictRejected:    "rejected",
	ledger.VerdictRefused:     "refused",
	ledger.VerdictGaveUp:      "gave_up",
}

// usual are the outcomes that every partner has a series of from the beginning: a rate is
// only seen of what was there before.
var usual = []ledger.Verdict{ledger.VerdictAccepted, ledger.VerdictRejected, ledger.VerdictRefused, ledger.VerdictGaveUp}

const other = "other"

func outcomeOf(v ledger.Verdict) string {
	if label, ok := outcomes[v]; ok {
		return label
	}
	return other
}

// classOf is how a POST ended: by the status of the answer, or without one.
func classOf(a ledger.Attempt) string {
	switch {
	case a.Status >= 100 && a.Status < 600:
		return strconv.Itoa(a.Status/100) + "xx"
	case a.Outcome == ledger.OutcomeNotSent:
		return "not_sent"
	}
	return "unknown"
}

// reasonOf is the modifier of a disposition, or the status of an answer without receipt.
func reasonOf(disposition string) string {
	_, word, _ := strings.Cut(disposition, ": ")
	if status, ok := strings.CutPrefix(word, "HTTP "); ok && len(status) == 3 {
		return "http_" + status
	}
	for _, known := range as2.Modifiers() {
		if strings.EqualFold(known.Word, word) {
			return known.Word
		}
	}
	return other
}
