package config

import (
	"fmt"
	"strings"
)

// table is one mapping of the file, for people.
type table struct {
	path, intro string
	rows        []row
}

type row struct{ name, typ, def, doc string }

// about is what a key means, and its default.
func (r row) about() string {
	switch {
	case r.def == "":
		return r.doc
	case strings.HasPrefix(r.def, "required"):
		return r.doc + " R" + r.def[1:] + "."
	}
	return r.doc + " Default: " + r.def + "."
}

// tables are all mappings in the order of the reference.
func tables() []table {
	return []table{
		describe("", "", rootKeys()),
		describe("retention", "", housekeepingKeys()),
		describe("files", "", accessKeys()),
		describe("listen[]", "Each item of listen.", listenKeys()),
		describe("health", "", healthKeys()),
		describe("console", "", consoleKeys()),
		describe("alarms", "", alarmKeys()),
		describe("alarms.receivers.NAME", "", receiverKeys()),
		describe("alarms.receivers.NAME.mail", "", mailKeys()),
		describe("alarms.receivers.NAME.webhook", "", webhookKeys()),
		describe("log[]", "Each item of log. What the lines mean: [monitoring](monitoring.md).", logKeys()),
		describe("stations.NAME", "", stationKeys()),
		describe("stations.NAME.keys[]", "Each item of keys.", stationKeyKeys()),
		describe("partners.NAME", "", partnerKeys()),
		describe("partners.NAME.certificates[]", "Each item of certificates that is a mapping. A file alone is the same as a mapping with nothing but file.", certificateKeys()),
		describe("partners.NAME.trust", "", trustKeys()),
		describe("partners.NAME.client", "Secrets stand in files of their own, because the text of this file is kept in the ledger.", clientKeys()),
		describe("partners.NAME.client.basic", "The same for proxy_login.", loginKeys()),
		describe("partners.NAME.send", "", sendKeys()),
		describe("partners.NAME.receive", "", receiveKeys()),
		describe("partners.NAME.receive.receipt_retry", "", receiptRetryKeys()),
		describe("partners.NAME.receive.credentials", "", credentialKeys()),
		describe("partners.NAME.quirks", "Each of them departs from what most products expect.", quirkKeys()),
		describe("partners.NAME.naming", "", namingKeys()),
		describe("partners.NAME.outbox", "", outboxKeys()),
		describe("partners.NAME.outbox.checks", aboutChecks, checkKeys()),
		describe("partners.NAME.inbox", "", inboxKeys()),
		describe("partners.NAME.retry", "", retryKeys()),
		describe("partners.NAME.hooks", "", hooksKeys()),
		describe("partners.NAME.hooks.before_send[]", "Each item of before_send.", beforeSendKeys()),
		describe("partners.NAME.hooks.after_sent[]", "Each item of after_sent, after_failed and after_received.", afterKeys()),
		describe("partners.NAME.expect", "", expectKeys()),
		describe("partners.NAME.retention", "As in retention for all, but for at.", retentionKeys()),
		describe("partners.NAME.files", "As in files for all.", accessKeys()),
		describe("partners.NAME.timeouts", "", timeoutKeys()),
	}
}

func describe[T any](path, intro string, keys []key[T]) table {
	t := table{path: path, intro: intro}
	for _, k := range keys {
		t.rows = append(t.rows, row{k.name, k.typ, k.def, k.doc})
	}
	return t
}

// Reference writes docs/config.md from the tables that the decoder uses.
func Reference() string {
	var b strings.Builder
	b.WriteString("# config.yaml\n\nEvery key, generated from the table that reads the file (`go test ./config -update`). Mistakes are reported all at once, each with its line. " +
		"A list may be a single value. Durations: `90s`, `15m`, `24h`, `7d`. Sizes: `500KiB`, `64MiB`, `2GiB`. Paths are relative to the folder of the file.\n")
	cell := strings.NewReplacer("|", `\|`)
	for _, t := range tables() {
		title := t.path
		if title == "" {
			title = "The file"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if t.intro != "" {
			b.WriteString(t.intro + "\n\n")
		}
		b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		for _, r := range t.rows {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.name, cell.Replace(r.typ), cell.Replace(r.def), cell.Replace(r.doc))
		}
	}
	b.WriteString(aboutSchedules)
	b.WriteString("\n## Presets\n\n`preset: NAME` of a partner makes these values his defaults. What the partner says itself overrides them.\n")
	for _, p := range Presets {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n```yaml\n%s```\n", p.Name, p.Doc, p.YAML)
	}
	return b.String()
}
