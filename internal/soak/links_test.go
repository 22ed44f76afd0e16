//go:build linux

package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

type yamlMap = map[string]any

// reading is how the ERP behind an inbox takes files.
type reading int

const (
	byBatch  reading = iota // the document with its attachments, once the document is there
	greedily                // whatever is there, at once
	byFolder                // whole folders
	never                   // it leaves everything where it is
)

// link is one partnership between the two sides: each is a partner of the other under this
// name, with AS2 names of its own.
type link struct {
	name      string
	config    yamlMap // what it has beside the rest
	quiet     time.Duration
	read      reading
	hasty     bool // few attempts: its transfers may end in failed
	noReceipt bool
	alone     bool // documents travel without attachments
	marker    bool // a batch is complete with its marker file
	piped     bool // through the proxy that knows bytes only
	strict    bool // one by one, in the order in which they were dropped
	slow      bool // its files are written slowly under their final names
	proven    bool // its evidence proves what it should: whole messages, signed receipts
	small     bool // its folder is on a small volume of its own, if there can be one
}

// patient is a retry policy that faults of minutes do not exhaust.
func patient() yamlMap {
	return yamlMap{"attempts": 1000, "first": "1s", "max": "2s", "factor": 1.5, "give_up_after": "7d"}
}

func impatient() yamlMap {
	return yamlMap{"attempts": 3, "first": "1s", "max": "1s", "factor": 1.5, "give_up_after": "7d"}
}

// links are all partnerships of a soak.
func links() []*link {
	async := func(wait string) yamlMap {
		return yamlMap{"receipt_delivery": "async", "receipt_wait": wait}
	}
	return []*link{
		{name: "sync", proven: true, quiet: 300 * time.Millisecond, read: byBatch},
		{name: "async", proven: true, quiet: 300 * time.Millisecond, read: byBatch, config: yamlMap{"send": async("4s")}},
		{name: "signed", proven: true, read: greedily, config: yamlMap{
			"send": yamlMap{"encrypt": "none", "compress": "before-sign"}, "receive": yamlMap{"require": []string{"signed"}}}},
		{name: "noreceipt", quiet: 300 * time.Millisecond, read: byBatch, noReceipt: true, piped: true, config: yamlMap{"send": yamlMap{"receipt": "none"}}},
		{name: "single", quiet: 200 * time.Millisecond, read: never, alone: true, config: yamlMap{
			"send": yamlMap{"encrypt": "aes-256-gcm", "key_transport": "oaep-sha-256", "receipt": "unsigned"}, "outbox": yamlMap{"bundle": "never"}}},
		{name: "folders", proven: true, quiet: 10 * time.Second, read: byFolder, piped: true, slow: true, config: yamlMap{"inbox": yamlMap{"layout": "batch"}}},
		{name: "asyncpipe", quiet: 300 * time.Millisecond, read: never, piped: true, config: yamlMap{"send": async("5s"), "evidence_up_to": "64KiB"}},
		{name: "marker", proven: true, read: byBatch, marker: true, config: yamlMap{"naming": yamlMap{"complete": "marker"}}},
		{name: "small", read: byBatch, small: true, config: yamlMap{"evidence_up_to": "1KiB", "outbox": yamlMap{"bundle": "with-attachments"}}},
		{name: "strict", quiet: 100 * time.Millisecond, read: never, strict: true, proven: true, config: yamlMap{"outbox": yamlMap{"order": "strict"}}},
		{name: "hasty", proven: true, quiet: 200 * time.Millisecond, read: byBatch, hasty: true, config: yamlMap{"retry": impatient()}},
		{name: "hastyasync", proven: true, quiet: 200 * time.Millisecond, read: byBatch, hasty: true, config: yamlMap{"retry": impatient(), "send": async("2s")}},
	}
}

// site is one agent's config with everything that it says.
type site struct {
	side    side
	listen  string            // host:port
	dir     string            // of config and data
	folders map[string]string // of links on volumes of their own
	web     string            // proxies to the other side
	pipe    string
	own     map[bool]string // proxies to us, for receipts: piped or not
}

func (s *site) config() string { return filepath.Join(s.dir, "config.yaml") }

// folder is where the files of a link are.
func (s *site) folder(link string) string {
	if f, ok := s.folders[link]; ok {
		return f
	}
	return filepath.Join(s.dir, "data", "partners", link)
}

// write writes config.yaml, in one of several variants that differ in what may change while
// the agent runs.
func (s *site) write(all []*link, variant int) error {
	key := func(name string) string { return "../keys/" + name }
	us, them := string(s.side), string(s.side.other())
	stations, partners := yamlMap{}, yamlMap{}
	for _, l := range all {
		stations[l.name] = yamlMap{"as2_id": strings.ToUpper(us + "-" + l.name), "keys": []yamlMap{{"certificate": key(us + ".pem"), "key": key(us + ".key")}}}
		p := s.partner(l, them)
		if !l.strict {
			p["send"].(yamlMap)["parallel"] = 2 + variant%4
		}
		p["retry"].(yamlMap)["jitter"] = 0.1 * float64(variant%3)
		partners[l.name] = p
	}
	body, err := yaml.Marshal(yamlMap{
		"data_dir": "data",
		"reserve":  "96KiB",
		"listen":   []yamlMap{{"address": s.listen, "certificate": key(us + "-tls.pem"), "key": key(us + "-tls.key")}},
		"stations": stations,
		"partners": partners,
	})
	if err != nil {
		return err
	}
	part := s.config() + ".part"
	if err := os.WriteFile(part, body, 0o644); err != nil {
		return err
	}
	return os.Rename(part, s.config())
}

func (s *site) partner(l *link, them string) yamlMap {
	url, server := s.web, "../keys/proxy.pem"
	if l.piped {
		url, server = s.pipe, "../keys/"+them+"-tls.pem"
	}
	p := yamlMap{
		"as2_id": strings.ToUpper(them + "-" + l.name), "station": l.name, "url": "https://" + url + "/as2",
		"certificates": "../keys/" + them + ".pem", "server_certificates": server,
		"retry": patient(), "timeouts": yamlMap{"connect": "3s", "stall": "4s", "answer": answerTimeout.String()},
	}
	for name, value := range l.config {
		p[name] = value
	}
	section := func(name string) yamlMap {
		m := yamlMap{}
		if old, ok := p[name].(yamlMap); ok {
			for k, v := range old {
				m[k] = v
			}
		}
		p[name] = m
		return m
	}
	section("naming")["quiet"] = fmt.Sprintf("%dms", l.quiet.Milliseconds())
	section("outbox")["poll"] = "2s"
	receive := section("receive")
	receive["receipt_hosts"] = []string{"127.0.0.1"}
	receive["receipt_retry"] = yamlMap{"attempts": 1000, "first": "1s", "max": "2s", "give_up_after": "7d"}
	section("retry")
	if send := section("send"); send["receipt_delivery"] == "async" {
		send["receipt_url"] = "https://" + s.own[l.piped] + "/as2"
	}
	if folder, ok := s.folders[l.name]; ok {
		p["folder"] = folder
	}
	return p
}
