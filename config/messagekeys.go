package config

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
)

// digestNames are the digests that the file may name, the old one first.
var digestNames = []string{cms.SHA1.String(), cms.SHA224.String(), cms.SHA256.String(), cms.SHA384.String(), cms.SHA512.String()}

// setDigest reads a digest, or "none" where others allow for it.
func setDigest[T any](field func(*T) *cms.Digest, others ...string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		name := "" // stays so after a mistake, which is reported
		setChoice(func(s *string) *string { return s }, append(slices.Clone(digestNames), others...)...)(d, &name, n, path)
		*field(v), _ = cms.ParseDigest(name) // "none" is NoDigest
	}
}

func setDigests[T any](field func(*T) *[]cms.Digest) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		*field(v) = nil
		list(d, n, path, func(item *yaml.Node, at string) {
			var digest cms.Digest
			setDigest(func(x *cms.Digest) *cms.Digest { return x })(d, &digest, item, at)
			*field(v) = append(*field(v), digest)
		})
	}
}

// setEither reads one of two words into a bool: the second one is true.
func setEither[T any](field func(*T) *bool, no, yes string) func(*decoder, *T, *yaml.Node, string) {
	return func(d *decoder, v *T, n *yaml.Node, path string) {
		word := ""
		setChoice(func(s *string) *string { return s }, no, yes)(d, &word, n, path)
		*field(v) = word == yes
	}
}

func sendKeys() []key[Send] {
	return []key[Send]{
		{"sign", strings.Join(digestNames, ", ") + " or none", "sha-256", "The digest of our signature. SHA-1 is for old partners only.", setDigest(func(s *Send) *cms.Digest { return &s.Sign }, "none")},
		{"signature", "pkcs1 or pss", "pkcs1", "RSA signatures: PKCS#1 v1.5, which everybody reads, or RSASSA-PSS. With an ECDSA key the signature is ECDSA.", setEither(func(s *Send) *bool { return &s.PSS }, "pkcs1", "pss")},
		{"encrypt", strings.Join(cms.Ciphers(), ", ") + " or none", "aes-256-cbc", "The content cipher. " + strings.Join(legacyNames(), ", ") + " are for old partners only.", setCipher},
		{"key_transport", "one of " + strings.Join(cms.KeyTransports(), ", "), "rsa", "How the content key is encrypted: RSA PKCS#1 v1.5, which everybody reads, or OAEP.", func(d *decoder, s *Send, n *yaml.Node, path string) {
			name := "rsa"
			setChoice(func(v *string) *string { return v }, cms.KeyTransports()...)(d, &name, n, path)
			s.Transport, _ = cms.ParseKeyTransport(name) // others were refused above
		}},
		{"recipient_id", "issuer or key-id", "issuer", "How the partner's certificate is named in the message: by issuer and serial number, or by its subject key identifier.", setEither(func(s *Send) *bool { return &s.ByKeyID }, "issuer", "key-id")},
		{"compress", "none, before-sign or after-sign", "none", "AS2 compression. The zip is compressed already.", setChoice(func(s *Send) *string { return &s.Compress }, "none", "before-sign", "after-sign")},
		{"receipt", "signed, unsigned or none", "signed", "The receipt (MDN) to ask for.", setChoice(func(s *Send) *string { return &s.Receipt }, "signed", "unsigned", "none")},
		{"receipt_delivery", "sync or async", "sync", "Receipts on the same connection, or later on one of their own.", setEither(func(s *Send) *bool { return &s.Async }, "sync", "async")},
		{"receipt_url", "URL", "the first public_url, or the first address that is listened on", "Where asynchronous receipts are asked for: ours.", setString(func(s *Send) *string { return &s.ReceiptURL })},
		{"receipt_wait", "duration", "1h", "How long an asynchronous receipt is waited for before the message is posted again.", setDuration(time.Second, func(s *Send) *time.Duration { return &s.ReceiptWait })},
		{"receipt_micalgs", "list of " + strings.Join(digestNames, ", "), "of the signature, then sha-256", "The digests that are offered for the receipt, the preferred one first.", setDigests(func(s *Send) *[]cms.Digest { return &s.MICDigests })},
		{"accept_missing_mic", "true or false", "false", "Accept a receipt without MIC, if the message or the receipt is not signed.", setBool(func(s *Send) *bool { return &s.AcceptNoMIC })},
		{"accept_duplicate", "true or false", "false", "Take the answer \"duplicate\", after an attempt whose outcome was unknown, for delivered. Otherwise such a transfer is held.", setBool(func(s *Send) *bool { return &s.AcceptDuplicate })},
		{"subject", "text", "the name of the document", "The Subject header.", setString(func(s *Send) *string { return &s.Subject })},
		{"content_type", "media type", "by the extension", "The content type of what is sent, such as application/edi-consent. The zip of a batch is application/zip unless this is set; with bundle: multipart it is that of the document, and attachments go by their extension.", setString(func(s *Send) *string { return &s.ContentType })},
		{"headers", "names with text", "none", "Further HTTP header fields. Those that AS2 and HTTP set themselves are refused, and so are those that carry secrets.", setHeaders},
		{"parallel", "1 to 64", "2", "How many transfers to the partner may be under way at once.", setInt(1, 64, func(s *Send) *int { return &s.Parallel })},
	}
}

// setCipher reads a cipher under any of its names, or "none".
func setCipher(d *decoder, s *Send, n *yaml.Node, path string) {
	known := append(cms.Ciphers(), "none")
	name, ok := d.scalar(n, path, "one of "+strings.Join(known, ", "))
	if !ok {
		return
	}
	c, err := cms.ParseCipher(name)
	if err != nil && name != "none" {
		d.fail(n.Line, path, nearest(name, known), "must be one of %s, is %q", strings.Join(known, ", "), name)
		return
	}
	s.Cipher = c
}

// setHeaders reads header fields in their order.
func setHeaders(d *decoder, s *Send, n *yaml.Node, path string) {
	s.Headers = headerFields(d, n, path, badHeader)
}

// headerFields reads header fields in their order. bad says why one of a name cannot be
// had, and what to do.
func headerFields(d *decoder, n *yaml.Node, path string, bad func(name string) (fact, hint string)) (fields []as2.Field) {
	named(d, n, path, func(name string, value *yaml.Node, at string) {
		if fact, hint := bad(name); fact != "" {
			d.fail(d.line(at), at, hint, "%s", fact)
			return
		}
		text, ok := d.scalar(value, at, "text")
		if !ok {
			return
		}
		if strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 {
			d.fail(value.Line, at, "", "a header field is printable ASCII, this is %q", text)
			return
		}
		fields = append(fields, as2.Field{Name: name, Value: text})
	})
	return fields
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
		{"ciphers", "list of " + strings.Join(legacyNames(), ", "), "none", "Old ciphers that are accepted from this partner, each use with an event. Modern ones always are.", setLegacy},
		{"digests", "list of " + strings.Join(digestNames, ", "), "[sha-224, sha-256, sha-384, sha-512]", "Digests of signatures that are accepted. SHA-1 is for old partners only.", setDigests(func(r *Receive) *[]cms.Digest { return &r.Digests })},
		{"receipt_hosts", "list of host or host:port", "the host of url", "Where asynchronous receipts may be posted to. The URL comes from the sender; any other host is refused.", setStrings(func(r *Receive) *[]string { return &r.ReceiptHosts })},
		section("receipt_retry", "How often and how long an asynchronous receipt is posted.", func(r *Receive) *ReceiptRetry { return &r.ReceiptRetry }, receiptRetryKeys),
		section("credentials", "What the partner must show beside his signature.", func(r *Receive) *Credentials { return &r.Credentials }, credentialKeys),
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

// setLegacy reads the old ciphers that are allowed.
func setLegacy(d *decoder, r *Receive, n *yaml.Node, path string) {
	r.Legacy = nil
	list(d, n, path, func(item *yaml.Node, at string) {
		name, ok := d.scalar(item, at, "the name of a cipher")
		if !ok {
			return
		}
		c, err := cms.ParseCipher(name)
		switch {
		case err == nil && c.Legacy():
			r.Legacy = append(r.Legacy, c)
		case err == nil:
			d.fail(item.Line, at, "remove it", "%s is accepted in any case; the list is for old ciphers", name)
		default:
			d.fail(item.Line, at, nearest(name, legacyNames()), "must be one of %s, is %q", strings.Join(legacyNames(), ", "), name)
		}
	})
}

// legacyNames are the ciphers for old partners.
func legacyNames() (names []string) {
	for _, name := range cms.Ciphers() {
		if c, err := cms.ParseCipher(name); err == nil && c.Legacy() {
			names = append(names, name)
		}
	}
	return names
}

func credentialKeys() []key[Credentials] {
	return []key[Credentials]{
		{"user", "text", "none", "The user of basic authentication.", setString(func(c *Credentials) *string { return &c.Login.User })},
		{"password_file", "file", "none", "The file with his password.", setPath(func(c *Credentials) *string { return &c.Login.PasswordFile })},
		{"bearer_file", "file", "none", "The file with the token of bearer authentication.", setPath(func(c *Credentials) *string { return &c.BearerFile })},
		{"client_certificates", "list of files", "none", "Client certificates, or authorities of them, one of which the connection must show.", setPaths(func(c *Credentials) *[]string { return &c.ClientFiles })},
	}
}

func quirkKeys() []key[Quirks] {
	return []key[Quirks]{
		{"no_signed_attributes", "true or false", "false", "Sign the content itself. For products that cannot verify signed attributes.", setBool(func(q *Quirks) *bool { return &q.NoSignedAttributes })},
		{"no_algorithm_protection", "true or false", "false", "Leave the attribute CMSAlgorithmProtection out. For products that fail on attributes they do not know.", setBool(func(q *Quirks) *bool { return &q.NoAlgorithmProtection })},
		{"opaque_signature", "true or false", "false", "Sign as application/pkcs7-mime with the content inside, not as multipart/signed. For products that cannot read the latter.", setBool(func(q *Quirks) *bool { return &q.OpaqueSignature })},
		{"mic_names", "sha-256, sha256 or rsa-sha256", "sha-256", "How the names of SHA-2 digests are spelled in micalg, receipt requests and receipts. For products that know only the other spelling.", func(d *decoder, q *Quirks, n *yaml.Node, path string) {
			name := "sha-256"
			setChoice(func(v *string) *string { return v }, "sha-256", "sha256", "rsa-sha256")(d, &name, n, path)
			q.MICNames = map[string]string{"sha256": "plain", "rsa-sha256": "rsa"}[name]
		}},
		{"payload_base64", "true or false", "false", "Send the payload, or each part of a multipart, with Content-Transfer-Encoding: base64. For products, or gateways, that damage binary content.", setBool(func(q *Quirks) *bool { return &q.PayloadBase64 })},
		{"unquoted_filename", "true or false", "false", "Write filename=INV-1.zip without quotes, where the name allows it. For products that take the quotes for a part of the name.", setBool(func(q *Quirks) *bool { return &q.UnquotedFilename })},
		{"no_filename", "true or false", "false", "Send no file name. For products that refuse messages with one, or name files by it that they should name themselves.", setBool(func(q *Quirks) *bool { return &q.NoFilename })},
		{"http_transfer_encoding", "true or false", "false", "Send Content-Transfer-Encoding among the HTTP header fields too. For products that decode the body by it.", setBool(func(q *Quirks) *bool { return &q.HTTPTransferEncoding })},
		{"canonical_mic", "true or false", "false", "Accept a receipt whose MIC is over the content with CRLF line ends. For products that change line ends before they hash.", setBool(func(q *Quirks) *bool { return &q.CanonicalMIC })},
		{"unsigned_receipts", "true or false", "false", "Answer with unsigned receipts whatever is asked for. For products that cannot read signed ones.", setBool(func(q *Quirks) *bool { return &q.UnsignedReceipts })},
		{"chunked", "true or false", "false", "Post with Transfer-Encoding: chunked in place of Content-Length. For gateways that insist on it.", setBool(func(q *Quirks) *bool { return &q.Chunked })},
		{"expect_continue", "true or false", "false", "Send Expect: 100-continue. For servers that ask for credentials before they take a large body.", setBool(func(q *Quirks) *bool { return &q.ExpectContinue })},
	}
}
