// Command samples makes the attachments of the sample documents in testdata/ubl:
// three PDFs and a PNG, which nobody can edit by hand. The documents themselves
// (two UBL 2.1 invoices, an EDIFACT order) are text and are edited there; the test
// of this package checks that they are right, that their sums add up, and that
// the attachments are what this command writes.
//
// It runs in the root of the repository:
//
//	go run ./internal/ci/samples
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(filepath.Join("testdata", "ubl")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for name, content := range map[string][]byte{
		"INV-2026-1001_timesheet.pdf": pdf(timesheet),
		"INV-2026-1002_terms.pdf":     pdf(terms),
		"ORD-77120_delivery.pdf":      pdf(delivery),
		"INV-2026-1001_photo.png":     photo(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("samples: %w", err)
		}
	}
	return nil
}

// The first line of each becomes the heading.
var (
	timesheet = []string{
		"Timesheet TS-1001",
		"Foerderwerk Beispiel GmbH for Example Foods Austria AG",
		"Conveyor 7, hall B, order ORD-76984, invoice INV-2026-1001",
		"",
		"2026-11-16   07:30 - 12:00    4.5 h   dismantling, cleaning",
		"2026-11-17   08:00 - 13:00    5.0 h   gear units fitted",
		"2026-11-18   09:00 - 12:00    3.0 h   adjustment, trial run",
		"",
		"Total                        12.5 h",
		"",
		"Signed for the customer: M. Muster, maintenance",
	}
	terms = []string{
		"Terms of maintenance contract MC-118",
		"Foerderwerk Beispiel GmbH and Example Foods Austria AG",
		"Invoice INV-2026-1002, first quarter of 2027",
		"",
		"1. Nine conveyors are inspected once a month.",
		"2. Wearing parts are charged as used.",
		"3. The monthly rate is EUR 280.00 and VAT.",
		"4. Either side may end the contract at the end of a quarter.",
	}
	delivery = []string{
		"Delivery instructions for order ORD-77120",
		"Example Foods Austria AG, hall B, gate 4",
		"",
		"1. Between 7 and 15 h; call the gate half an hour before.",
		"2. Gear oil on a pallet of its own.",
		"3. No pallet higher than 1.80 m.",
	}
)
