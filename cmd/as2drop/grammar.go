package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// Most commands are over sooner than the grammar of all of them is put together, and before
// their garbage matters: what they would spend on either is saved.

// grammarOf is the part of the command line that a call is about, to be read into: its command
// alone if it begins with the name of one, and otherwise everything.
func grammarOf(args []string) any {
	if len(args) > 0 {
		all := reflect.TypeFor[cli]()
		for i := range all.NumField() {
			if f := all.Field(i); strings.ToLower(f.Name) == args[0] && !wantsAll(f.Type) {
				return reflect.New(reflect.StructOf([]reflect.StructField{f})).Interface()
			}
		}
	}
	return &cli{}
}

// wantsAll reports whether a command is about the others.
func wantsAll(command reflect.Type) bool {
	run, ok := reflect.PointerTo(command).MethodByName("Run")
	for i := 0; ok && i < run.Type.NumIn(); i++ {
		if run.Type.In(i) == reflect.TypeFor[*kong.Kong]() {
			return true
		}
	}
	return false
}

// firstGarbage is how much may gather before it is collected for the first time, in percent of
// the 4 MiB that the runtime begins with.
const firstGarbage = 800

// collectLate has garbage collected as usual from the first time on that there is much of it,
// unless whoever started the program has said how.
func collectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstGarbage)
	sentinel := new([64]byte) // the first collection finds that nobody needs it
	runtime.AddCleanup(sentinel, func(percent int) { debug.SetGCPercent(percent) }, 100)
}
