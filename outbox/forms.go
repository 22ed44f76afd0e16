package outbox

import (
	"cmp"
	"io"
	"path"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
	"github.com/as2drop/as2drop/internal/fsx"
	"github.com/as2drop/as2drop/ledger"
	"github.com/as2drop/as2drop/naming"
)

// Bundle is the form in which document and attachments travel.
type Bundle string

const (
	BundleAlways          Bundle = "always"           // a zip, of the document alone too
	BundleWithAttachments Bundle = "with-attachments" // a zip, or the document alone as it is
	BundleNever           Bundle = "never"            // the document as it is; with attachments it waits
	BundleMultipart       Bundle = "multipart"        // a multipart/related (RFC 6362), or the document alone as it is
)

const noForm = "it has attachments, and bundle: never leaves no way to send them"

// travels is what of a batch goes into the message: the files as the partner sees them,
// each with its content type, its name, and what writes it; several are sealed as one
// multipart/related. Writing notes the SHA-256 of each member that it reads. blocked
// says why the batch has no form: nothing of it is left out silently.
func (o *Outbox) travels(t *ledger.Transfer, dir string) (files []as2.File, blocked string) {
	var sent []*ledger.Member // the document first
	for i := range t.Members {
		if t.Members[i].Role != ledger.RoleMarker {
			sent = append(sent, &t.Members[i])
		}
	}
	alone := len(sent) == 1
	switch {
	case o.p.Bundle == BundleMultipart, alone && o.p.Bundle != BundleAlways:
		for _, m := range sent {
			files = append(files, o.asItIs(m, dir))
		}
	case o.p.Bundle == BundleNever:
		return nil, noForm
	default:
		files = []as2.File{o.zip(t, sent, dir)}
	}
	files[0].ContentType = cmp.Or(o.p.ContentType, files[0].ContentType)
	return files, ""
}

// asItIs is one member, byte for byte under its own name.
func (o *Outbox) asItIs(m *ledger.Member, dir string) as2.File {
	return as2.File{ContentType: contentType(m.Name, m.Role), Filename: m.Name, Write: func(w io.Writer) error {
		f, err := o.p.Folder.OpenFile(path.Join(dir, m.Name), fsx.ReadOnly, 0)
		if err != nil {
			return err
		}
		defer f.Close() // opened for reading: nothing can be lost
		got, err := bundle.Copy(w, f, m.Name, m.Size)
		m.SHA256 = got.SHA256
		return err
	}}
}

// zip is all members in one file.
func (o *Outbox) zip(t *ledger.Transfer, sent []*ledger.Member, dir string) as2.File {
	return as2.File{ContentType: "application/zip", Filename: naming.BundleName(t.Key, t.ID), Write: func(w io.Writer) error {
		members := make([]bundle.Member, len(sent))
		for i, m := range sent {
			members[i] = bundle.Member{Name: m.Name, Size: m.Size, Modified: time.Unix(0, m.MTime), Open: func() (io.ReadCloser, error) {
				return o.p.Folder.OpenFile(path.Join(dir, m.Name), fsx.ReadOnly, 0)
			}}
		}
		written, err := bundle.Write(w, members)
		for i, x := range written {
			sent[i].SHA256 = x.SHA256
		}
		return err
	}}
}

// contentType goes by the extension.
func contentType(name string, role ledger.Role) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".xml":
		return "application/xml"
	case ".edi", ".edifact":
		return "application/edifact"
	case ".x12":
		return "application/edi-x12"
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	}
	if role == ledger.RoleAttachment {
		return cmp.Or(attachmentTypes[ext], "application/octet-stream")
	}
	return "application/octet-stream"
}

// attachmentTypes are those of RFC 6362, 3 and of today's offices. Text has none: what is
// called text on the wire gets other line ends from some products, and then another MIC.
// Signed and encrypted files have none: their types are those of the layers of a message,
// which a reader would peel off.
var attachmentTypes = map[string]string{
	".json": "application/json",
	".png":  "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".tif": "image/tiff", ".tiff": "image/tiff", ".gif": "image/gif", ".bmp": "image/bmp", ".svg": "image/svg+xml",
	".ps": "application/postscript", ".eps": "application/postscript", ".rtf": "application/rtf",
	".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":  "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}
