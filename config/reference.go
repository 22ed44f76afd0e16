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

// tables are all mappings in the order of the reference.
func tables() []table {
	return []table{
		describe("", "", rootKeys()),
		describe("listen[]", "Each item of listen.", listenKeys()),
		describe("stations.NAME", "", stationKeys()),
		describe("stations.NAME.keys[]", "Each item of keys.", keyPairKeys()),
		describe("partners.NAME", "", partnerKeys()),
		describe("partners.NAME.send", "", sendKeys()),
		describe("partners.NAME.receive", "", receiveKeys()),
		describe("partners.NAME.naming", "", namingKeys()),
		describe("partners.NAME.outbox", "", outboxKeys()),
		describe("partners.NAME.inbox", "", inboxKeys()),
		describe("partners.NAME.retry", "", retryKeys()),
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
	return b.String()
}
