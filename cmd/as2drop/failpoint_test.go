//go:build failpoints

package main

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The agent is killed at every named place, and started again: each story ends the
// same.
func TestFailpoints(t *testing.T) {
	keys := keyDir(t)
	for dir, points := range map[string][]string{
		"failpoints": {"after claim intent", "after claim moves", "after seal", "after attempt", "after post", "after verdict", "before filed",
			"after stage", "after received", "after first file", "before published", "before answer"},
		"failpoints_hooks":  {"after before_send", "after seal", "after filed", "after published", "after hook intent", "after hook"},
		"failpoints_alarms": {"after alarm intent", "after alarm"},
		"failpoints_later":  {"after stage", "after stored", "after received", "before published", "after receipt attempt", "after receipt post"},
	} {
		for _, point := range points {
			t.Run(dir+"/"+strings.ReplaceAll(point, " ", "-"), func(t *testing.T) {
				testscript.Run(t, params(keys, dir, "POINT="+point))
			})
		}
	}
}

// The same with receipts on connections of their own.
func TestFailpointsOfAsynchronousReceipts(t *testing.T) {
	keys := keyDir(t)
	for _, point := range []string{
		"after attempt", "after post", "after stage", "after stored", "after received", "after first file", "before published",
		"after receipt attempt", "after receipt post", "after verdict", "before filed",
	} {
		t.Run(strings.ReplaceAll(point, " ", "-"), func(t *testing.T) {
			testscript.Run(t, params(keys, "failpoints_async", "POINT="+point))
		})
	}
}
