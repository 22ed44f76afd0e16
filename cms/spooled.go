package cms

import (
	"crypto/cipher"
	"encoding/asn1"
	"io"
)

// spooled is content that has to be there as a whole before it can be decrypted.
type spooled struct {
	make      NewSpool
	block     cipher.Block
	algorithm contentAlgorithm
	spool     Spool
	trailer   trailer
	problem   error // of the structure
}

// fill puts the content, still encrypted, into the spool and reads what is behind it, so
// that its length and its authenticated attributes are known. A malformed structure is
// remembered and shows at the end, after the same work.
func (d *Decrypted) fill() (err error) {
	s := d.spooled
	if s.spool, err = s.make(); err != nil {
		return ofSpool(err)
	}
	defer func() {
		if err != nil {
			s.close() // the first error counts
		}
	}()
	size, err := s.copy(d.content)
	if err == nil {
		s.trailer, err = d.readTrailer()
	}
	if err != nil && !malformed(err) {
		return err
	}
	s.problem = err
	r, err := rewind(s.spool, size)
	if err != nil {
		return err
	}
	d.body = newCCMReader(r, s.block, s.algorithm, size, !d.auth, s.trailer.additional)
	return nil
}

// copy is io.Copy that tells errors of the spool from those of the stream: a spool that is
// full is no fault of the message.
func (s *spooled) copy(src io.Reader) (size uint64, err error) {
	buf := make([]byte, streamBuffer)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := s.spool.Write(buf[:n]); err != nil {
				return size, ofSpool(err)
			}
			size += uint64(n)
		}
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

func (s *spooled) close() error {
	if s.spool == nil {
		return nil
	}
	err := s.spool.Close()
	s.spool = nil
	return ofSpool(err)
}

// newCCMReader decrypts content of a length, its tag included where that is appended.
func newCCMReader(src io.Reader, block cipher.Block, a contentAlgorithm, length uint64, appended bool, additional []byte) *aeadReader {
	if appended {
		length -= min(length, uint64(a.tagLen))
	}
	stream := newCCM(block, a.iv, a.tagLen, length, additional)
	return newAEADReader(src, stream, a.tagLen, appended, ccmLimit(a.iv))
}

// additionalData is what the tag covers beside the content: the attributes in DER, as a
// SET OF instead of [1] (RFC 5083, 2.2).
func additionalData(der []byte) ([]byte, error) {
	var attributes asn1.RawValue
	if err := unmarshal(der, &attributes, "authenticated attributes"); err != nil {
		return nil, err
	}
	sorted, err := sortAttributes(attributes.Bytes)
	if err != nil {
		return nil, err
	}
	return encode(header{constructed: true, tag: tagSet}, sorted), nil
}
