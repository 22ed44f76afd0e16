package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// section makes a key whose value is a mapping of its own.
func section[T, S any](name, doc string, field func(*T) *S, table func() []key[S]) key[T] {
	return key[T]{name, "mapping", "", doc, func(d *decoder, v *T, n *yaml.Node, path string) { mapping(d, field(v), n, path, table()) }}
}

func partnerKeys() []key[Partner] {
	return []key[Partner]{
		{"preset", "name", "none", "Take the defaults of this partner from a preset: " + presetNames() + ". What the partner says itself overrides it. as2drop presets shows what each one sets.", setString(func(p *Partner) *string { return &p.Preset })},
		{"time_zone", "name", "that of the file", "The zone of this partner's schedules and moments.", setString(func(p *Partner) *string { return &p.ZoneName })},
		{"as2_id", "AS2 name", "required", "The partner's AS2 identifier. Case matters.", setString(func(p *Partner) *string { return &p.AS2ID })},
		{"as2_version", "1.0, 1.1, 1.2 or 1.3", "1.2", "The AS2-Version of what we send. 1.3 is the revision of RFC 4130: old ciphers and SHA-1 are refused with it. 1.0 knows no compression.", setChoice(func(p *Partner) *string { return &p.Version }, "1.0", "1.1", "1.2", "1.3")},
		{"station", "name", "required", "Which of our stations talks to it.", setString(func(p *Partner) *string { return &p.StationName })},
		{"folder", "path", "data_dir/partners/NAME", "The partner's folder with outbox, sent, failed and inbox. One volume.", setPath(func(p *Partner) *string { return &p.Folder })},
		{"url", "URL", "none", "Where to post to. Without it nothing is sent to this partner.", setString(func(p *Partner) *string { return &p.URL })},
		{"allow_http", "true or false", "false", "Post over plain HTTP.", setBool(func(p *Partner) *bool { return &p.AllowHTTP })},
		{"certificates", "list of files or mappings", "required", "The partner's certificates. Any of them may sign, and messages are encrypted to one: of those whose encrypt_from has passed the latest, of equals the first. An expired one is used only if no other is left. The change to the next one needs no restart.", setCertificates},
		section("trust", "How far signatures are believed, and authorities whose certificates may sign too: for partners that change certificates without telling. Messages are still encrypted to certificates.", func(p *Partner) *Trust { return &p.Trust }, trustKeys),
		{"server_certificates", "list of files", "authorities of the system", "Certificates, or authorities, that the partner's web server must show.", setPaths(func(p *Partner) *[]string { return &p.ServerFiles })},
		section("client", "How we show who we are to the partner's web server, and the way there.", func(p *Partner) *Client { return &p.Client }, clientKeys),
		section("send", "How messages to the partner are made.", func(p *Partner) *Send { return &p.Send }, sendKeys),
		section("receive", "What messages from the partner must be.", func(p *Partner) *Receive { return &p.Receive }, receiveKeys),
		section("quirks", "Liberties that single partners need. Leave them off unless a partner's product asks for them.", func(p *Partner) *Quirks { return &p.Quirks }, quirkKeys),
		section("naming", "Which files travel together.", func(p *Partner) *Partner { return p }, namingKeys),
		section("outbox", "How files are picked up.", func(p *Partner) *Outbox { return &p.Outbox }, outboxKeys),
		section("inbox", "How files are delivered.", func(p *Partner) *Inbox { return &p.Inbox }, inboxKeys),
		section("retry", "How often and how long a transfer is tried.", func(p *Partner) *Retry { return &p.Retry }, retryKeys),
		section("hooks", "Programs and web services of yours that are asked before a batch is sent, or told afterwards what became of it. See docs/hooks.md.", func(p *Partner) *Hooks { return &p.Hooks }, hooksKeys),
		section("expect", "What traffic is normal. Nothing for longer is an alarm; docs/alarms.md says how that is found out.", func(p *Partner) *Expected { return &p.Expect }, expectKeys),
		section("retention", "How long things of this partner are kept, where that is not as for all.", func(p *Partner) *Retention { return &p.Retention }, retentionKeys),
		section("files", "Who may use the files of this partner, where that is not as for all.", func(p *Partner) *Access { return &p.Access }, accessKeys),
		section("timeouts", "Bounds of one attempt.", func(p *Partner) *Timeouts { return &p.Timeouts }, timeoutKeys),
		{"evidence_up_to", "size", "64MiB", "Sealed and received messages up to this size are kept as evidence; headers, digests and receipts always are.", setSize(0, func(p *Partner) *int64 { return &p.EvidenceUpTo })},
	}
}

// setCertificates reads a list whose items are files or mappings.
func setCertificates(d *decoder, p *Partner, n *yaml.Node, path string) {
	p.Certificates = nil
	list(d, n, path, func(item *yaml.Node, at string) {
		c := &Certificate{Sign: true, Encrypt: true}
		if resolve(item).Kind == yaml.MappingNode {
			mapping(d, c, item, at, certificateKeys())
		} else if file, ok := d.pathOf(item, at, "a file or a mapping"); ok {
			c.File = file
		}
		p.Certificates = append(p.Certificates, c)
	})
}

func certificateKeys() []key[Certificate] {
	return []key[Certificate]{
		{"file", "file", "required", "PEM, DER or .p7b.", setPath(func(c *Certificate) *string { return &c.File })},
		{"encrypt_from", "moment", "from the beginning", "From when on messages are encrypted to it: a date (2027-01-31), or a date with a time (2027-01-31 06:00) in time_zone.", setString(func(c *Certificate) *string { return &c.encryptFrom })},
		{"until", "moment", "without end", "From when on messages are not encrypted to it any more.", setString(func(c *Certificate) *string { return &c.until })},
		{"use", "list of sign, encrypt", "[sign, encrypt]", "What the partner uses it for.", func(d *decoder, c *Certificate, n *yaml.Node, path string) {
			c.Sign, c.Encrypt = false, false
			list(d, n, path, func(item *yaml.Node, at string) {
				var word string
				setChoice(func(v *string) *string { return v }, "sign", "encrypt")(d, &word, item, at)
				c.Sign, c.Encrypt = c.Sign || word == "sign", c.Encrypt || word == "encrypt"
			})
		}},
	}
}

func trustKeys() []key[Trust] {
	return []key[Trust]{
		{"authorities", "list of files", "none", "Certificates of authorities.", setPaths(func(t *Trust) *[]string { return &t.AuthorityFiles })},
		{"strict", "true or false", "false", "Refuse signatures by a certificate that is not valid at the moment. Otherwise they are accepted with an event, if the certificate is listed itself.", setBool(func(t *Trust) *bool { return &t.Strict })},
		{"subject", "text", "required with authorities", "The common name, or the whole subject, that the signer's certificate must have.", setString(func(t *Trust) *string { return &t.Subject })},
	}
}

func clientKeys() []key[Client] {
	return []key[Client]{
		{"client_certificate", "mapping", "none", "What we show to a server that asks for a client certificate: certificate and key, or pkcs12, as in stations.NAME.keys[].", func(d *decoder, c *Client, n *yaml.Node, path string) {
			c.Identity = &KeyPair{}
			mapping(d, c.Identity, n, path, keyPairKeys())
		}},
		section("basic", "User and password_file of basic authentication.", func(c *Client) *Login { return &c.Login }, loginKeys),
		{"bearer_file", "file", "none", "The file with the token of bearer authentication.", setPath(func(c *Client) *string { return &c.BearerFile })},
		{"proxy", "URL or none", "what HTTPS_PROXY and NO_PROXY say", "The proxy to the partner; none means never.", setString(func(c *Client) *string { return &c.Proxy })},
		section("proxy_login", "User and password_file for the proxy.", func(c *Client) *Login { return &c.ProxyLogin }, loginKeys),
	}
}

func loginKeys() []key[Login] {
	return []key[Login]{
		{"user", "text", "none", "The user.", setString(func(l *Login) *string { return &l.User })},
		{"password_file", "file", "none", "The file with the password: its first line, and there is no other.", setPath(func(l *Login) *string { return &l.PasswordFile })},
	}
}

func namingKeys() []key[Partner] {
	return []key[Partner]{
		{"documents", "list of patterns", "{key}.{ext:xml|edi|edifact|x12|json|csv|txt}", "Names of documents.", setStrings(func(p *Partner) *[]string { return &p.Naming.Documents })},
		{"attachments", "list of patterns", "{key}_{name}.{ext} and {key}.{ext}", "Names of attachments.", setStrings(func(p *Partner) *[]string { return &p.Naming.Attachments })},
		{"document_regexp", "RE2 with a group key", "none", "In place of documents.", setString(func(p *Partner) *string { return &p.Naming.DocumentExpr })},
		{"attachment_regexp", "RE2 with a group key", "none", "In place of attachments.", setString(func(p *Partner) *string { return &p.Naming.AttachmentExpr })},
		{"ignore", "list of shell patterns", "none", "Names that are never ready, besides .*, ~$*, *.tmp, *.part, *.filepart, *.crdownload, desktop.ini, Thumbs.db.", setStrings(func(p *Partner) *[]string { return &p.Naming.Ignore })},
		{"complete", "quiet, marker, count or references", "quiet", "When a batch is complete: when no file of it has changed for a while; when its marker file is there; when all parts that the names announce are there; or when all attachments are there that the document names (UBL 2.1 and UN/CEFACT CII), under whatever name.", func(d *decoder, p *Partner, n *yaml.Node, path string) {
			setChoice(func(p *Partner) *string { return (*string)(&p.Naming.Complete) }, "quiet", "marker", "count", "references")(d, p, n, path)
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
		{"bundle", "always, with-attachments, never, multipart or embedded", "always", "The form in which document and attachments travel: always in a zip; in a zip with-attachments, and alone as it is; never in a zip, and then a document that has attachments waits; with its attachments as the parts of a multipart/related (RFC 6362), or embedded in it (UBL and CII), and alone as it is. See docs/forms.", setChoice(func(o *Outbox) *string { return &o.Bundle }, "always", "with-attachments", "never", "multipart", "embedded")},
		{"poll", "duration", "30s", "How often the outbox is looked at even without a file event.", setDuration(time.Second, func(o *Outbox) *time.Duration { return &o.Poll })},
		{"watch", "auto, events or poll", "auto", "Whether file events shorten the wait for the next look. auto: where they tell everything, that is not on a network share, which is only looked at every poll. events: also there. poll: never.", setChoice(func(o *Outbox) *string { return &o.Watch }, "auto", "events", "poll")},
		{"rescan", "list of schedules", "none", "Further moments to look at the outbox.", setStrings(func(o *Outbox) *[]string { return &o.rescan })},
		{"pickup", "list of schedules or windows", "always", "When files are taken out of the outbox, such as every 15 minutes, or Mon-Fri 6-22. A moment lasts a minute, and one that was missed, because no agent ran, is made up for at once. Until then as2drop ls says for when a file waits.", setStrings(func(o *Outbox) *[]string { return &o.pickup })},
		{"window", "list of windows", "always", "When messages are posted, such as Mon-Fri 6-22. One that is being posted when the window closes is finished. Receipts that we owe do not wait for it.", setStrings(func(o *Outbox) *[]string { return &o.window })},
		{"order", "free or strict", "free", "strict: documents leave one by one, in the order in which they were last written (of equals by name), and each waits until the one before it is settled: also while that one is held, and when it failed, until it was dropped again under its key, retried, released or dismissed.", setChoice(func(o *Outbox) *string { return &o.Order }, "free", "strict")},
		{"same_content", "off, warn or hold", "off", "What happens to a document that was sent before, with the same attachments, whatever they are called: it is sent with an alarm, or held until an operator releases or dismisses it. Transfers that failed and their retries do not count.", setChoice(func(o *Outbox) *string { return &o.SameContent }, "off", "warn", "hold")},
		{"same_content_days", "1 to 3650", "30", "For how many days same_content looks back.", setInt(1, 3650, func(o *Outbox) *int { return &o.SameDays })},
		section("checks", "What a batch must be to be sent.", func(o *Outbox) *Checks { return &o.Checks }, checkKeys),
		{"ready_alarm", "duration", "15m", "After this time a complete batch that is still in the outbox raises an alarm: there are more than can be sent, or something is stuck.", setDuration(time.Second, func(o *Outbox) *time.Duration { return &o.ReadyAlarm })},
		{"waiting_alarm", "duration", "1h", "After this time a file that waits for something raises an alarm.", setDuration(time.Second, func(o *Outbox) *time.Duration { return &o.WaitingAlarm })},
	}
}

func inboxKeys() []key[Inbox] {
	return []key[Inbox]{
		{"unpack", "auto or never", "auto", "Whether received zips are unpacked.", setChoice(func(i *Inbox) *string { return &i.Unpack }, "auto", "never")},
		{"broken_zip", "keep or reject", "keep", "A zip that cannot be unpacked, behind a good signature: deliver it whole with an alarm, or refuse the message.", setChoice(func(i *Inbox) *string { return &i.BrokenZip }, "keep", "reject")},
		{"several_documents", "split, keep or reject", "split", "A zip that holds several documents: deliver each with its attachments as a batch of its own, deliver the zip whole, or refuse the message.", setChoice(func(i *Inbox) *string { return &i.Several }, "split", "keep", "reject")},
		{"strays", "split, keep or reject", "split", "A zip with files that pair with no document by their names: deliver them beside the others, deliver the zip whole, or refuse the message.", setChoice(func(i *Inbox) *string { return &i.Strays }, "split", "keep", "reject")},
		{"nested_zips", "split, keep or reject", "keep", "A zip in a zip (*.zip): take it apart too, its files pairing among themselves; deliver it as a file like others; or refuse the message. A zip in that one is always a file.", setChoice(func(i *Inbox) *string { return &i.NestedZips }, "split", "keep", "reject")},
		{"extract", "true or false", "false", "Attachments that are embedded in a document (UBL 2.1, UN/CEFACT CII) are written out as files too, beside the document, which stays as it came.", setBool(func(i *Inbox) *bool { return &i.Extract })},
		{"on_conflict", "rename or reject", "rename", "A name that the inbox has already: give the batch a new key (INV-1~2.xml), or refuse the message.", setChoice(func(i *Inbox) *string { return &i.OnConflict }, "rename", "reject")},
		{"layout", "files or batch", "files", "Files directly in the inbox, the document last; or one folder per batch.", setChoice(func(i *Inbox) *string { return &i.Layout }, "files", "batch")},
	}
}

func retryKeys() []key[Retry] {
	return []key[Retry]{
		{"attempts", "1 to 1000", "30", "How often a message is posted in all: the first time and the retries. The default tries for a day.", setInt(1, 1000, func(r *Retry) *int { return &r.Attempts })},
		{"schedule", "list of schedules", "none", "Retries come at these moments, in place of first, max, factor and jitter.", setStrings(func(r *Retry) *[]string { return &r.schedule })},
		{"delays", "list of durations", "none", "The waits before the retries, such as [1m, 5m, 30m, 2h], in place of first, max, factor and jitter. The last one goes on until the attempts are used up.", setDurations(time.Second, func(r *Retry) *[]time.Duration { return &r.Delays })},
		{"first", "duration", "30s", "The wait before the first retry.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.First })},
		{"max", "duration", "1h", "The longest wait.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.Max })},
		{"factor", "1 to 10", "2", "By how much each wait is longer than the one before.", setFloat(1, 10, func(r *Retry) *float64 { return &r.Factor })},
		{"jitter", "0 to 0.5", "0.1", "By which share each wait is varied, so that many transfers do not come at once.", setFloat(0, 0.5, func(r *Retry) *float64 { return &r.Jitter })},
		{"give_up_after", "duration", "24h", "A transfer that is not settled this long after it was claimed goes to failed. Time in which outbox.window is closed, or the partner paused, does not count.", setDuration(time.Second, func(r *Retry) *time.Duration { return &r.GiveUpAfter })},
	}
}

func receiptRetryKeys() []key[ReceiptRetry] {
	return []key[ReceiptRetry]{
		{"attempts", "1 to 1000", "20", "How often a receipt is posted in all.", setInt(1, 1000, func(r *ReceiptRetry) *int { return &r.Attempts })},
		{"first", "duration", "30s", "The wait before the first retry; each is twice as long as the one before.", setDuration(time.Second, func(r *ReceiptRetry) *time.Duration { return &r.First })},
		{"max", "duration", "1h", "The longest wait.", setDuration(time.Second, func(r *ReceiptRetry) *time.Duration { return &r.Max })},
		{"give_up_after", "duration", "3d", "A receipt that nobody took this long after it was asked for is given up, with an alarm.", setDuration(time.Second, func(r *ReceiptRetry) *time.Duration { return &r.GiveUpAfter })},
	}
}

func timeoutKeys() []key[Timeouts] {
	return []key[Timeouts]{
		{"connect", "duration", "30s", "To a connection with TLS.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Connect })},
		{"stall", "duration", "2m", "Without a byte moving.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Stall })},
		{"answer", "duration", "10m", "From the last byte of the message to the end of the answer.", setDuration(time.Second, func(t *Timeouts) *time.Duration { return &t.Answer })},
	}
}
