package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/as2drop/as2drop/config"
	"github.com/as2drop/as2drop/internal/status"
	"github.com/as2drop/as2drop/ledger"
)

// seen is what the agent saw last when it looked after itself.
type seen struct {
	status   *status.Status
	config   *config.Config
	expiries func() []config.Expiry // asked when somebody scrapes
	partners map[string]bool        // of the config in force
}

// Look takes what the agent just saw of itself, and the config that it works with. The
// caller changes neither afterwards.
func (m *Metrics) Look(s *status.Status, cfg *config.Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	former := m.seen
	m.seen = seen{status: s, config: cfg, expiries: func() []config.Expiry { return cfg.Expiring(s.At, forever) }, partners: former.partners}
	if former.config == cfg {
		return
	}
	m.seen.partners = make(map[string]bool, len(cfg.Partners))
	for _, p := range cfg.Partners {
		m.seen.partners[p.Name] = true
	}
	if m.scraped {
		m.begin(m.seen.partners)
	}
	for name := range former.partners {
		if !m.seen.partners[name] {
			for _, v := range []*prometheus.CounterVec{m.transfers, m.sentBytes, m.posts, m.received, m.receivedBytes, m.refused} {
				v.DeletePartialMatch(prometheus.Labels{"partner": name})
			}
		}
	}
}

// begin gives partners the series that they have from the beginning. As long as nobody
// scrapes there is nobody to see them: of a thousand partners they are several megabytes.
func (m *Metrics) begin(partners map[string]bool) {
	for name := range partners {
		for _, v := range usual {
			m.transfers.WithLabelValues(name, outcomeOf(v))
		}
		for _, v := range []*prometheus.CounterVec{m.sentBytes, m.received, m.receivedBytes} {
			v.WithLabelValues(name)
		}
	}
}

// forever is longer than any certificate is valid.
const forever = 200 * 365 * 24 * time.Hour

// gauge is one number that is read off a status.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil), prometheus.GaugeValue}
}

func newTotal(name, help string, labels ...string) gauge {
	g := newGauge(name, help, labels...)
	g.kind = prometheus.CounterValue
	return g
}

// standing is a collector of how things stand.
type standing struct {
	m *Metrics

	looked, started, configTaken, configRefused, ledgerFault gauge
	free, problems, problem, updates, rows                   gauge
	expiry                                                   gauge

	state, files, ready, oldestReady, open, held, oldestOpen gauge
	lastSent, lastReceived, troubles, paused                 gauge
	partnerFree, hooks, restarts                             gauge
}

func (m *Metrics) standing() *standing {
	return &standing{
		m:             m,
		looked:        newGauge("status_timestamp_seconds", "When the agent last looked after itself; the gauges below say what it saw."),
		started:       newGauge("start_timestamp_seconds", "When the agent began to work."),
		configTaken:   newGauge("config_taken_timestamp_seconds", "When the config in force was taken."),
		configRefused: newGauge("config_refused", "1 if the config file was changed and could not be taken."),
		ledgerFault:   newGauge("ledger_fault", "1 if the ledger takes nothing: nothing is accepted or sent then."),
		free:          newGauge("data_free_bytes", "Free space on the volume of data_dir."),
		problems:      newGauge("problems", "Problems that as2drop status shows, by level.", "level"),
		problem:       newGauge("problem", "1 for each problem that as2drop status shows; partner is empty where it is about none.", "partner", "code", "level"),
		updates:       newTotal("ledger_updates_total", "Changes that the ledger took; many share a commit."),
		rows:          newTotal("ledger_rows_read_total", "Rows that were read from the ledger."),
		expiry:        newGauge("certificate_expiry_timestamp_seconds", "When nothing valid is left for a use, unless somebody does something.", "owner", "use", "partner"),

		state:        newGauge("partner_state", "Always 1; the state of a partner in words.", "partner", "state"),
		files:        newGauge("outbox_files", "Files in the outbox.", "partner"),
		ready:        newGauge("outbox_ready", "Complete batches in the outbox that were not taken yet.", "partner"),
		oldestReady:  newGauge("oldest_ready_seconds", "How long the oldest complete batch waits in the outbox; 0 = none does.", "partner"),
		open:         newGauge("transfers_open", "Transfers without verdict, held ones too.", "partner"),
		held:         newGauge("transfers_held", "Transfers that are held or wait for their turn.", "partner"),
		oldestOpen:   newGauge("oldest_open_seconds", "Age of the oldest transfer without verdict; 0 = there is none.", "partner"),
		lastSent:     newGauge("last_sent_timestamp_seconds", "When a transfer was last filed in sent; 0 = never.", "partner"),
		lastReceived: newGauge("last_received_timestamp_seconds", "When a message was last accepted; 0 = never.", "partner"),
		troubles:     newGauge("attempts_failed_in_row", "Attempts that failed since the partner last took a message.", "partner"),
		paused:       newGauge("partner_paused", "1 if nothing is sent to the partner, by the agent or by an operator.", "partner"),
		partnerFree:  newGauge("partner_free_bytes", "Free space on the volume of the partner's folder; 0 where it does not answer.", "partner"),
		hooks:        newGauge("hooks_owed", "Hooks that are still to be run.", "partner"),
		restarts:     newTotal("worker_restarts_total", "Workers that ended unexpectedly and were started again.", "partner"),
	}
}

// Describe says nothing: which series there are depends on the config.
func (c *standing) Describe(chan<- *prometheus.Desc) {}

// Collect reads the last status.
func (c *standing) Collect(ch chan<- prometheus.Metric) {
	c.m.mu.Lock()
	last := c.m.seen
	c.m.mu.Unlock()
	s := last.status
	if s == nil {
		return // the agent has not looked yet
	}
	put := func(g gauge, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, value, labels...)
	}
	put(c.looked, stamp(s.At))
	put(c.started, stamp(s.Started))
	put(c.configTaken, stamp(s.Taken))
	put(c.configRefused, yes(s.Refused != ""))
	put(c.ledgerFault, yes(s.Ledger != ""))
	put(c.free, float64(s.Free))
	put(c.updates, float64(s.Work.Updates))
	put(c.rows, float64(s.Work.Rows))
	c.tellProblems(put, s)
	c.tellExpiries(put, last.expiries())
	now := c.m.now()
	for i := range s.Partners {
		c.partner(put, &s.Partners[i], now)
	}
}

// tellExpiries tells of each use once: two listeners may have one address, with port 0.
func (c *standing) tellExpiries(put func(gauge, float64, ...string), expiries []config.Expiry) {
	type use struct{ owner, use, partner string }
	first := map[use]time.Time{}
	for _, e := range expiries {
		u := use{e.Owner, e.For, e.Partner}
		if at, known := first[u]; !known || e.At.Before(at) {
			first[u] = e.At
		}
	}
	for u, at := range first {
		put(c.expiry, stamp(at), u.owner, u.use, u.partner)
	}
}

// tellProblems counts the problems, and has a series for each kind.
func (c *standing) tellProblems(put func(gauge, float64, ...string), s *status.Status) {
	type kind struct {
		partner, code string
		level         ledger.Level
	}
	kinds, levels := map[kind]float64{}, map[ledger.Level]int{ledger.Alarm: 0, ledger.Warning: 0}
	for _, p := range s.Problems {
		kinds[kind{p.Partner, p.Code, p.Level}] = 1
		levels[p.Level]++
	}
	for k, v := range kinds {
		put(c.problem, v, k.partner, k.code, string(k.level))
	}
	for level, n := range levels {
		put(c.problems, float64(n), string(level))
	}
}

func (c *standing) partner(put func(gauge, float64, ...string), p *status.Partner, now time.Time) {
	put(c.state, 1, p.Name, p.State)
	put(c.files, float64(p.Files), p.Name)
	put(c.ready, float64(p.Ready), p.Name)
	put(c.oldestReady, age(p.OldestReady, now), p.Name)
	put(c.open, float64(p.Open), p.Name)
	put(c.held, float64(p.Held), p.Name)
	put(c.oldestOpen, age(p.Oldest, now), p.Name)
	put(c.lastSent, stamp(p.LastSent), p.Name)
	put(c.lastReceived, stamp(p.LastReceived), p.Name)
	failed := 0
	if p.Trouble != nil {
		failed = p.Trouble.Count
	}
	put(c.troubles, float64(failed), p.Name)
	put(c.paused, yes(p.Pause != nil), p.Name)
	put(c.partnerFree, float64(p.Free), p.Name)
	put(c.hooks, float64(p.Hooks), p.Name)
	put(c.restarts, float64(p.Restarts), p.Name)
}

// stamp is a moment in seconds since 1970; 0 = never.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// age is how long ago something began, in seconds; 0 = it did not.
func age(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(now.Sub(since), 0).Seconds()
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
