package config

import (
	"fmt"
	"strings"
)

// Reference writes docs/config.md from the tables that the decoder uses.
func Reference() string {
	var b strings.Builder
	b.WriteString("# config.yaml\n\nEvery key, generated from the table that reads the file (`go test ./config -update`). A list may be a single value. Durations: `90s`, `15m`, `24h`, `7d`. Sizes: `500KiB`, `64MiB`, `2GiB`. Paths are relative to the folder of the file.\n")
	section(&b, "The file", "", rootKeys())
	section(&b, "listen", "Each item:", listenKeys())
	section(&b, "stations.NAME", "", stationKeys())
	section(&b, "stations.NAME.keys", "Each item:", keyPairKeys())
	section(&b, "partners.NAME", "", partnerKeys())
	section(&b, "partners.NAME.send", "", sendKeys())
	section(&b, "partners.NAME.receive", "", receiveKeys())
	section(&b, "partners.NAME.naming", "", namingKeys())
	section(&b, "partners.NAME.outbox", "", outboxKeys())
	section(&b, "partners.NAME.inbox", "", inboxKeys())
	section(&b, "partners.NAME.retry", "", retryKeys())
	section(&b, "partners.NAME.timeouts", "", timeoutKeys())
	return b.String()
}

func section[T any](b *strings.Builder, title, intro string, table []key[T]) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if intro != "" {
		b.WriteString(intro + "\n\n")
	}
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	cell := func(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
	for _, k := range table {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.name, cell(k.typ), cell(k.def), cell(k.doc))
	}
}
