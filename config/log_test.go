package config

import (
	"runtime"
	"strings"
	"testing"
)

// What is wrong with where an agent logs is said with its line, before it runs.
func TestLogThatIsNonsense(t *testing.T) {
	workplace(t)
	cases := map[string]string{
		"log: {level: info}":                                `config.yaml:1: log[0].to: is missing (stderr, file, journald or eventlog)`,
		"log: {to: syslog}":                                 `config.yaml:1: log[0].to: must be one of stderr, file, journald, eventlog, is "syslog"`,
		"log: {to: file}":                                   `log[0].file: is missing (name the file)`,
		"log: {to: stderr, file: x}":                        `log[0].file: is said of what goes to stderr (set to: file, or remove it)`,
		"log: {to: stderr, level: loud}":                    `log[0].level: must be one of debug, info, warn, error, is "loud"`,
		"log: {to: stderr, format: xml}":                    `log[0].format: must be one of text, json, is "xml"`,
		"log: {to: file, file: x, rotate_size: 1KiB}":       `log[0].rotate_size: must be a size with its unit, 16384 B or more, is "1KiB"`,
		"log: {to: file, file: x, rotate_every: 1s}":        `log[0].rotate_every: must be a duration of 1m0s or more, is "1s"`,
		"log: {to: file, file: x, keep: -1}":                `log[0].keep: must be a whole number from 0 to 10000, is "-1"`,
		"log: [{to: file, file: x}, {to: file, file: ./x}]": `log[1].file: x is that of log[0] already`,
		"log: [{to: stderr}, {to: stderr}]":                 `log[1].to: stderr is that of log[0] already`,
	}
	if runtime.GOOS == "windows" {
		cases["log: {to: journald}"] = `log[0].to: Windows has no journald (use file or eventlog)`
	} else {
		cases["log: {to: eventlog}"] = `log[0].to: only Windows has an event log (use journald, file or stderr)`
	}
	for text, want := range cases {
		_, err := load(t, small(text, ""))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant  %s", text, err, want)
		}
	}
}

// A word in place of a number is a change too.
func TestLogThatChanges(t *testing.T) {
	workplace(t)
	former, err := load(t, small("log: {to: file, file: x}", ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"rotate_size: off", "rotate_every: off", "keep_for: forever", "level: info", "compress: false"} {
		c, err := load(t, small("log: {to: file, file: x, "+key+"}", ""))
		if err != nil {
			t.Fatal(err)
		}
		if changes := Diff(former, c); len(changes) != 1 || !strings.HasPrefix(changes[0].String(), "log[0]."+key[:strings.Index(key, ":")]+": was not set, is ") {
			t.Errorf("%s: %v", key, changes)
		}
	}
}
