package main

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const folder = "../../../testdata/ubl"

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// The committed attachments are what this command writes today. The PNG is
// compared by its pixels, for another Go release may compress differently.
func TestAttachmentsAreFresh(t *testing.T) {
	fresh := t.TempDir()
	if err := run(fresh); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"INV-2026-1001_timesheet.pdf", "INV-2026-1002_terms.pdf", "ORD-77120_delivery.pdf"} {
		want, err := os.ReadFile(filepath.Join(fresh, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, name), want) {
			t.Errorf("%s is not what the command writes: run go run ./internal/ci/samples", name)
		}
	}
	got, err := png.Decode(bytes.NewReader(read(t, "INV-2026-1001_photo.png")))
	if err != nil {
		t.Fatal(err)
	}
	want := drawing()
	if got.Bounds() != want.Bounds() {
		t.Fatalf("photo is %v, drawn is %v", got.Bounds(), want.Bounds())
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			r, g, b, _ := got.At(x, y).RGBA()
			if wr, wg, wb, _ := want.At(x, y).RGBA(); r != wr || g != wg || b != wb {
				t.Fatalf("photo differs from the drawing at %d,%d", x, y)
			}
		}
	}
}

// A PDF reader finds the objects by the offsets in the table at the end.
func TestPDFTablePointsAtObjects(t *testing.T) {
	for _, name := range []string{"INV-2026-1001_timesheet.pdf", "INV-2026-1002_terms.pdf", "ORD-77120_delivery.pdf"} {
		file := read(t, name)
		fields := strings.Fields(string(file[bytes.LastIndex(file, []byte("startxref")):]))
		start, err := strconv.Atoi(fields[1])
		if err != nil || !bytes.HasPrefix(file[start:], []byte("xref\n")) {
			t.Fatalf("%s: startxref %q does not point at the table", name, fields[1])
		}
		entries := strings.Split(string(file[start:]), "\n")[3:]
		objects := 0
		for strings.HasSuffix(entries[objects], " n ") {
			offset, err := strconv.Atoi(entries[objects][:10])
			objects++
			if want := strconv.Itoa(objects) + " 0 obj"; err != nil || !bytes.HasPrefix(file[offset:], []byte(want)) {
				t.Errorf("%s: entry %d of the table does not point at %q", name, objects, want)
			}
		}
		if objects != 6 {
			t.Errorf("%s: %d objects in the table, want 6", name, objects)
		}
	}
}

type amount struct{ *big.Rat }

func (a *amount) UnmarshalText(text []byte) error {
	a.Rat = new(big.Rat)
	return a.Rat.UnmarshalText(text)
}

type invoice struct {
	ID         string   `xml:"ID"`
	References []string `xml:"AdditionalDocumentReference>Attachment>ExternalReference>URI"`
	Tax        amount   `xml:"TaxTotal>TaxAmount"`
	Subtotals  []struct {
		Taxable amount `xml:"TaxableAmount"`
		Tax     amount `xml:"TaxAmount"`
		Percent amount `xml:"TaxCategory>Percent"`
	} `xml:"TaxTotal>TaxSubtotal"`
	Lines []struct {
		Quantity amount `xml:"InvoicedQuantity"`
		Amount   amount `xml:"LineExtensionAmount"`
		Percent  amount `xml:"Item>ClassifiedTaxCategory>Percent"`
		Price    amount `xml:"Price>PriceAmount"`
	} `xml:"InvoiceLine"`
	Total struct {
		Lines     amount `xml:"LineExtensionAmount"`
		Exclusive amount `xml:"TaxExclusiveAmount"`
		Inclusive amount `xml:"TaxInclusiveAmount"`
		Payable   amount `xml:"PayableAmount"`
	} `xml:"LegalMonetaryTotal"`
}

func equal(t *testing.T, what string, got, want *big.Rat) {
	t.Helper()
	if got.Cmp(want) != 0 {
		t.Errorf("%s is %s, want %s", what, got.FloatString(2), want.FloatString(2))
	}
}

func TestInvoicesAddUp(t *testing.T) {
	for key, attachments := range map[string][]string{
		"INV-2026-1001": {"INV-2026-1001_timesheet.pdf", "INV-2026-1001_photo.png"},
		"INV-2026-1002": {"INV-2026-1002_terms.pdf"},
	} {
		t.Run(key, func(t *testing.T) {
			var inv invoice
			if err := xml.Unmarshal(read(t, key+".xml"), &inv); err != nil {
				t.Fatal(err)
			}
			if inv.ID != key {
				t.Errorf("the invoice calls itself %q", inv.ID)
			}
			if !slices.Equal(inv.References, attachments) {
				t.Errorf("references %q, want %q", inv.References, attachments)
			}
			for _, name := range inv.References {
				read(t, name)
			}
			sum := new(big.Rat)
			byPercent := map[string]*big.Rat{}
			for _, line := range inv.Lines {
				equal(t, "line amount", line.Amount.Rat, new(big.Rat).Mul(line.Quantity.Rat, line.Price.Rat))
				sum.Add(sum, line.Amount.Rat)
				percent := line.Percent.RatString()
				if byPercent[percent] == nil {
					byPercent[percent] = new(big.Rat)
				}
				byPercent[percent].Add(byPercent[percent], line.Amount.Rat)
			}
			tax := new(big.Rat)
			if len(inv.Subtotals) != len(byPercent) {
				t.Fatalf("%d tax subtotals for %d rates", len(inv.Subtotals), len(byPercent))
			}
			for _, sub := range inv.Subtotals {
				of := byPercent[sub.Percent.RatString()]
				if of == nil {
					t.Fatalf("a tax subtotal for %s %%, which no line has", sub.Percent.RatString())
				}
				equal(t, "taxable amount", sub.Taxable.Rat, of)
				want := new(big.Rat).Mul(sub.Taxable.Rat, sub.Percent.Rat)
				equal(t, "tax of a rate", sub.Tax.Rat, want.Mul(want, big.NewRat(1, 100)))
				tax.Add(tax, sub.Tax.Rat)
			}
			equal(t, "tax", inv.Tax.Rat, tax)
			equal(t, "sum of lines", inv.Total.Lines.Rat, sum)
			equal(t, "total without tax", inv.Total.Exclusive.Rat, sum)
			equal(t, "total with tax", inv.Total.Inclusive.Rat, new(big.Rat).Add(sum, tax))
			equal(t, "payable", inv.Total.Payable.Rat, inv.Total.Inclusive.Rat)
		})
	}
}

// ISO 9735: UNT counts the segments from UNH to UNT, UNZ the messages, and both
// repeat their header's reference; CNT+2 counts the lines of the order.
func TestOrderCounts(t *testing.T) {
	text := string(read(t, "ORD-77120.edi"))
	const una = "UNA:+.? '\r\n"
	if !strings.HasPrefix(text, una) {
		t.Fatalf("begins with %.11q, want %q", text, una)
	}
	// "?'" is an apostrophe in the text and ends no segment.
	text = strings.ReplaceAll(strings.TrimPrefix(text, una), "?'", "’")
	segments := strings.Split(strings.TrimSuffix(text, "'\r\n"), "'\r\n")
	element := func(tag string, n int) string {
		for _, segment := range segments {
			if elements := strings.Split(segment, "+"); elements[0] == tag && len(elements) > n {
				return elements[n]
			}
		}
		t.Fatalf("no segment %s with %d elements", tag, n)
		return ""
	}
	lines := 0
	for _, segment := range segments {
		if strings.HasPrefix(segment, "LIN+") {
			lines++
		}
	}
	for _, c := range []struct{ what, got, want string }{
		{"first segment", segments[0][:4], "UNB+"},
		{"last segment", segments[len(segments)-1], "UNZ+1+" + element("UNB", 5)},
		{"message type", element("UNH", 2), "ORDERS:D:96A:UN:EAN008"},
		{"order number", element("BGM", 2), "ORD-77120"},
		{"segments counted by UNT", element("UNT", 1), strconv.Itoa(len(segments) - 2)},
		{"reference of UNT", element("UNT", 2), element("UNH", 1)},
		{"lines counted by CNT", element("CNT", 1), "2:" + strconv.Itoa(lines)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}
