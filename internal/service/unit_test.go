package service

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file anew")

func definition() Definition {
	return Definition{
		Name: "as2drop", Description: "as2drop, an AS2 agent that watches folders", Program: "/usr/local/bin/as2drop",
		Args: []string{"run", "--config", "/etc/as2drop/config.yaml"}, Config: "/etc/as2drop/config.yaml", DataDir: "/var/lib/as2drop",
		Writable: []string{"/var/lib/as2drop/partners/acme", "/srv/edi/beta", "/srv/edi/alpha"}, Secrets: []string{"/etc/as2drop/keys/as2.key"},
		Grace: 20 * time.Second,
	}
}

func TestUnit(t *testing.T) {
	file := filepath.Join("testdata", "as2drop.service")
	got := Unit(definition())
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("%s differs (go test ./internal/service -update):\n%s", file, got)
	}
}

func has(t *testing.T, unit string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+unit, "\n"+line+"\n") {
			t.Errorf("no line %s in\n%s", line, unit)
		}
	}
}

// What a site does otherwise changes what it must allow, and nothing else.
func TestUnitOfOtherSites(t *testing.T) {
	d := definition()
	has(t, Unit(d), "RestrictSUIDSGID=yes")
	d.LowPorts, d.Account, d.SetGID = true, "edi", true
	has(t, Unit(d), "RestrictSUIDSGID=no")
	has(t, Unit(d), "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "AmbientCapabilities=CAP_NET_BIND_SERVICE", "User=edi", "ProtectHome=yes", "PrivateTmp=yes")
	d.Programs = []string{"/home/edi/bin/hook"}
	has(t, Unit(d), "MemoryDenyWriteExecute=no", "ProtectHome=read-only")
	d = definition()
	has(t, Unit(d), "MemoryDenyWriteExecute=yes")
	d.DataDir = "/srv/as2 data/100%"
	has(t, Unit(d), `ReadWritePaths="/srv/as2 data/100%%"`, `RequiresMountsFor="/srv/as2 data/100%%"`, "ReadWritePaths=-/var/lib/as2drop/partners/acme")
	d.Writable = []string{"/home/edi/acme"}
	has(t, Unit(d), "ProtectHome=read-only", "ReadWritePaths=-/home/edi/acme")
	d.DataDir = "/tmp/try"
	has(t, Unit(d), "PrivateTmp=no")
	d.Args = []string{"run", "--config", `/etc/a "b"/$x`}
	d.Description = "two\nExecStart=/bin/evil"
	has(t, Unit(d), `ExecStart=/usr/local/bin/as2drop run --config "/etc/a \"b\"/$$x"`, "Description=two ExecStart=/bin/evil")
}
