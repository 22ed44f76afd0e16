package main

import (
	"testing"

	"github.com/as2drop/as2drop/config"
)

// A command that is suggested works as it stands: it names the config unless it is the one
// that the command would take by itself.
func TestSuggestedCommandsNameTheConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ variable, path, want string }{
		{"", "config.yaml", ""},
		{"", "other.yaml", " -c other.yaml"},
		{"other.yaml", "other.yaml", ""},
		{"other.yaml", "config.yaml", " -c config.yaml"},
	} {
		t.Setenv("AS2DROP_CONFIG", c.variable)
		if got := configArg(&config.Config{Path: c.path}); got != c.want {
			t.Errorf("%q, AS2DROP_CONFIG=%q: %q, want %q", c.path, c.variable, got, c.want)
		}
	}
}
