package pipeline

import (
	"fmt"
	"runtime/debug"
)

// Panic is a panic of somebody who was at work beside the caller: its text, and where it was.
type Panic string

func (p Panic) Error() string { return "panic: " + string(p) }

// Guarded calls f in a goroutine that nobody else looks after: a panic there would end the
// program. It is returned as a Panic.
func Guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Panic(fmt.Sprintf("%v\n\n%s", v, debug.Stack()))
		}
	}()
	return f()
}

// Again panics if err is a Panic: in the caller, who knows what to do about it.
func Again(err error) {
	if p, ok := err.(Panic); ok {
		panic(string(p))
	}
}
