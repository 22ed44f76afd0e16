package as2

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// File is one file that is sent.
type File struct {
	ContentType string
	Filename    string                // empty = not sent
	Write       func(io.Writer) error // is called once; its error is returned as it is
}

// SealedFile is a file of a sealed message, as the partner sees it.
type SealedFile struct {
	ContentType string `json:"content_type"`
	Filename    string `json:"filename,omitempty"`
	Size        int64  `json:"size"`             // bytes
	SHA256      string `json:"sha256,omitempty"` // in hex, where whoever sealed it has set it
}

// content is the entity inside of all layers, and its files as they come out of it.
func (o *SealOptions) content(files []File) (entity, []SealedFile, error) {
	if len(files) == 0 {
		return entity{}, nil, fmt.Errorf("as2: there is no file to send")
	}
	encoded := o.base64(len(files))
	sealed := make([]SealedFile, len(files))
	parts := make([]entity, len(files))
	for i, f := range files {
		sealed[i] = SealedFile{ContentType: f.ContentType}
		if !o.Quirks.NoFilename {
			sealed[i].Filename = f.Filename
		}
		parts[i] = entity{o.fileHeader(f, encoded), measured(f.Write, &sealed[i].Size)}
		if encoded {
			parts[i].write = inBase64(parts[i].write)
		}
		if err := checkFields(parts[i].header); err != nil {
			return entity{}, nil, err
		}
	}
	if len(files) == 1 {
		return parts[0], sealed, nil
	}
	e, err := o.related(parts)
	return e, sealed, err
}

// measured counts what is written.
func measured(write func(io.Writer) error, n *int64) func(io.Writer) error {
	return func(w io.Writer) error { return write(&counter{w, n}) }
}

type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

// base64 reports whether the files are encoded. A single one without a layer stands in
// the HTTP body, which has no transfer encoding (RFC 4130, 5.2.1); the parts of a
// multipart have one of their own (RFC 2046, 5.1).
func (o *SealOptions) base64(files int) bool {
	return o.Quirks.PayloadBase64 && (o.wrapped() || files > 1)
}

func (o *SealOptions) fileHeader(f File, encoded bool) []Field {
	encoding := "binary"
	if encoded {
		encoding = "base64"
	}
	h := []Field{{"Content-Type", f.ContentType}, {"Content-Transfer-Encoding", encoding}}
	if f.Filename != "" && !o.Quirks.NoFilename {
		h = append(h, Field{"Content-Disposition", disposition(f.Filename, o.Quirks.UnquotedFilename)})
	}
	return h
}

// related makes one multipart/related of several parts. The type of the root is
// required, and start says which one it is (RFC 2387, 3.1 and 3.2), although it comes
// first, where readers that do not know start look for it. No transfer encoding is
// stated, as for multipart/signed: in AS2 that means binary (RFC 4130, 5.2.1).
//
// No part can have a line with the boundary: it is 128 random bits that are drawn when
// the message is sealed, so that no file was made with them in mind, and a file has
// them by chance once in 2^128 lines. A message of ours that is sent as a file has
// other ones, and so has the multipart/signed around this.
func (o *SealOptions) related(parts []entity) (entity, error) {
	boundary, err := newBoundary(o.Rand)
	if err != nil {
		return entity{}, err
	}
	var b [16]byte
	if _, err := io.ReadFull(o.Rand, b[:]); err != nil {
		return entity{}, fmt.Errorf("as2: random bytes: %w", err)
	}
	id := func(i int) string { return fmt.Sprintf("<%d.%s@as2drop>", i+1, hex.EncodeToString(b[:])) } // unique in the world (RFC 2045, 7)
	root, _ := mediaType(Get(parts[0].header, "Content-Type"))
	for i := range parts {
		parts[i].header = slices.Insert(parts[i].header, 1, Field{"Content-ID", id(i)})
	}
	header := []Field{
		{"Content-Type", `multipart/related; type="` + quoting.Replace(root) + `"; start="` + id(0) + `"; boundary="` + boundary + `"`},
	}
	return entity{header, func(w io.Writer) error {
		line := "--" + boundary + "\r\n"
		for _, p := range parts {
			if _, err := io.WriteString(w, line); err != nil {
				return err
			}
			if err := p.writeAll(w); err != nil {
				return err
			}
			line = "\r\n--" + boundary + "\r\n" // the line break before it is the boundary's
		}
		_, err := io.WriteString(w, "\r\n--"+boundary+"--\r\n")
		return err
	}}, nil
}
