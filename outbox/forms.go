package outbox

import (
	"cmp"
	"io"
	"path"
	"strings"
	"time"

	"github.com/as2drop/as2drop/as2"
	"github.com/as2drop/as2drop/internal/bundle"
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
	BundleEmbedded        Bundle = "embedded"         // the attachments inside of the document, or the document alone as it is
)

// NoForm is why a batch waits whose attachments the config has no form for.
const NoForm = "it has attachments, and bundle: never leaves no way to send them"

// form is what of a batch goes into the message.
type form struct {
	files []as2.File // as the partner sees them, the document first; several are sealed as one multipart/related
	made  string     // SHA-256 of a document that is made of the batch, once it was written
	size  int64      // bytes at the most
}

// travels says in which form a batch travels: each file with its content type, its name,
// and what writes it. Writing notes the SHA-256 of each member that it reads. blocked says
// why the batch has no form: nothing of it is left out silently. An *embedded.Error says
// that the document cannot take its attachments.
func (o *Outbox) travels(t *ledger.Transfer, dir string) (f *form, blocked string, err error) {
	sent := o.outgoing(t, dir)
	f = &form{}
	for _, s := range sent {
		f.size += s.size
	}
	alone := len(sent) == 1
	switch {
	case o.p.Bundle == BundleMultipart, alone && o.p.Bundle != BundleAlways:
		for _, s := range sent {
			f.files = append(f.files, o.asItIs(s))
		}
	case o.p.Bundle == BundleNever:
		return nil, NoForm, nil
	case o.p.Bundle == BundleEmbedded:
		file, err := o.embed(sent, f)
		if err != nil {
			return nil, "", err
		}
		f.files = []as2.File{file}
	default:
		f.files = []as2.File{o.zip(t, sent)}
	}
	f.files[0].ContentType = cmp.Or(o.p.ContentType, f.files[0].ContentType)
	return f, "", nil
}

// sealedSize is what sealing may take on the volume, in bytes: base64 around what travels
// makes it longer by a third.
func (o *Outbox) sealedSize(f *form) int64 {
	if o.p.Quirks.PayloadBase64 {
		return f.size + f.size/3
	}
	return f.size
}

// asItIs is one file, byte for byte under its own name.
func (o *Outbox) asItIs(f outgoing) as2.File {
	return as2.File{ContentType: contentType(f.name, f.role), Filename: f.name, Write: func(w io.Writer) error {
		r, err := o.open(f)
		if err != nil {
			return err
		}
		defer r.Close() // opened for reading: nothing can be lost
		got, err := bundle.Copy(w, r, f.name, f.size)
		*f.sum = got.SHA256
		return err
	}}
}

// zip is all of them in one file.
func (o *Outbox) zip(t *ledger.Transfer, sent []outgoing) as2.File {
	return as2.File{ContentType: "application/zip", Filename: naming.BundleName(t.Key, t.ID), Write: func(w io.Writer) error {
		members := make([]bundle.Member, len(sent))
		for i, f := range sent {
			members[i] = bundle.Member{Name: f.name, Size: f.size, Modified: time.Unix(0, f.mtime), Open: func() (io.ReadCloser, error) { return o.open(f) }}
		}
		written, err := bundle.Write(w, members)
		for i, x := range written {
			*sent[i].sum = x.SHA256
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

// attachmentTypes are those that RFC 6362 names and those of today's offices. Text has none: what is
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
