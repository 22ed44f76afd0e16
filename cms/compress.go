package cms

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/zlib"
)

// ErrDecompress is wrapped by every error about compressed content that does not
// inflate.
var ErrDecompress = errors.New("cms: the message cannot be decompressed")

// compressLevel is the lowest level of klauspost/compress that does not store base64
// text.
const compressLevel = 7

// algZlib is AlgorithmIdentifier { id-alg-zlibCompress } without parameters (RFC 3274, 2).
var algZlib = []byte{0x30, 0x0d, 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x03, 0x08}

// Compress starts a CompressedData (RFC 3274, 1.1). Close finishes the structure and
// does not close w.
func Compress(w io.Writer) (io.WriteCloser, error) {
	head := []byte{0x30, 0x80}
	head = append(head, mustMarshal(oidCompressedData)...)
	head = append(head, 0xa0, 0x80, 0x30, 0x80, 2, 1, 0)
	head = append(head, algZlib...)
	head = append(head, 0x30, 0x80)
	head = append(head, mustMarshal(oidData)...)
	head = append(head, 0xa0, 0x80, 0x24, 0x80) // [0] EXPLICIT, constructed OCTET STRING
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	c := &compressor{out: segmentWriter{w: w, ends: 6}, buf: make([]byte, 0, streamBuffer)}
	z, err := zlib.NewWriterLevel(segments{c}, compressLevel)
	if err != nil {
		return nil, err
	}
	c.z = z
	return c, nil
}

// compressor deflates into a buffer that becomes one segment whenever it is full.
type compressor struct {
	out segmentWriter
	z   *zlib.Writer
	buf []byte
}

func (c *compressor) Write(p []byte) (int, error) { return c.z.Write(p) }

func (c *compressor) Close() error {
	if err := c.z.Close(); err != nil {
		return err
	}
	if len(c.buf) > 0 {
		if err := c.out.segment(c.buf); err != nil {
			return err
		}
	}
	return c.out.end()
}

// segments is where a compressor's deflated bytes go.
type segments struct{ c *compressor }

func (s segments) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		c := s.c
		n := copy(c.buf[len(c.buf):cap(c.buf)], p)
		c.buf, p = c.buf[:len(c.buf)+n], p[n:]
		if len(c.buf) == cap(c.buf) {
			if err := c.out.segment(c.buf); err != nil {
				return 0, err
			}
			c.buf = c.buf[:0]
		}
	}
	return total, nil
}

// Decompress reads a CompressedData. An error of its Read other than io.EOF wraps
// ErrDecompress or comes from r. How much may come out is for the caller to limit.
func Decompress(r io.Reader, lim Limits) (io.Reader, error) {
	b, err := open(r, lim, oidCompressedData, "CompressedData")
	if err != nil {
		return nil, err
	}
	algorithm, err := b.der("compression algorithm")
	if err != nil {
		return nil, err
	}
	// Parameters are tolerated: the identifier decides.
	if len(algorithm) < len(algZlib) || string(algorithm[2:len(algZlib)]) != string(algZlib[2:]) {
		return nil, errors.Join(ErrDecompress, errors.New("cms: it is not compressed with zlib"))
	}
	if err := b.enter(classUniversal, tagSequence, "compressed content info"); err != nil {
		return nil, err
	}
	if _, err := b.oid("type of the compressed content"); err != nil {
		return nil, err
	}
	if err := b.enter(classContext, 0, "compressed content"); err != nil {
		return nil, err
	}
	content, err := b.octetString(classUniversal, tagOctetString, "compressed content")
	if err != nil {
		return nil, err
	}
	// The inflater takes single bytes from a buffer that we can look into afterwards.
	return &inflater{b: b, src: content, buf: bufio.NewReaderSize(content, streamBuffer)}, nil
}

type inflater struct {
	b   *ber
	src *octets
	buf *bufio.Reader // of src
	z   io.ReadCloser
	err error
}

func (i *inflater) Read(p []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	if i.z == nil {
		z, err := zlib.NewReader(i.buf)
		if err != nil {
			i.err = i.fault(err)
			return 0, i.err
		}
		i.z = z
	}
	n, err := i.z.Read(p)
	if err == io.EOF {
		err = i.end()
	} else if err != nil {
		err = i.fault(err)
	}
	i.err = err
	return n, err
}

// end makes sure that nothing follows the compressed bytes and that the structure
// around them is whole.
func (i *inflater) end() error {
	if n, err := io.Copy(io.Discard, i.buf); err != nil || n > 0 {
		return i.fault(orSyntax(err, "bytes behind the compressed content"))
	}
	if err := i.b.finish(); err != nil {
		return i.fault(err)
	}
	return io.EOF
}

// fault keeps errors of the reader below apart from content that does not inflate.
func (i *inflater) fault(err error) error {
	if i.src.err != nil && i.src.err != io.EOF && !errors.Is(i.src.err, ErrSyntax) && i.src.err != io.ErrUnexpectedEOF {
		return i.src.err
	}
	return errors.Join(ErrDecompress, err)
}
