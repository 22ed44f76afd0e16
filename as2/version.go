package as2

import (
	"strconv"
	"strings"

	"github.com/as2drop/as2drop/cms"
)

// defaultVersion is the AS2-Version on the wire where nothing else was agreed.
const defaultVersion = "1.2"

// atLeast reports whether an AS2-Version is 1.minor or later. An empty one is the
// default; one that cannot be read is 1.0 (rfc4130bis, 6.1).
func atLeast(version string, minor int) bool {
	if version == "" {
		version = defaultVersion
	}
	major, rest, _ := strings.Cut(version, ".")
	m, err := strconv.Atoi(strings.TrimSpace(major))
	if err != nil || m < 1 {
		return false
	}
	n, err := strconv.Atoi(strings.TrimSpace(rest))
	return m > 1 || err == nil && n >= minor
}

// versionFields are the header fields that say which AS2 is spoken and by whom.
func versionFields(version, userAgent string) []Field {
	if version == "" {
		version = defaultVersion
	}
	fs := []Field{{"AS2-Version", version}}
	if atLeast(version, 3) {
		fs = append(fs, Field{"AS2-Product", product(userAgent)}) // rfc4130bis, 6.2: MUST
	}
	if atLeast(version, 2) {
		fs = append(fs, Field{"EDIINT-Features", features}) // RFC 6017
	}
	return fs
}

// product turns a User-Agent such as "as2drop/1.2.3" into the form of AS2-Product,
// "as2drop:1.2.3" (rfc4130bis, 6.2): lower-case letters, digits and hyphens, then
// numbers with dots. A build without a version is 0.0.
func product(userAgent string) string {
	first, _, _ := strings.Cut(userAgent, " ")
	name, version, _ := strings.Cut(first, "/")
	name = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	if name == "" {
		name = "as2drop"
	}
	version = strings.TrimPrefix(version, "v")
	if end := strings.IndexFunc(version, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); end >= 0 {
		version = version[:end]
	}
	if version = strings.Trim(version, "."); !strings.Contains(version, ".") {
		version = "0.0"
	}
	return name + ":" + version
}

// micName is how a digest is called in micalg, Received-Content-MIC and
// signed-receipt-micalg, in the spelling of Quirks.MICNames. SHA-1 is "sha1", which
// every old product reads (RFC 4130, 7.4.3).
func micName(d cms.Digest, spelling string) string {
	plain := strings.ReplaceAll(d.String(), "-", "")
	switch spelling {
	case "plain":
		return plain
	case "rsa":
		return "rsa-" + plain
	}
	return d.String()
}
