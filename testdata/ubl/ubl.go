// Package ubl carries the sample documents of the demo inside the program, so that
// as2drop demo works from any folder: two UBL 2.1 invoices with attachments and an
// EDIFACT order, with one, from the buyer to the supplier. Companies, numbers and addresses are
// made up. The attachments are written by go run ./internal/ci/samples.
package ubl

import (
	"embed"
	"io/fs"
)

//go:embed *.xml *.pdf *.png *.edi
var files embed.FS

// Files returns the documents and attachments, all in the root of the file system.
func Files() fs.FS { return files }
