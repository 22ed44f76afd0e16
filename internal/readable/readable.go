// Package readable writes JSON as people read it: a line for each value, two spaces for each
// depth.
//
//	{
//	  "id": "01J",
//	  "members": [
//	    "INV-1001.xml"
//	  ]
//	}
//
// The bytes are those of json.MarshalIndent, in a fraction of the time: a string is copied as
// it is, where package json looks at each of its bytes, and a record that is kept of each
// document is mostly strings (certificates, receipts). It says nothing about what is in a
// record, and reads none.
package readable

import (
	"bytes"
	"encoding/json"
)

// JSON writes a value, with a line feed at its end.
func JSON(v any) ([]byte, error) {
	compact, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(Append(nil, compact), '\n'), nil
}

// Append lays out what json.Marshal wrote and appends it to b. What is no such JSON gives
// something that is none either.
func Append(b, compact []byte) []byte {
	b = append(make([]byte, 0, len(b)+len(compact)+len(compact)/4+64), b...)
	depth := 0
	for i := 0; i < len(compact); i++ {
		switch c := compact[i]; c {
		case '"':
			end := i + text(compact[i:])
			b = append(b, compact[i:end]...)
			i = end - 1
		case '{', '[':
			b = append(b, c)
			if i+1 < len(compact) && (compact[i+1] == '}' || compact[i+1] == ']') {
				i++
				b = append(b, compact[i])
				continue
			}
			depth++
			b = line(b, depth)
		case '}', ']':
			depth--
			b = append(line(b, depth), c)
		case ',':
			b = line(append(b, c), depth)
		case ':':
			b = append(b, ": "...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// line begins a line.
func line(b []byte, depth int) []byte {
	b = append(b, '\n')
	for range depth {
		b = append(b, "  "...)
	}
	return b
}

// text is how long the string is that b begins with, quotes included.
func text(b []byte) int {
	for n := 1; ; {
		quote := bytes.IndexByte(b[n:], '"')
		if quote < 0 {
			return len(b)
		}
		n += quote + 1
		escapes := 0
		for b[n-2-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return n
		}
	}
}
