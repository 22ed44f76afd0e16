package config

import (
	"strings"

	"github.com/as2drop/as2drop/internal/roff"
)

// ManPage is as2drop-config(5), from the tables that the decoder uses.
func ManPage(date, source string) string {
	p := roff.New("as2drop-config", 5, date, source)
	p.Section("NAME")
	p.Line("as2drop-config - config.yaml, the config of as2drop(1)")
	p.Section("DESCRIPTION")
	p.Para("Mistakes are reported all at once, each with its line: as2drop check. A list may be a single value. Durations: 90s, 15m, 24h, 7d. Sizes: 500KiB, 64MiB, 2GiB. Paths are relative to the folder of the file. Secrets stand in files of their own.")
	p.Section("KEYS")
	plainText := strings.NewReplacer("`", "")
	for _, t := range tables() {
		title := t.path
		if title == "" {
			title = "The file"
		}
		p.Subsection(title)
		if t.intro != "" {
			p.Para(plainText.Replace(t.intro))
		}
		for _, r := range t.rows {
			p.Term(r.name, ": "+r.typ, plainText.Replace(r.about()))
		}
	}
	p.Section("FILES")
	p.Term("config.yaml", "", "In the folder where as2drop is called, or else /etc/as2drop/config.yaml (%ProgramData%\\as2drop\\config.yaml on Windows), or what --config or $AS2DROP_CONFIG says.")
	p.Section("EXAMPLES")
	p.Example("data_dir: /var/lib/as2drop\nlisten:\n  - address: 0.0.0.0:8443\n    certificate: keys/tls.pem\n    key: keys/tls.key\nstations:\n  main:\n    as2_id: MYCOMPANY\n    keys:\n      - {certificate: keys/as2.pem, key: keys/as2.key}\npartners:\n  acme:\n    as2_id: ACME\n    station: main\n    url: https://as2.acme.example/as2\n    certificates: [partners/acme.pem]")
	p.Section("SEE ALSO")
	p.Line("as2drop(1), as2drop-check(1), as2drop-presets(1)")
	return p.String()
}
