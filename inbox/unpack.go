package inbox

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/ledger"
)

// Rule says what becomes of something in a zip that is not one document with its
// attachments. Nothing is lost by any of them.
type Rule string

const (
	Split  Rule = "split"  // it is taken apart: each document with its attachments is a batch
	Keep   Rule = "keep"   // it stays as it came
	Reject Rule = "reject" // the message is refused
)

// unpack turns the payload into staged files and plans their names.
func (r *request) unpack() (*ledger.Received, error) {
	row := r.newRow()
	var l *layout
	if r.p.Unpack && len(r.opened.Parts) == 1 {
		var err error
		if l, err = r.takeApart(row); err != nil {
			return nil, err
		}
	}
	var err error
	if l == nil {
		if err = r.whole(row); err == nil {
			l = r.sort(row, nil)
		}
	} else {
		err = r.payload[0].drop(row.Files)
	}
	if err != nil {
		return nil, err
	}
	if r.p.Extract {
		if err := r.extract(row, l); err != nil {
			return nil, err
		}
	}
	r.plan(row, l)
	return row, nil
}

// takeApart unpacks the payload if it is a zip. The layout is nil where the payload is
// to be delivered whole.
func (r *request) takeApart(row *ledger.Received) (*layout, error) {
	from, err := r.unzip(row)
	var l *layout
	if err == nil && row.Files != nil {
		l = r.sort(row, from)
		err = r.judge(row, l)
	}
	rule, modifier, text := Keep, as2.UnexpectedProcessing, ""
	var broken *bundle.BrokenError
	var odd *oddError
	switch {
	case errors.As(err, &broken):
		text = "The zip could not be unpacked: " + broken.Error()
		if !r.p.KeepBroken {
			rule = Reject
		}
		if broken.BadName {
			modifier = as2.IllegalFilename
		}
	case errors.As(err, &odd):
		rule, text = odd.rule, "The zip is not of the kind that was agreed: "+odd.fact+". "+odd.ask
	default:
		return l, err
	}
	if rule == Reject {
		return nil, as2.NewFault(modifier, text, err.Error())
	}
	because := "delivered whole, because "
	if broken != nil {
		because += "it could not be unpacked: "
	}
	row.Notes = append(row.Notes, because+err.Error())
	row.Files = nil
	return nil, r.dropStaged(fileName)
}

// newRow is a row with everything that is known before the files are.
func (r *request) newRow() *ledger.Received {
	row := &ledger.Received{
		ID: r.id, Partner: r.p.Name, Station: r.p.Station, From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID),
		State: ledger.ReceivedReceived, At: r.at.UTC(), MICs: map[string]string{}, Layers: as2.LayerNames(r.opened.Layers), Notes: slices.Clone(r.opened.Notes), Config: r.Config,
	}
	if r.opened.Signer != nil {
		row.Signer = r.opened.Signer.Subject.String()
	}
	for _, m := range r.opened.MICs {
		row.MICs[m.Digest.String()] = base64.StdEncoding.EncodeToString(m.Sum)
	}
	return row
}

// whole delivers each part of the payload as one file (RFC 6362: with several parts the
// root is the document).
func (r *request) whole(row *ledger.Received) error {
	for i, part := range r.opened.Parts {
		staged := r.payload[i]
		f, err := staged.open()
		if err != nil {
			return err
		}
		got, err := bundle.Copy(io.Discard, f, staged.name, part.Size)
		f.Close() // opened for reading: nothing can be lost
		if err == nil {
			err = staged.keep()
		}
		if err != nil {
			return err
		}
		name := part.Filename
		if name == "" {
			name = r.id + extension(part.ContentType)
			if len(r.opened.Parts) > 1 {
				name = fmt.Sprintf("%s-%d%s", r.id, i+1, extension(part.ContentType))
			}
		}
		row.Files = append(row.Files, ledger.ReceivedFile{Entry: name, Staged: staged.name, Size: got.Size, SHA256: got.SHA256, Document: part.Document})
	}
	return nil
}

// extension is for payloads that come without a name.
func extension(contentType string) string {
	switch contentType {
	case "application/xml", "text/xml":
		return ".xml"
	case "application/edifact":
		return ".edi"
	case "application/edi-x12":
		return ".x12"
	case "application/zip":
		return ".zip"
	case "application/pdf":
		return ".pdf"
	case "application/json":
		return ".json"
	case "text/csv":
		return ".csv"
	case "text/plain":
		return ".txt"
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	case "image/tiff":
		return ".tif"
	}
	return ".bin"
}

// unzip unpacks the payload if it is a zip, each entry under a number. from says of each
// file out of which zip it came: 0 is the payload, the others are zips in it.
func (r *request) unzip(row *ledger.Received) (from []int, err error) {
	part := r.opened.Parts[0]
	f, err := r.payload[0].open()
	if err != nil {
		return nil, err
	}
	defer f.Close() // opened for reading: nothing can be lost
	if !isZip(f, part) {
		return nil, nil
	}
	u := &unzipping{request: r, limits: r.p.Limits.WithDefaults()}
	if err := u.unzip(f, part.Size, fileName, ""); err != nil {
		return nil, err
	}
	if err := u.nested(); err != nil {
		return nil, err
	}
	row.Files, row.Notes = u.files, append(row.Notes, u.notes...)
	return u.from, nil
}

// zipMagic begins a zip that holds anything.
const zipMagic = "PK\x03\x04"

// isZip goes by the first bytes; what is only called a zip is unpacked too, to be
// found broken.
func isZip(f io.ReaderAt, part as2.Part) bool {
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0) // a shorter file is no zip
	if n == 4 && (string(magic[:]) == zipMagic || string(magic[:]) == "PK\x05\x06") {
		return true
	}
	return part.ContentType == "application/zip" || strings.EqualFold(path.Ext(part.Filename), ".zip")
}
