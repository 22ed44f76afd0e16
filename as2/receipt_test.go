package as2

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

func requestOf(options, delivery string) ReceiptRequest {
	return parseReceiptRequest("x@theirs.example", options, delivery)
}

// Disposition-Notification-Options as products write them: order, tabs, blanks, quotes,
// importance or none, parameters nobody knows.
func TestReceiptRequestSpellings(t *testing.T) {
	for options, c := range map[string]struct {
		signed  bool
		digests []cms.Digest
	}{
		"": {false, nil},
		"signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha1, md5":                  {true, []cms.Digest{cms.SHA1}},
		"signed-receipt-protocol=optional,pkcs7-signature;signed-receipt-micalg=optional,md5,sha-256,sha1":              {true, []cms.Digest{cms.SHA256, cms.SHA1}},
		"Signed-Receipt-MICalg = optional ,\tSHA512 ;\tSigned-Receipt-Protocol = Required ,\tPKCS7-Signature ;":         {true, []cms.Digest{cms.SHA512}},
		"signed-receipt-protocol=\"optional\", \"pkcs7-signature\"; signed-receipt-micalg=\"optional\", \"rsa-sha256\"": {true, []cms.Digest{cms.SHA256}},
		"signed-receipt-protocol=pkcs7-signature; signed-receipt-micalg=sha256":                                         {true, []cms.Digest{cms.SHA256}},
		"signed-receipt-protocol=optional, x-pkcs7-signature; signed-receipt-micalg=optional, sha2_384":                 {true, []cms.Digest{cms.SHA384}},
		"x-more=optional, y; signed-receipt-micalg=optional, sha-224, SHA224; nothing; ;=":                              {false, []cms.Digest{cms.SHA224}},
		"signed-receipt-protocol=optional, pgp-signature":                                                               {false, nil},
	} {
		r := requestOf(options, " ")
		if !r.Wanted || r.Signed != c.signed || !slices.Equal(r.Digests, c.digests) || r.Async != "" {
			t.Errorf("%q: %+v", options, r)
		}
		if f := r.Fault("1.2", []cms.Digest{cms.SHA1, cms.SHA256}); f != nil {
			t.Errorf("%q: what is optional is refused: %v", options, f)
		}
	}
	if r := parseReceiptRequest(" ", "signed-receipt-protocol=optional, pkcs7-signature", ""); r.Wanted {
		t.Error("an empty Disposition-Notification-To asks for nothing")
	}
	const url = "https://theirs.example:8443/mdn?id=a%20b&x=1;y"
	if r := requestOf("", " "+url+"\t"); r.Async != url {
		t.Errorf("the URL became %q", r.Async)
	}
}

func TestReceiptRequestsThatCannotBeMet(t *testing.T) {
	const protocol = "signed-receipt-protocol=optional, pkcs7-signature; "
	for name, c := range map[string]struct {
		options, version string
		accepted         []cms.Digest
		want             string // the disposition; empty = no fault
		text             string
	}{
		"a format nobody has, required":              {"signed-receipt-protocol=required, pgp-signature", "1.2", nil, "failed/Failure: unsupported format", "pkcs7-signature"},
		"a format nobody has, optional":              {"signed-receipt-protocol=optional, pgp-signature", "1.2", nil, "", ""},
		"a digest nobody has, required":              {protocol + "signed-receipt-micalg=required, md5", "1.2", nil, "failed/Failure: unsupported MIC-algorithms", "sha-256"},
		"a digest nobody has, optional":              {protocol + "signed-receipt-micalg=optional, md5", "1.2", nil, "", ""},
		"a digest nobody has, version 1.3":           {protocol + "signed-receipt-micalg=optional, md5", "1.3", nil, "failed/Failure: unsupported MIC-algorithms", "sha-256"},
		"SHA-1 where it is not accepted":             {protocol + "signed-receipt-micalg=required, sha1", "1.2", nil, "failed/Failure: unsupported MIC-algorithms", ""},
		"SHA-1 where it is accepted":                 {protocol + "signed-receipt-micalg=required, sha1", "1.0", []cms.Digest{cms.SHA1}, "", ""},
		"one of several is accepted":                 {protocol + "signed-receipt-micalg=required, md5, sha-512", "1.3", nil, "", ""},
		"an unknown parameter, required":             {protocol + "signed-receipt-micalg=optional, sha-256; X-Stamp=required, y", "1.2", nil, "failed/Failure: unsupported format", "x-stamp"},
		"an unknown parameter, required in any case": {"x=REQUIRED,y", "1.2", nil, "failed/Failure: unsupported format", ""},
		"no preference, version 1.3":                 {protocol, "1.3", nil, "", ""},
	} {
		f := requestOf(c.options, "").Fault(c.version, c.accepted)
		if f == nil && c.want == "" {
			continue
		}
		if f == nil || !strings.HasSuffix(f.Disposition.String(), "; "+c.want) || !strings.Contains(f.Text, c.text) || f.Detail == "" || c.want == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestSignerOfTheReceipt(t *testing.T) {
	ours := &cms.Signer{Digest: cms.SHA384, PSS: true}
	const protocol = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, "
	for name, c := range map[string]struct {
		options  string
		message  cms.Digest
		accepted []cms.Digest
		quirks   Quirks
		want     cms.Digest // NoDigest = unsigned
	}{
		"the first that is supported":        {protocol + "md5, sha-512, sha-256", cms.SHA256, nil, Quirks{}, cms.SHA512},
		"SHA-1 only where accepted":          {protocol + "sha1, sha-256", cms.SHA512, nil, Quirks{}, cms.SHA256},
		"SHA-1 where accepted":               {protocol + "sha1, sha-256", cms.SHA512, []cms.Digest{cms.SHA1, cms.SHA256}, Quirks{}, cms.SHA1},
		"none named: that of the message":    {"signed-receipt-protocol=optional, pkcs7-signature", cms.SHA512, nil, Quirks{}, cms.SHA512},
		"none named, message not signed":     {"signed-receipt-protocol=optional, pkcs7-signature", cms.NoDigest, nil, Quirks{}, cms.SHA256},
		"none accepted: that of the message": {protocol + "md5", cms.SHA224, nil, Quirks{}, cms.SHA224},
		"not asked for":                      {"", cms.SHA256, nil, Quirks{}, cms.NoDigest},
		"never signed for this partner":      {protocol + "sha-256", cms.SHA256, nil, Quirks{UnsignedReceipts: true}, cms.NoDigest},
	} {
		s := requestOf(c.options, "").Signer(ours, c.message, c.accepted, c.quirks)
		if c.want == cms.NoDigest {
			if s != nil {
				t.Errorf("%s: signed with %v", name, s.Digest)
			}
			continue
		}
		if s == nil || s.Digest != c.want || !s.PSS {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if ours.Digest != cms.SHA384 {
		t.Error("our own signer was changed")
	}
	if (ReceiptRequest{Wanted: true, Signed: true}).Signer(nil, cms.SHA256, nil, Quirks{}) != nil {
		t.Error("a signer out of nothing")
	}
}

// What we ask for, to the letter: one line, old names for old digests, no empty
// Receipt-Delivery-Option.
func TestReceiptRequestIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		request  ReceiptRequest
		spelling string
		want     []Field
	}{
		"none":     {ReceiptRequest{}, "", nil},
		"unsigned": {ReceiptRequest{Wanted: true}, "", []Field{{"Disposition-Notification-To", "us"}}},
		"signed, synchronous": {ReceiptRequest{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA256, cms.SHA1}}, "", []Field{{"Disposition-Notification-To", "us"},
			{"Disposition-Notification-Options", "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256, sha1"}}},
		"signed, asynchronous, plain names": {ReceiptRequest{Wanted: true, Signed: true, Async: "https://us.example/mdn?a=1&b=2", Digests: []cms.Digest{cms.SHA512}}, "plain", []Field{{"Disposition-Notification-To", "us"},
			{"Disposition-Notification-Options", "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha512"}, {"Receipt-Delivery-Option", "https://us.example/mdn?a=1&b=2"}}},
		"rsa names": {ReceiptRequest{Wanted: true, Signed: true, Digests: []cms.Digest{cms.SHA1, cms.SHA256}}, "rsa", []Field{{"Disposition-Notification-To", "us"},
			{"Disposition-Notification-Options", "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, rsa-sha1, rsa-sha256"}}},
	} {
		got := c.request.fields("us", c.spelling)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
		h := http.Header{}
		for _, f := range got {
			h.Set(f.Name, f.Value)
		}
		back := parseReceiptRequest(h.Get("Disposition-Notification-To"), h.Get("Disposition-Notification-Options"), h.Get("Receipt-Delivery-Option"))
		if back.Wanted != c.request.Wanted || back.Signed != c.request.Signed || back.Async != c.request.Async || !slices.Equal(back.Digests, c.request.Digests) {
			t.Errorf("%s: read back as %+v", name, back)
		}
	}
}

func TestVersions(t *testing.T) {
	for version, minor := range map[string]int{"": 2, "1.0": 0, "1.1": 1, " 1.2 ": 2, "1.3": 3, "1.10": 10, "nonsense": 0, "1": 0, "1.x": 0} {
		if !atLeast(version, minor) && minor > 0 || atLeast(version, minor+1) {
			t.Errorf("%q is not exactly 1.%d", version, minor)
		}
	}
	if !atLeast("2.0", 3) {
		t.Error("2.0 comes after 1.3")
	}
	for agent, want := range map[string]string{"as2drop/1.2.3": "as2drop:1.2.3", "as2drop/v1.2.3-4-gabc (linux)": "as2drop:1.2.3", "as2drop": "as2drop:0.0", "": "as2drop:0.0", "My Agent/1": "my:0.0", "Über-AS2/2.0 x": "ber-as2:2.0", "a/devel": "a:0.0"} {
		if got := product(agent); got != want {
			t.Errorf("%q: %q", agent, got)
		}
	}
}
