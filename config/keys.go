package config

import (
	"runtime"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/naming"
)

// defaultPartner is what a partner has that says nothing.
func defaultPartner() *Partner {
	p := &Partner{
		Version: "1.2",
		Send:    Send{Sign: cms.SHA256, Cipher: cms.AES256CBC, Compress: "none", Receipt: "signed", ReceiptWait: time.Hour, Parallel: 2},
		Receive: Receive{Signed: true, Encrypted: true, MaxMessage: 64 << 30, MaxEntries: 10_000, MaxUnpacked: 256 << 30, MaxRatio: 1000,
			Digests:      []cms.Digest{cms.SHA224, cms.SHA256, cms.SHA384, cms.SHA512},
			ReceiptRetry: ReceiptRetry{Attempts: 20, First: 30 * time.Second, Max: time.Hour, GiveUpAfter: 3 * 24 * time.Hour}},
		Naming: naming.DefaultConfig(), LateWindow: 24 * time.Hour,
		Outbox:       Outbox{Bundle: "always", Watch: "auto", Poll: 30 * time.Second, ReadyAlarm: 15 * time.Minute, WaitingAlarm: time.Hour, Order: "free", SameContent: "off", SameDays: 30, Checks: defaultChecks()},
		Inbox:        Inbox{Unpack: "auto", BrokenZip: "keep", Several: "split", Strays: "split", NestedZips: "keep", OnConflict: "rename", Layout: "files"},
		Retry:        Retry{Attempts: 30, First: 30 * time.Second, Max: time.Hour, Factor: 2, Jitter: 0.1, GiveUpAfter: 24 * time.Hour},
		Timeouts:     Timeouts{Connect: 30 * time.Second, Stall: 2 * time.Minute, Answer: 10 * time.Minute},
		Hooks:        Hooks{Parallel: 2},
		Expect:       Expected{Grace: time.Hour},
		EvidenceUpTo: 64 << 20,
	}
	p.Naming.Marker = "{key}.ready"
	p.Naming.FoldCase = runtime.GOOS == "windows"
	return p
}

// NewPartner is a partner that says nothing: what holds unless something else was agreed.
func NewPartner() *Partner { return defaultPartner() }

func rootKeys() []key[Config] {
	return []key[Config]{
		{"data_dir", "path", defaultDataDir, "Where the ledger, and the partners' folders unless they say otherwise, are kept. Must be on a local disk.", setPath(func(c *Config) *string { return &c.DataDir })},
		{"time_zone", "name", "that of the machine", "The zone of all schedules and moments, such as Europe/Vienna, where a partner does not have his own.", setString(func(c *Config) *string { return &c.ZoneName })},
		{"reserve", "size", "256MiB", "Space to keep free on each volume. Below it nothing is accepted and nothing is posted. A message to us is turned away with 503 where its length, or twice that if it is kept as evidence or its receipt is wanted later, would not fit above it.", setSize(0, func(c *Config) *int64 { return &c.Reserve })},
		section("retention", "How long things are kept, and when those are removed that have had their time. Everything is kept for ever unless a rule says otherwise; partners may say otherwise. Nothing is removed of what is under way, nothing ever from an inbox, and each run leaves events that say what went by which rule.", func(c *Config) *Housekeeping { return &c.Retention }, housekeepingKeys),
		section("files", "Who may use the files in inbox, sent and failed, beside the agent. Partners may say otherwise.", func(c *Config) *Access { return &c.Access }, accessKeys),
		{"create_keys", "true or false", "false", "Make keys and self-signed certificates of ours that are missing when the file is read; a warning names them. For trying things out.", setBool(func(c *Config) *bool { return &c.CreateKeys })},
		{"listen", "list", "none", "Addresses where messages are received.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			list(d, n, path, func(item *yaml.Node, at string) {
				l := Listener{Path: "/as2"}
				mapping(d, &l, item, at, listenKeys())
				c.Listen = append(c.Listen, l)
			})
		}},
		{"health", "mapping", "", "Where others can ask how the agent is.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			mapping(d, &c.Health, n, path, healthKeys())
		}},
		{"console", "mapping", "none", "The console for people in a browser, and the API for programs. It is served where this key is; console: {} is enough.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			c.Console = Console{Address: consoleAddress, Idle: 30 * time.Minute, Session: 12 * time.Hour}
			mapping(d, &c.Console, n, path, consoleKeys())
		}},
		section("alarms", "Who is told of what is wrong. See docs/alarms.md.", func(c *Config) *Alarms { return &c.Alarms }, alarmKeys),
		{"log", "list", "none", "Where the agent logs, each place with a level and a format of its own. Without it, or with the flags of as2drop run, to standard error. A change is taken while the agent runs.", decodeLog},
		{"stations", "names", "required", "Our own AS2 identities; separate ones for test and production are normal.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			named(d, n, path, func(name string, value *yaml.Node, at string) {
				s := &Station{Name: name}
				mapping(d, s, value, at, stationKeys())
				c.Stations = append(c.Stations, s)
			})
		}},
		{"partners", "names", "none", "The other sides. Each has a folder of its own.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			named(d, n, path, func(name string, value *yaml.Node, at string) {
				p := defaultPartner()
				p.Name = name
				applyPreset(d, p, value, at)
				mapping(d, p, value, at, partnerKeys())
				c.Partners = append(c.Partners, p)
			})
		}},
	}
}

func listenKeys() []key[Listener] {
	return []key[Listener]{
		{"address", "host:port", "required", "Where to listen.", setString(func(l *Listener) *string { return &l.Address })},
		{"path", "path", "/as2", "The path of the URL that partners post to.", setString(func(l *Listener) *string { return &l.Path })},
		{"certificate", "file", "required without behind_proxy", "The certificate for TLS, its chain behind it.", setPath(func(l *Listener) *string { return &l.CertificateFile })},
		{"key", "file", "required without behind_proxy", "Its private key.", setPath(func(l *Listener) *string { return &l.KeyFile })},
		{"behind_proxy", "true or false", "false", "Plain HTTP on this address, because a proxy in front of it ends TLS.", setBool(func(l *Listener) *bool { return &l.BehindProxy })},
		{"public_url", "URL", "none", "The URL by which partners reach this address. Asynchronous receipts are asked for at the first one, where receipt_url does not say otherwise.", setString(func(l *Listener) *string { return &l.PublicURL })},
		{"client_authorities", "list of files", "none", "Authorities that are named to a client when it is asked for a certificate. It is asked for one where this is set or where a partner has receive.credentials.client_certificates; only such a partner must show one.", setPaths(func(l *Listener) *[]string { return &l.AuthorityFiles })},
	}
}

func stationKeys() []key[Station] {
	return []key[Station]{
		{"as2_id", "AS2 name", "required", "Our AS2 identifier: AS2-From in what we send, AS2-To in what we receive.", setString(func(s *Station) *string { return &s.AS2ID })},
		{"keys", "list", "required", "Our certificates with their keys. All of them open; of those whose sign_from has passed the latest signs, of equals the first. An expired one signs only if no other is left. The change to the next one needs no restart.", func(d *decoder, s *Station, n *yaml.Node, path string) {
			list(d, n, path, func(item *yaml.Node, at string) {
				var k KeyPair
				mapping(d, &k, item, at, stationKeyKeys())
				s.Keys = append(s.Keys, k)
			})
		}},
	}
}

func keyPairKeys() []key[KeyPair] {
	return []key[KeyPair]{
		{"certificate", "file", "required without pkcs12", "PEM, DER or .p7b; its chain behind it.", setPath(func(k *KeyPair) *string { return &k.CertificateFile })},
		{"key", "file", "required without pkcs12", "The private key in PEM, without passphrase.", setPath(func(k *KeyPair) *string { return &k.KeyFile })},
		{"pkcs12", "file", "none", "Certificate, chain and key in one file (.p12, .pfx), in place of the two.", setPath(func(k *KeyPair) *string { return &k.PKCS12File })},
		{"password_file", "file", "none", "The file with the password of the PKCS#12 file. Without it the password is empty.", setPath(func(k *KeyPair) *string { return &k.PasswordFile })},
	}
}

// stationKeyKeys are those of a key pair that signs.
func stationKeyKeys() []key[KeyPair] {
	return append(keyPairKeys(), key[KeyPair]{"sign_from", "moment", "from the beginning", "From when on it signs.", setString(func(k *KeyPair) *string { return &k.signFrom })})
}

func healthKeys() []key[Health] {
	return []key[Health]{
		{"address", "host:port", "none", "Where /healthz, /readyz and, for Prometheus, /metrics answer, over plain HTTP. They name partners and what is wrong with them: listen on 127.0.0.1, or where only those can reach it who may know.", setString(func(h *Health) *string { return &h.Address })},
	}
}
