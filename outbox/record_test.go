package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/as2drop/as2drop/ledger"
	"pgregory.net/rapid"
)

// A transfer.json has the bytes that package json gives the record as a whole, whether what
// the message was sealed with is written once for many or for this one.
func TestRecordIsWhatJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := ledger.Transfer{
			ID: rapid.String().Draw(t, "id"), Document: rapid.String().Draw(t, "document"), State: ledger.StateSettled, Created: moment,
			Members: rapid.SliceOf(rapid.Map(rapid.String(), func(name string) ledger.Member { return ledger.Member{Name: name} })).Draw(t, "members"),
			Receipt: rapid.SliceOf(rapid.Byte()).Draw(t, "receipt"),
			Sealed:  rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"header":[],"files":[{}],"sha256":"\\\"<"}`)}).Draw(t, "sealed"),
		}
		for _, with := range []*sealing{nil, {URL: rapid.String().Draw(t, "url"), Certificates: rapid.String().Draw(t, "certificates")}} {
			want, err := json.MarshalIndent(record{tr, with}, "", "  ")
			must(err)
			for range 2 {
				got, err := transferJSON(&tr, with)
				must(err)
				if !bytes.Equal(got, append(want, '\n')) {
					t.Fatalf("%s\nis not\n%s", got, want)
				}
				if with == nil {
					break
				}
				with.laid, err = with.layOut()
				must(err)
			}
		}
	})
}

// What a message was sealed with is written once for all that are sealed with the same, and
// anew when address or certificates are others.
func TestSealedWithTheSame(t *testing.T) {
	w := newWorld(accept)
	l := w.ledger()
	defer func() { must(l.Close()); w.disk.Release() }()
	o := w.outbox(l)
	options, blocked := o.sealOptions(&ledger.Transfer{Document: "INV-1.xml"})
	if blocked != "" {
		t.Fatal(blocked)
	}
	first := o.sealingNow(options)
	if again := o.sealingNow(options); again != first {
		t.Error("it is written anew for each message")
	}
	address := o.p.URL
	o.p.URL = "https://other.example/as2"
	if other := o.sealingNow(options); other.URL != o.p.URL || bytes.Contains(other.laid, []byte(address)) {
		t.Errorf("sealed with %q after the address has changed", other.URL)
	}
	o.p.Own = nil
	o.p.Certificates, o.p.Trust.Certificates = nil, nil
	options.Sign = nil
	if other := o.sealingNow(options); len(other.certs) != 1 || len(other.Certificates) >= len(first.Certificates) {
		t.Errorf("%d certificates after they were taken out of the config", len(other.certs))
	}
}

// BenchmarkRecords writes the two records of a transfer that is filed: with what it was sealed
// with, and without; then as package json would.
func BenchmarkRecords(b *testing.B) {
	w := newWorld(accept)
	l := w.ledger()
	b.Cleanup(func() { must(l.Close()); w.disk.Release() })
	o := w.outbox(l)
	tr := carryOne(b, o)
	options, _ := o.sealOptions(&tr)
	with := o.sealingNow(options)
	size := 0
	for name, write := range map[string]func() (int, error){
		"once": func() (n int, err error) {
			body, err := transferJSON(&tr, nil)
			must(err)
			whole, err := recordJSON(body, with)
			return len(body) + len(whole), err
		},
		"json": func() (n int, err error) {
			body, err := json.MarshalIndent(record{tr, nil}, "", "  ")
			must(err)
			whole, err := json.MarshalIndent(record{tr, with}, "", "  ")
			return len(body) + len(whole) + 2, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, err := write()
				must(err)
				if size == 0 {
					size = n
				}
				if n != size {
					b.Fatalf("%d bytes in place of %d", n, size)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// carryOne is the transfer of the one document that waits, filed.
func carryOne(t testing.TB, o *Outbox) ledger.Transfer {
	t.Helper()
	ob := NewObserver()
	report, err := o.Scan(context.Background(), ob)
	must(err)
	if len(report.Claimed) != 1 {
		t.Fatalf("%d are claimed", len(report.Claimed))
	}
	tr, _, err := o.Carry(context.Background(), report.Claimed[0], func() bool { return true })
	must(err)
	return tr
}
