// Package page puts measured tables into a page of the documentation.
//
// A table stands between two comments that name the command that makes it, so that who
// reads the source of the page knows what to type:
//
//	<!-- make bench: idle -->
//	...
//	<!-- make bench: end of idle -->
//
// Nothing else of the page changes, and a page without the comments is an error. The
// program never imports it.
package page

import (
	"fmt"
	"os"
	"strings"
)

// Write puts a table between its markers in a file.
func Write(file, command, name, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	next, err := Replace(string(text), command, name, table)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(next), 0o644)
}

// Replace puts a table between its markers in a text.
func Replace(text, command, name, table string) (string, error) {
	open, end := Marker(command, name), Marker(command, "end of "+name)
	before, rest, ok := strings.Cut(text, open)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("no table between %q and %q", open, end)
	}
	return before + open + "\n\n" + table + "\n" + end + after, nil
}

// Marker is the comment in front of a table; that behind it has "end of " and the name.
func Marker(command, name string) string { return "<!-- make " + command + ": " + name + " -->" }
