package as2

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/as2drop/as2drop/cms"
)

// Whatever comes as an answer: no panic, no MDN beside an error, no receipt without a
// disposition, nothing authentic that nobody signed; and the cheap look for routing
// sees the same message as the full one.
func FuzzMDN(f *testing.F) {
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		h := http.Header{"Content-Type": {contentType}, "As2-From": {"x"}}
		m, err := ParseMDN(h, body, trust(partners()), moment)
		id, rerr := ReceiptFor(h, body)
		if err != nil {
			if m != nil {
				t.Errorf("%+v beside %v", m, err)
			}
			return
		}
		if m.Disposition.Type == "" || m.DispositionText == "" || len(m.Text) > 3*maxText || m.Signed && m.Claim != "" || m.Signed != (m.Signer != nil) {
			t.Errorf("%+v", m)
		}
		if StripID(m.OriginalMessageID) != "" && (rerr != nil || id != m.OriginalMessageID) {
			t.Errorf("%q for routing, %q in full: %v", id, m.OriginalMessageID, rerr)
		}
	})
}

// What decides about a POST never panics, and what is a receipt in full is not taken
// for a message by its beginning.
func FuzzReceiptRouting(f *testing.F) {
	f.Fuzz(func(t *testing.T, contentType, encoding string, start []byte) {
		h := http.Header{"Content-Type": {contentType}, "Content-Transfer-Encoding": {encoding}}
		is := IsReceipt(h, start)
		if _, err := ReceiptFor(h, start); err == nil && !is && len(start) < peekReceipt {
			t.Error("a receipt that nobody would recognise")
		}
		if is && !IsReceipt(h, nil) && !mayBeReceipt(h) {
			t.Error("a receipt whose beginning nobody would look at")
		}
	})
}

func FuzzDisposition(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDisposition(s)
		if err != nil {
			if d != (Disposition{}) {
				t.Errorf("%+v beside %v", d, err)
			}
			return
		}
		if d.Accepted() && d.Type == "failed" || d.Kind == "" && d.Modifier != "" {
			t.Errorf("%+v", d)
		}
		if again, err := ParseDisposition(d.String()); err != nil || again != d && !strings.ContainsAny(d.Kind+d.Modifier, "/;:=") {
			t.Errorf("%+v, again %+v, %v", d, again, err)
		}
	})
}

// A request in any spelling: what is understood of it can be written and read again.
func FuzzReceiptRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, to, options, delivery string) {
		r := parseReceiptRequest(to, options, delivery)
		if fault := r.Fault("1.3", nil); fault != nil && (fault.Disposition.Type != "failed" || fault.Text == "") {
			t.Errorf("%+v", fault)
		}
		if s := r.Signer(&cms.Signer{}, cms.NoDigest, nil, Quirks{}); (s != nil) != r.Signed || s != nil && s.Digest == cms.SHA1 {
			t.Errorf("%+v signs with %+v", r, s)
		}
		if !r.Wanted || !r.Signed || len(r.Digests) == 0 {
			return
		}
		fields := r.fields("x", "")
		again := parseReceiptRequest("x", Get(fields, "Disposition-Notification-Options"), Get(fields, "Receipt-Delivery-Option"))
		if !again.Signed || !slices.Equal(again.Digests, r.Digests) || again.Async != r.Async {
			t.Errorf("%+v, again %+v", r, again)
		}
	})
}
