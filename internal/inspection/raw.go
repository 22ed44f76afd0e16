package inspection

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
)

// maxHeader bounds the header of a captured message, in bytes.
const maxHeader = 1 << 20

// Raw is a captured request or answer.
type Raw struct {
	Start  string // the request or status line; empty = none was captured
	Header http.Header
	Body   io.Reader
}

// Read splits a capture. The header is what stands before the first empty line of
// header, with or without a request or status line; the body is what follows it, or
// body where that is not nil, which then is all there is of it.
func Read(header, body io.Reader) (*Raw, error) {
	r := bufio.NewReaderSize(header, 64<<10)
	block, err := headerBlock(r)
	if err != nil {
		return nil, err
	}
	raw := &Raw{Body: r}
	if first, rest, _ := bytes.Cut(block, []byte("\n")); isStart(first) {
		raw.Start, block = strings.TrimSpace(string(first)), rest
	}
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(block, "\r\n\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("it does not begin with an HTTP header, as a capture does: %w", err)
	}
	if len(h) == 0 {
		return nil, errors.New("it does not begin with a header; give the HTTP header and the body, in one file or in two")
	}
	raw.Header = http.Header(h)
	switch {
	case body != nil:
		raw.Body = body
	case strings.EqualFold(raw.Header.Get("Transfer-Encoding"), "chunked"):
		raw.Body, err = dechunked(r)
	}
	return raw, err
}

// headerBlock takes everything up to the first empty line, or to the end.
func headerBlock(r *bufio.Reader) ([]byte, error) {
	var block []byte
	for {
		line, err := r.ReadSlice('\n')
		if len(block)+len(line) > maxHeader {
			return nil, fmt.Errorf("no empty line within %d bytes: it does not begin with a header", maxHeader)
		}
		empty := len(bytes.TrimRight(line, "\r\n")) == 0
		if !empty {
			block = append(block, line...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF, empty && err == nil:
			return block, nil
		case err != nil:
			return nil, err
		}
	}
}

// isStart reports whether a line is the first one of a request or an answer.
func isStart(line []byte) bool {
	s := string(line)
	return strings.HasPrefix(s, "HTTP/") || strings.Contains(s, " HTTP/1.") && !strings.Contains(strings.SplitN(s, " ", 2)[0], ":")
}

// dechunked undoes the chunks of a body that was captured on the wire. Captures that
// kept the header and had the chunks undone already are taken as they are.
func dechunked(r *bufio.Reader) (io.Reader, error) {
	start, err := r.Peek(18)
	if err != nil && err != io.EOF {
		return nil, err
	}
	size, _, ok := bytes.Cut(start, []byte("\n"))
	size = bytes.TrimRight(size, "\r")
	extension := bytes.TrimLeft(size, "0123456789abcdefABCDEF")
	if !ok || len(extension) == len(size) || len(extension) > 0 && extension[0] != ';' && extension[0] != ' ' {
		return r, nil
	}
	request := io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), r)
	answer, err := http.ReadResponse(bufio.NewReader(request), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
