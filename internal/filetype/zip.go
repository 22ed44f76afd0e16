package filetype

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// ooxml reports whether the content is an Office document whose parts are in a folder.
// Where the directory was too long to be kept, the first entry decides.
func ooxml(folder string) func(*Sniffer) bool {
	return func(s *Sniffer) bool {
		names := s.names()
		if !slices.Contains(names, "[Content_Types].xml") {
			return false
		}
		seen := false
		for _, name := range names {
			for _, f := range []string{"word/", "xl/", "ppt/"} {
				if strings.HasPrefix(name, f) {
					seen = true
					if f == folder {
						return true
					}
				}
			}
		}
		return !seen && s.cutOff()
	}
}

// odf reports whether the content is an OpenDocument file of a kind. Its first entry,
// mimetype, is stored and says so (ODF 1.2, part 3, 3.3); some writers leave it out.
func odf(kind string) func(*Sniffer) bool {
	return func(s *Sniffer) bool {
		const prefix = "mimetypeapplication/vnd.oasis.opendocument."
		if len(s.head) > 30 && s.begins("PK\x03\x04") && bytes.HasPrefix(s.head[30:], []byte(prefix)) {
			return bytes.HasPrefix(s.head[30+len(prefix):], []byte(kind))
		}
		names := s.names()
		return slices.Contains(names, "META-INF/manifest.xml") && slices.Contains(names, "content.xml")
	}
}

// cutOff reports whether the directory of a zip was not kept from its beginning.
func (s *Sniffer) cutOff() bool {
	end := bytes.LastIndex(s.tail, []byte("PK\x05\x06"))
	if end < 0 || len(s.tail)-end < 22 {
		return true
	}
	return int64(binary.LittleEndian.Uint32(s.tail[end+12:])) > int64(end)
}

// Entries are the names of the files in a zip, as far as its directory was kept: those at
// its end, and the first. Empty for what is no zip, and for Office documents, whose files
// are no files to anybody.
func (s *Sniffer) Entries() []string {
	names := s.names()
	if slices.Contains(names, "[Content_Types].xml") || slices.Contains(names, "META-INF/manifest.xml") || odf("")(s) {
		return nil
	}
	if len(names) > 1 && slices.Contains(names[1:], names[0]) {
		names = names[1:] // the first one stands in the directory, too
	}
	return names
}

// names are those of the entries of a zip, as far as its directory was kept, and that of
// the first entry. At most 10,000: as many as fit into what is kept are fewer.
func (s *Sniffer) names() []string {
	if s.directory != nil || !s.begins("PK") {
		return s.directory
	}
	names := []string{}
	if s.begins("PK\x03\x04") && len(s.head) > 30 {
		n := int(binary.LittleEndian.Uint16(s.head[26:]))
		names = append(names, string(s.head[30:min(30+n, len(s.head))]))
	}
	at := s.entries()
	for at >= 0 && at+46 <= len(s.tail) && bytes.HasPrefix(s.tail[at:], []byte("PK\x01\x02")) {
		h := s.tail[at:]
		name, extra, comment := int(binary.LittleEndian.Uint16(h[28:])), int(binary.LittleEndian.Uint16(h[30:])), int(binary.LittleEndian.Uint16(h[32:]))
		names = append(names, string(h[46:min(46+name, len(h))]))
		at += 46 + name + extra + comment
	}
	s.directory = names
	return names
}

// entries is where the first entry of the directory is that was kept; -1 for none.
func (s *Sniffer) entries() int {
	end := bytes.LastIndex(s.tail, []byte("PK\x05\x06"))
	if end < 0 || len(s.tail)-end < 22 {
		return -1
	}
	if size := int64(binary.LittleEndian.Uint32(s.tail[end+12:])); size <= int64(end) {
		return end - int(size)
	}
	return bytes.Index(s.tail, []byte("PK\x01\x02"))
}
