package inspection

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/cms"
	"github.com/as2drop/as2drop/testdata/keys"
)

var moment = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

const vectors = "../../testdata/vectors"

// asUs has the keys of the receiver of the vectors, and believes their sender.
func asUs() Keys {
	cert, key := keys.Load("us-rsa")
	rsa, _ := keys.Load("partner-rsa")
	ecdsa, _ := keys.Load("partner-ecdsa")
	return Keys{Identities: []cms.Identity{{Certificate: cert, Key: key}}, Trust: func(string) cms.Trust { return cms.Pinned(rsa, ecdsa) }, At: moment}
}

func read(t *testing.T, elements ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inspect(t *testing.T, header, body []byte, k Keys) *Report {
	t.Helper()
	raw, err := Read(bytes.NewReader(header), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(raw, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Messages that OpenSSL and Bouncy Castle made are taken apart: layers, MIC, files.
func TestMessagesOfOthers(t *testing.T) {
	dirs, err := filepath.Glob(vectors + "/message-*")
	if err != nil || len(dirs) < 20 {
		t.Fatalf("%d vectors, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var want struct {
				Layers []string
				MIC    string
				Files  []struct{ Name, Type, Content string }
			}
			if err := json.Unmarshal(read(t, dir, "expect.json"), &want); err != nil {
				t.Fatal(err)
			}
			m := inspect(t, read(t, dir, "headers"), read(t, dir, "body"), asUs()).Message
			if m == nil || !m.Accepted {
				t.Fatalf("%+v", m)
			}
			var layers []string
			for _, l := range m.Layers {
				layers = append(layers, strings.TrimSpace(l.Kind+" "+l.Cipher+l.Digest))
				if l.Kind == "signed" && !l.Verified {
					t.Errorf("a signature is not verified: %+v", l)
				}
			}
			if !slices.Equal(layers, want.Layers) {
				t.Errorf("layers %q, want %q", layers, want.Layers)
			}
			if !slices.ContainsFunc(m.MICs, func(x MIC) bool { return x.Rule && x.Base64+", "+x.Digest == want.MIC }) {
				t.Errorf("no MIC by the rule is %s: %+v", want.MIC, m.MICs)
			}
			for i, f := range want.Files {
				content, err := base64.StdEncoding.DecodeString(f.Content)
				if err != nil {
					t.Fatal(err)
				}
				if len(m.Files) != len(want.Files) || m.Files[i].Name != f.Name || m.Files[i].SHA256 != sha256Hex(content) || m.Files[i].Size != int64(len(content)) {
					t.Errorf("files %+v, want %+v", m.Files, want.Files)
				}
			}
		})
	}
}

// All five digests of the rule are shown, and other ways to compute the MIC.
func TestEveryDigestIsShown(t *testing.T) {
	dir := vectors + "/message-signed-encrypted"
	m := inspect(t, read(t, dir, "headers"), read(t, dir, "body"), asUs()).Message
	var rule []string
	others := 0
	for _, x := range m.MICs {
		if x.Rule {
			rule = append(rule, x.Digest)
		} else {
			others++
		}
	}
	slices.Sort(rule)
	if want := []string{"sha-224", "sha-256", "sha-384", "sha-512", "sha1"}; !slices.Equal(rule, want) || others == 0 {
		t.Errorf("digests %q, %d other ways", rule, others)
	}
}

// What is missing is said, and what a station would answer; nothing of noise is shown.
func TestWhatCannotBeSeenIsSaid(t *testing.T) {
	dir := vectors + "/message-signed-encrypted"
	header, body := read(t, dir, "headers"), read(t, dir, "body")
	for name, c := range map[string]struct {
		header, body []byte
		keys         Keys
		answer, says string
		files        int
	}{
		"no key":         {header, body, Keys{At: moment}, "processed/error: decryption-failed", "not encrypted to any of our certificates", 0},
		"no certificate": {header, body, Keys{Identities: asUs().Identities, At: moment}, "processed/error: authentication-failed", "no certificate of", 1},
		"cut":            {header, body[:len(body)/2], asUs(), "processed/error: decryption-failed", "", 0},
		"no names":       {[]byte("Content-Type: text/plain\r\n\r\n"), []byte("x"), asUs(), "processed/error: ", "AS2-From", 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := inspect(t, c.header, c.body, c.keys).Message
			all, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if m.Accepted || !strings.Contains(m.Answer, c.answer) || !strings.Contains(string(all), c.says) || len(m.Files) != c.files {
				t.Errorf("%s", all)
			}
		})
	}
}

// Captures come in one file with a start line, in two, with bare line feeds, in chunks.
func TestCapturesAreRead(t *testing.T) {
	const header = "AS2-From: A\r\nContent-Type: text/plain\r\n"
	for name, c := range map[string]struct{ header, body, start, want string }{
		"request":        {"POST /as2 HTTP/1.1\r\n" + header + "\r\nbody", "", "POST /as2 HTTP/1.1", "body"},
		"answer":         {"HTTP/1.1 200 OK\r\n" + header + "\r\nbody", "", "HTTP/1.1 200 OK", "body"},
		"no start line":  {header + "\r\nbody", "", "", "body"},
		"line feeds":     {strings.ReplaceAll(header, "\r", "") + "\nbody\n\nmore", "", "", "body\n\nmore"},
		"two files":      {header, "body", "", "body"},
		"chunks":         {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + header + "\r\n2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n", "", "POST / HTTP/1.1", "body"},
		"chunks undone":  {"Transfer-Encoding: chunked\r\n" + header + "\r\nUNB+UNOA:3'\n", "", "", "UNB+UNOA:3'\n"},
		"a folded field": {"Subject: a\r\n\tb\r\n" + header + "\r\nbody", "", "", "body"},
	} {
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		raw, err := Read(strings.NewReader(c.header), body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(raw.Body)
		if err != nil || string(got) != c.want || raw.Start != c.start || raw.Header.Get("AS2-From") != "A" {
			t.Errorf("%s: start %q, header %v, body %q, %v", name, raw.Start, raw.Header, got, err)
		}
	}
	for name, text := range map[string]string{"nothing": "", "bare DER": "\x30\x80\x06\x09\r\n\r\n", "endless": strings.Repeat("x", maxHeader+1)} {
		if _, err := Read(strings.NewReader(text), nil); err == nil {
			t.Errorf("%s is taken for a capture", name)
		}
	}
}

// A receipt is held against the message, and a MIC that differs is explained. The
// digests here are computed by hand, from the bytes and not by package as2.
func TestReceiptIsHeldAgainstMessage(t *testing.T) {
	dir := vectors + "/message-plain"
	header, body := read(t, dir, "headers"), read(t, dir, "body")
	crlf := bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	message := inspect(t, header, body, asUs()).Message
	for name, c := range map[string]struct {
		id, mic string
		equal   bool
		says    string
	}{
		"equal":            {message.MessageID, micOf(cms.SHA256, body), true, "that of this message"},
		"without brackets": {as2.StripID(message.MessageID), micOf(cms.SHA512, body), true, "that of this message"},
		"wrongly named":    {message.MessageID, strings.Replace(micOf(cms.SHA1, body), "sha1", "sha-256", 1), false, "cannot be read"},
		"other message":    {"<other@x>", micOf(cms.SHA256, body), false, "for another message"},
		"other bytes":      {message.MessageID, micOf(cms.SHA256, []byte("x")), false, "other bytes were received"},
		"no MIC":           {message.MessageID, "", false, "states no MIC"},
		"CRLF":             {message.MessageID, micOf(cms.SHA256, append(crlf, "\r\n"...)), false, "other bytes were received"},
	} {
		t.Run(name, func(t *testing.T) {
			report := "Content-Type: multipart/report; boundary=b\r\nAS2-From: THEM\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n" +
				"Original-Message-ID: " + c.id + "\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n"
			if c.mic != "" {
				report += "Received-Content-MIC: " + c.mic + "\r\n"
			}
			receipt, err := Read(strings.NewReader(report+"\r\n--b--\r\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := Read(bytes.NewReader(header), bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r, err := Compare(raw, receipt, asUs(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Match.Equal != c.equal || !strings.Contains(r.Match.Text, c.says) || r.Sound() != c.equal {
				t.Errorf("%+v", r.Match)
			}
		})
	}
}

// The variation that the other side has hashed is named: OpenAS2 leaves the header of a
// compressed entity out.
func TestVariationIsNamed(t *testing.T) {
	dir := vectors + "/message-compressed"
	header, body := read(t, dir, "headers"), read(t, dir, "body")
	m := inspect(t, header, body, asUs()).Message
	content := sha256Of(t, m)
	r := &Receipt{OriginalMessageID: m.MessageID, MIC: "stated", mics: []as2.MIC{content}}
	if match := m.Match(r); match.Equal || !strings.Contains(match.Text, "without its header") || !strings.Contains(match.Text, "should be") {
		t.Errorf("%+v", match)
	}
}

// What people read has no control characters of others in it, and shows the facts.
func TestPrint(t *testing.T) {
	dir := vectors + "/message-signed-encrypted"
	r := inspect(t, read(t, dir, "headers"), read(t, dir, "body"), asUs())
	r.Receipt = &Receipt{OriginalMessageID: "<1@x>", Disposition: "d", Text: "one\r\ntwo\x1b[2J", Claim: "why"}
	var out bytes.Buffer
	r.Print(&out, false)
	for _, want := range []string{"1. encrypted  aes-256-cbc", "2. signed     sha-256", "verified: ", `"ORD-77120.edi"`, "MIC, over: signed part with its header", "answer       automatic-action", "not verified: why", "one\n  two.[2J"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "another way") {
		t.Error("other ways are shown unasked")
	}
	out.Reset()
	if r.Print(&out, true); !strings.Contains(out.String(), "another way to compute it, over: signed part without its header") {
		t.Errorf("other ways are not shown:\n%s", out.String())
	}
}
