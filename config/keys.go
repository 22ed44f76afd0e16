package config

import (
	"runtime"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/naming"
)

// defaultPartner is what a partner has that says nothing.
func defaultPartner() *Partner {
	p := &Partner{
		Send:    Send{Sign: cms.SHA256, Cipher: cms.AES256CBC, Compress: "none", Receipt: "signed", Parallel: 2},
		Receive: Receive{Signed: true, Encrypted: true, MaxMessage: 64 << 30, MaxEntries: 10_000, MaxUnpacked: 256 << 30, MaxRatio: 1000},
		Naming:  naming.DefaultConfig(), LateWindow: 24 * time.Hour,
		Outbox:       Outbox{Bundle: "always", Poll: 30 * time.Second, WaitingAlarm: time.Hour},
		Inbox:        Inbox{Unpack: "auto", BrokenZip: "keep", OnConflict: "rename", Layout: "files"},
		Retry:        Retry{Attempts: 10, First: 30 * time.Second, Max: time.Hour, Factor: 2, Jitter: 0.1, GiveUpAfter: 24 * time.Hour},
		Timeouts:     Timeouts{Connect: 30 * time.Second, Stall: 2 * time.Minute, Answer: 10 * time.Minute},
		EvidenceUpTo: 64 << 20,
	}
	p.Naming.Marker = "{key}.ready"
	p.Naming.FoldCase = runtime.GOOS == "windows"
	return p
}

func rootKeys() []key[Config] {
	return []key[Config]{
		{"data_dir", "path", "./var", "Where the ledger, and the partners' folders unless they say otherwise, are kept. Must be on a local disk.", setString(func(c *Config) *string { return &c.DataDir })},
		{"time_zone", "name", "that of the machine", "The zone of all schedules, such as Europe/Vienna.", setString(func(c *Config) *string { return &c.ZoneName })},
		{"reserve", "size", "256MiB", "Space to keep free on each volume. Below it nothing is accepted and nothing is posted.", setSize(0, func(c *Config) *int64 { return &c.Reserve })},
		{"create_keys", "true or false", "false", "Make keys and self-signed certificates of ours that are missing when the file is read; a warning names them. For trying things out.", setBool(func(c *Config) *bool { return &c.CreateKeys })},
		{"listen", "list", "none", "Addresses where messages are received.", func(d *decoder, c *Config, n *yaml.Node, path string) {
			list(d, n, path, func(item *yaml.Node, at string) {
				l := Listener{Path: "/as2"}
				mapping(d, &l, item, at, listenKeys())
				c.Listen = append(c.Listen, l)
			})
		}},
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
		{"certificate", "file", "required without behind_proxy", "The certificate for TLS, its chain behind it.", setString(func(l *Listener) *string { return &l.CertificateFile })},
		{"key", "file", "required without behind_proxy", "Its private key.", setString(func(l *Listener) *string { return &l.KeyFile })},
		{"behind_proxy", "true or false", "false", "Plain HTTP on this address, because a proxy in front of it ends TLS.", setBool(func(l *Listener) *bool { return &l.BehindProxy })},
	}
}

func stationKeys() []key[Station] {
	return []key[Station]{
		{"as2_id", "AS2 name", "required", "Our AS2 identifier: AS2-From in what we send, AS2-To in what we receive.", setString(func(s *Station) *string { return &s.AS2ID })},
		{"keys", "list", "required", "Our certificates with their keys. The first one signs, all of them open: put the new one first while partners change over.", func(d *decoder, s *Station, n *yaml.Node, path string) {
			list(d, n, path, func(item *yaml.Node, at string) {
				var k KeyPair
				mapping(d, &k, item, at, keyPairKeys())
				s.Keys = append(s.Keys, k)
			})
		}},
	}
}

func keyPairKeys() []key[KeyPair] {
	return []key[KeyPair]{
		{"certificate", "file", "required", "PEM, DER or .p7b.", setString(func(k *KeyPair) *string { return &k.CertificateFile })},
		{"key", "file", "required", "The private key in PEM, without passphrase.", setString(func(k *KeyPair) *string { return &k.KeyFile })},
	}
}

func partnerKeys() []key[Partner] {
	return []key[Partner]{
		{"as2_id", "AS2 name", "required", "The partner's AS2 identifier. Case matters.", setString(func(p *Partner) *string { return &p.AS2ID })},
		{"station", "name", "required", "Which of our stations talks to it.", setString(func(p *Partner) *string { return &p.StationName })},
		{"folder", "path", "data_dir/partners/NAME", "The partner's folder with outbox, sent, failed and inbox. One volume.", setString(func(p *Partner) *string { return &p.Folder })},
		{"url", "URL", "none", "Where to post to. Without it nothing is sent to this partner.", setString(func(p *Partner) *string { return &p.URL })},
		{"allow_http", "true or false", "false", "Post over plain HTTP.", setBool(func(p *Partner) *bool { return &p.AllowHTTP })},
		{"certificates", "list of files", "required", "The partner's certificates. The first one is encrypted to, any of them may sign.", setStrings(func(p *Partner) *[]string { return &p.CertificateFiles })},
		{"server_certificates", "list of files", "authorities of the system", "Certificates, or authorities, that the partner's web server must show.", setStrings(func(p *Partner) *[]string { return &p.ServerFiles })},
		{"send", "mapping", "", "How messages to the partner are made.", func(d *decoder, p *Partner, n *yaml.Node, path string) { mapping(d, &p.Send, n, path, sendKeys()) }},
		{"receive", "mapping", "", "What messages from the partner must be.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			mapping(d, &p.Receive, n, path, receiveKeys())
		}},
		{"naming", "mapping", "", "Which files travel together.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			mapping(d, p, n, path, namingKeys())
		}},
		{"outbox", "mapping", "", "How files are picked up.", func(d *decoder, p *Partner, n *yaml.Node, path string) { mapping(d, &p.Outbox, n, path, outboxKeys()) }},
		{"inbox", "mapping", "", "How files are delivered.", func(d *decoder, p *Partner, n *yaml.Node, path string) { mapping(d, &p.Inbox, n, path, inboxKeys()) }},
		{"retry", "mapping", "", "How often and how long a transfer is tried.", func(d *decoder, p *Partner, n *yaml.Node, path string) { mapping(d, &p.Retry, n, path, retryKeys()) }},
		{"timeouts", "mapping", "", "Bounds of one attempt.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			mapping(d, &p.Timeouts, n, path, timeoutKeys())
		}},
		{"evidence_up_to", "size", "64MiB", "Sealed and received messages up to this size are kept as evidence; headers, digests and receipts always are.", setSize(0, func(p *Partner) *int64 { return &p.EvidenceUpTo })},
	}
}

func sendKeys() []key[Send] {
	return []key[Send]{
		{"sign", "sha-256, sha-384, sha-512 or none", "sha-256", "The digest of our signature.", func(d *decoder, s *Send, n *yaml.Node, path string) {
			var name string
			setChoice(func(v *string) *string { return v }, "sha-256", "sha-384", "sha-512", "none")(d, &name, n, path)
			s.Sign, _ = cms.ParseDigest(name) // "none" is NoDigest; others were refused above
		}},
		{"encrypt", strings.Join(cms.Ciphers(), ", ") + " or none", "aes-256-cbc", "The content cipher.", func(d *decoder, s *Send, n *yaml.Node, path string) {
			var name string
			setChoice(func(v *string) *string { return v }, append(cms.Ciphers(), "none")...)(d, &name, n, path)
			s.Cipher, _ = cms.ParseCipher(name) // as above
		}},
		{"compress", "none, before-sign or after-sign", "none", "AS2 compression. The zip is compressed already.", setChoice(func(s *Send) *string { return &s.Compress }, "none", "before-sign", "after-sign")},
		{"receipt", "signed, unsigned or none", "signed", "The receipt (MDN) to ask for, on the same connection.", setChoice(func(s *Send) *string { return &s.Receipt }, "signed", "unsigned", "none")},
		{"accept_missing_mic", "true or false", "false", "Accept a receipt without MIC for a message that was not signed.", setBool(func(s *Send) *bool { return &s.AcceptNoMIC })},
		{"accept_duplicate", "true or false", "false", "Take the answer \"duplicate\", after an attempt whose outcome was unknown, for delivered. Otherwise such a transfer is held.", setBool(func(s *Send) *bool { return &s.AcceptDuplicate })},
		{"subject", "text", "the name of the document", "The Subject header.", setString(func(s *Send) *string { return &s.Subject })},
		{"parallel", "1 to 64", "2", "How many transfers to the partner may be under way at once.", setInt(1, 64, func(s *Send) *int { return &s.Parallel })},
	}
}

func receiveKeys() []key[Receive] {
	return []key[Receive]{
		{"require", "list of signed, encrypted", "[signed, encrypted]", "What is less protected is refused.", func(d *decoder, r *Receive, n *yaml.Node, path string) {
			r.Signed, r.Encrypted = false, false
			list(d, n, path, func(item *yaml.Node, at string) {
				var word string
				setChoice(func(v *string) *string { return v }, "signed", "encrypted")(d, &word, item, at)
				r.Signed = r.Signed || word == "signed"
				r.Encrypted = r.Encrypted || word == "encrypted"
			})
		}},
		{"max_message", "size", "64GiB", "The largest payload.", setSize(1, func(r *Receive) *int64 { return &r.MaxMessage })},
		{"max_entries", "number", "10000", "The most files in a zip.", setInt(1, 1_000_000, func(r *Receive) *int { return &r.MaxEntries })},
		{"max_unpacked", "size", "256GiB", "The most bytes a zip may unpack to.", setSize(1, func(r *Receive) *int64 { return &r.MaxUnpacked })},
		{"max_ratio", "number", "1000", "The most bytes per byte of the zip.", func(d *decoder, r *Receive, n *yaml.Node, path string) {
			ratio := int(r.MaxRatio)
			setInt(1, 1_000_000, func(v *int) *int { return v })(d, &ratio, n, path)
			r.MaxRatio = int64(ratio)
		}},
	}
}

func namingKeys() []key[Partner] {
	return []key[Partner]{
		{"documents", "list of patterns", "{key}.{ext:xml|edi|edifact|x12|json|csv|txt}", "Names of documents.", setStrings(func(p *Partner) *[]string { return &p.Naming.Documents })},
		{"attachments", "list of patterns", "{key}_{name}.{ext} and {key}.{ext}", "Names of attachments.", setStrings(func(p *Partner) *[]string { return &p.Naming.Attachments })},
		{"document_regexp", "RE2 with a group key", "none", "In place of documents.", setString(func(p *Partner) *string { return &p.Naming.DocumentExpr })},
		{"attachment_regexp", "RE2 with a group key", "none", "In place of attachments.", setString(func(p *Partner) *string { return &p.Naming.AttachmentExpr })},
		{"ignore", "list of shell patterns", "none", "Names that are never ready, besides .*, ~$*, *.tmp, *.part, *.filepart, *.crdownload.", setStrings(func(p *Partner) *[]string { return &p.Naming.Ignore })},
		{"complete", "quiet, marker or count", "quiet", "When a batch is complete.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			setChoice(func(p *Partner) *string { return (*string)(&p.Naming.Complete) }, "quiet", "marker", "count")(d, p, n, path)
		}},
		{"quiet", "duration", "5s", "For how long no member may have changed. 0s takes files at first sight: for programs that rename finished files into the outbox.", setDuration(0, func(p *Partner) *time.Duration { return &p.Naming.Quiet })},
		{"marker", "pattern", "{key}.ready", "The marker file of complete: marker.", setString(func(p *Partner) *string { return &p.Naming.Marker })},
		{"allow_empty", "true or false", "false", "Files without a byte may travel.", setBool(func(p *Partner) *bool { return &p.Naming.AllowEmpty })},
		{"fold_case", "true or false", "true on Windows", "Names that differ only in upper and lower case are the same.", setBool(func(p *Partner) *bool { return &p.Naming.FoldCase })},
		{"resend", "hold or send", "hold", "What happens to a second document of a key that is still on its way.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			setChoice(func(p *Partner) *string { return (*string)(&p.Naming.Resend) }, "hold", "send")(d, p, n, path)
		}},
		{"late_window", "duration", "24h", "For how long an attachment counts as late for a document that was sent.", setDuration(0, func(p *Partner) *time.Duration { return &p.LateWindow })},
	}
}

func outboxKeys() []key[Outbox] {
	return []key[Outbox]{
		{"bundle", "always, with-attachments or never", "always", "When a batch is sent as a zip. With never, a document that has attachments waits.", setChoice(func(o *Outbox) *string { return &o.Bundle }, "always", "with-attachments", "never")},
		{"poll", "duration", "30s", "How often the outbox is looked at even without a file event. Network shares give none.", setDuration(time.Second, func(o *Outbox) *time.Duration { return &o.Poll })},
		{"rescan", "cron expression", "none", "Further moments to look at the outbox.", setString(func(o *Outbox) *string { return &o.rescan })},
		{"window", "cron expression", "always", "The minutes in which sending is allowed, such as \"* 6-21 * * MON-FRI\".", setString(func(o *Outbox) *string { return &o.window })},
		{"waiting_alarm", "duration", "1h", "After this time a file that waits for something raises an alarm.", setDuration(time.Second, func(o *Outbox) *time.Duration { return &o.WaitingAlarm })},
	}
}

func inboxKeys() []key[Inbox] {
	return []key[Inbox]{
		{"unpack", "auto or never", "auto", "Whether received zips are unpacked.", setChoice(func(i *Inbox) *string { return &i.Unpack }, "auto", "never")},
		{"broken_zip", "keep or reject", "keep", "A zip that cannot be unpacked, behind a good signature: deliver it whole with an alarm, or refuse the message.", setChoice(func(i *Inbox) *string { return &i.BrokenZip }, "keep", "reject")},
		{"on_conflict", "rename or reject", "rename", "A name that the inbox has already: give the batch a new key (INV-1~2.xml), or refuse the message.", setChoice(func(i *Inbox) *string { return &i.OnConflict }, "rename", "reject")},
		{"layout", "files or batch", "files", "Files directly in the inbox, the document last; or one folder per batch.", setChoice(func(i *Inbox) *string { return &i.Layout }, "files", "batch")},
	}
}

func retryKeys() []key[Retry] {
	return []key[Retry]{
		{"attempts", "1 to 1000", "10", "How often a message is posted in all: the first time and the retries.", setInt(1, 1000, func(r *Retry) *int { return &r.Attempts })},
		{"first", "duration", "30s", "The wait before the first retry.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.First })},
		{"max", "duration", "1h", "The longest wait.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.Max })},
		{"factor", "1 to 10", "2", "By how much each wait is longer than the one before.", setFloat(1, 10, func(r *Retry) *float64 { return &r.Factor })},
		{"jitter", "0 to 0.5", "0.1", "By which share each wait is varied, so that many transfers do not come at once.", setFloat(0, 0.5, func(r *Retry) *float64 { return &r.Jitter })},
		{"give_up_after", "duration", "24h", "A transfer that is not settled this long after it was claimed goes to failed.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.GiveUpAfter })},
	}
}

func timeoutKeys() []key[Timeouts] {
	return []key[Timeouts]{
		{"connect", "duration", "30s", "To a connection with TLS.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Connect })},
		{"stall", "duration", "2m", "Without a byte moving.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Stall })},
		{"answer", "duration", "10m", "From the last byte of the message to the end of the answer.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Answer })},
	}
}
