package main

import (
	"testing"

	"github.com/as2drop/as2drop/config"
)

// A company whose name has the letters of "test" in it is not for tests.
func TestForTests(t *testing.T) {
	for name, want := range map[string]bool{
		"test": true, "ACME-TEST": true, "TEST_ACME": true, "acme.test2": true, "testing": true, "Acme Test": true,
		"acme": false, "contest": false, "LATEST-FASHION": false, "attest.inc": false, "Testa": false, "ACMETEST": false,
	} {
		us := &config.Station{AS2ID: "US"}
		for i, p := range []*config.Partner{{Name: name, Station: us}, {AS2ID: name, Station: us}, {StationName: name, Station: us}, {Station: &config.Station{AS2ID: name}}} {
			if forTests(p) != want {
				t.Errorf("%q in place %d: %v", name, i, !want)
			}
		}
	}
}
