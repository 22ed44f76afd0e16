package cms

import (
	"errors"
	"sync"
)

// chunkSpace is a chunk of content with room for a tag behind it.
type chunkSpace [streamBuffer + aeadTag]byte

// A small message needs a buffer of many times its size. Those that were given back are used
// again; what is in them is written over before it is read.
var spaces = sync.Pool{New: func() any { return new(chunkSpace) }}

// errClosed is for a caller that goes on where Close has ended it.
var errClosed = errors.New("cms: closed")

// lent is a buffer on loan.
type lent struct{ space *chunkSpace }

func lend() lent { return lent{spaces.Get().(*chunkSpace)} }

// giveBack may be called more than once.
func (l *lent) giveBack() {
	if l.space != nil {
		spaces.Put(l.space)
		l.space = nil
	}
}
