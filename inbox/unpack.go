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
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// unpack turns the payload into staged files and plans their names.
func (r *request) unpack() (*ledger.Received, error) {
	row := r.newRow()
	var err error
	if r.p.Unpack && len(r.opened.Parts) == 1 {
		err = r.unzip(row)
		var broken *bundle.BrokenError
		if errors.As(err, &broken) {
			if !r.p.KeepBroken {
				modifier := as2.UnexpectedProcessing
				if broken.BadName {
					modifier = as2.IllegalFilename
				}
				return nil, as2.NewFault(modifier, "The zip could not be unpacked: "+broken.Error(), broken.Error())
			}
			row.Notes = append(row.Notes, "delivered whole, because it could not be unpacked: "+broken.Error())
			row.Files, err = nil, fsx.RemoveAll(r.p.Folder, path.Join(incoming(r.id), filesDir))
		}
	}
	if err == nil && row.Files == nil {
		err = r.whole(row)
	}
	if err != nil {
		return nil, err
	}
	r.plan(row)
	return row, nil
}

// newRow is a row with everything that is known before the files are.
func (r *request) newRow() *ledger.Received {
	row := &ledger.Received{
		ID: r.id, Partner: r.p.Name, Station: r.p.Station, From: r.env.From, To: r.env.To, MessageID: as2.StripID(r.env.MessageID),
		State: ledger.ReceivedReceived, At: r.at.UTC(), MICs: map[string]string{}, Layers: as2.LayerNames(r.opened.Layers), Notes: slices.Clone(r.opened.Notes), Config: r.Config,
	}
	if r.opened.Signer != nil {
		row.Signer, row.SignedBy = r.opened.Signer.Subject.String(), r.opened.Signer.Raw
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
		staged := fmt.Sprint(payloadName, part.Index)
		f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), staged), fsx.ReadOnly, 0)
		if err != nil {
			return err
		}
		got, err := bundle.Copy(io.Discard, f, staged, part.Size)
		f.Close() // opened for reading: nothing can be lost
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
		row.Files = append(row.Files, ledger.ReceivedFile{Entry: name, Staged: staged, Size: got.Size, SHA256: got.SHA256, Document: part.Document})
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

// unzip unpacks the payload if it is a zip, each entry under a number.
func (r *request) unzip(row *ledger.Received) error {
	part := r.opened.Parts[0]
	f, err := r.p.Folder.OpenFile(path.Join(incoming(r.id), fmt.Sprint(payloadName, part.Index)), fsx.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer f.Close() // opened for reading: nothing can be lost
	if !isZip(f, part) {
		return nil
	}
	dir := path.Join(incoming(r.id), filesDir)
	if err := fsx.MkdirAll(r.p.Folder, dir, dirPerm); err != nil {
		return err
	}
	entries, err := bundle.Unpack(f, part.Size, r.p.Limits, func(i int, _ string) (io.WriteCloser, error) {
		return r.create(path.Join(filesDir, fmt.Sprint(i)))
	})
	if err != nil {
		return err
	}
	if err := r.p.Folder.SyncDir(dir); err != nil {
		return err
	}
	for i, e := range entries {
		row.Files = append(row.Files, ledger.ReceivedFile{Entry: e.Path, Staged: path.Join(filesDir, fmt.Sprint(i)), Final: e.Name, Size: e.Size, SHA256: e.SHA256})
	}
	return nil
}

// isZip goes by the first bytes; what is only called a zip is unpacked too, to be
// found broken.
func isZip(f io.ReaderAt, part as2.Part) bool {
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0) // a shorter file is no zip
	if n == 4 && (string(magic[:]) == "PK\x03\x04" || string(magic[:]) == "PK\x05\x06") {
		return true
	}
	return part.ContentType == "application/zip" || strings.EqualFold(path.Ext(part.Filename), ".zip")
}

// plan gives safe names and finds the document: the one that the message names as its
// root, else the one that the names tell.
func (r *request) plan(row *ledger.Received) {
	names := make([]string, len(row.Files))
	used := map[string]bool{}
	root := ""
	for i := range row.Files {
		f := &row.Files[i]
		name := f.Final
		if name == "" {
			name = f.Entry
		}
		name = naming.Safe(name)
		for n := 2; used[r.p.fold(name)]; n++ { // two names became one
			name = r.p.Rules.Rekey([]string{naming.Safe(f.Entry)}, n)[0]
		}
		used[r.p.fold(name)] = true
		f.Final, names[i] = name, name
		if f.Document {
			root = name
		}
	}
	document, key, ok := r.p.Rules.Pair(names)
	switch {
	case root != "" && root != document:
		document, key, _ = r.p.Rules.Pair([]string{root}) // a single file has always a key
	case !ok:
		document, key = names[len(names)-1], strings.TrimSuffix(names[0], path.Ext(names[0]))
		row.Notes = append(row.Notes, "no entry is the document for certain; all were delivered in the order of the message")
	}
	row.Key = key
	for i := range row.Files {
		row.Files[i].Document = row.Files[i].Final == document
	}
	if r.p.FolderPerBatch {
		row.Folder = naming.Safe(row.Key)
	}
}
