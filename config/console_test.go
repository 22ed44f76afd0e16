package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/accounts"
)

// Beyond loopback a console needs TLS and users; which ones there are can be said before.
func TestConsoleBeyondThisMachine(t *testing.T) {
	workplace(t)
	text := small(`console: {address: "0.0.0.0:8481", certificate: keys/us.pem, key: keys/us.key}`, "")
	_, err := load(t, text)
	if err == nil || !strings.Contains(filepath.ToSlash(err.Error()), "there are no users who could sign in: var/accounts/users does not exist (make one first: as2drop user add NAME --role operator --config config.yaml)") {
		t.Fatal(err)
	}
	users, tokens, err := AccountFiles("config.yaml")
	if err != nil || filepath.ToSlash(users) != "var/accounts/users" || filepath.ToSlash(tokens) != "var/accounts/tokens" {
		t.Fatal(users, tokens, err)
	}
	if err := accounts.AddUser(users, "anna", accounts.Operator, "four words make one"); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, text)
	if err != nil || !c.Console.Beyond() || c.Console.Key == nil || c.Console.Idle != 30*time.Minute {
		t.Fatalf("%v", err)
	}
	if err := accounts.RemoveUser(users, "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, text); err == nil || !strings.Contains(filepath.ToSlash(err.Error()), "var/accounts/users has none") {
		t.Error(err)
	}
	for _, wrong := range []string{"console: {addres: x}", "console: 1", "data_dir: [1]", "- x"} {
		write(t, "config.yaml", wrong)
		if _, _, err := AccountFiles("config.yaml"); err == nil {
			t.Errorf("%q: the accounts were found", wrong)
		}
	}
}

func TestWhatIsBeyond(t *testing.T) {
	for _, c := range []struct {
		console Console
		beyond  bool
	}{
		{Console{Address: "127.0.0.1:1"}, false}, {Console{Address: "[::1]:1"}, false}, {Console{Address: "localhost:1"}, false}, {Console{Address: "127.8.9.1:1"}, false},
		{Console{Address: "127.0.0.1:1", PublicURL: "http://localhost:1"}, false}, {Console{Address: "127.0.0.1:1", PublicURL: "https://as2.example"}, true},
		{Console{Address: "127.0.0.1:1", BehindProxy: true}, true}, {Console{Address: ":1"}, true}, {Console{Address: "0.0.0.0:1"}, true}, {Console{Address: "[::]:1"}, true},
		{Console{Address: "192.0.2.1:1"}, true}, {Console{Address: "as2.example:1"}, true}, {Console{Address: "nonsense"}, true},
	} {
		if c.console.Beyond() != c.beyond {
			t.Errorf("%+v: %v", c.console, !c.beyond)
		}
	}
}
