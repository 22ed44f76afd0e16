//go:build judges

package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// analyze asks systemd what it makes of units; it needs none that runs.
func analyze(t *testing.T, unit string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "as2drop.service")
	if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", append(args, file)...).CombinedOutput()
	return string(out), err
}

// systemd understands every line of the unit, whatever the site, and finds little that the
// agent may do without need: 1.6 of 10, where a service without such lines has 9.6.
func TestJudgeSystemdReadsTheUnit(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	plain := definition()
	plain.Program = program
	odd := plain
	odd.DataDir, odd.Writable = "/srv/as2 data/100%", []string{`/home/edi/a "b"/c`, "/srv/x;y"}
	odd.Args, odd.LowPorts = []string{"run", "--config", `/etc/as2 drop/$x "y".yaml`}, true
	for name, d := range map[string]Definition{"plain": plain, "odd": odd} {
		unit := Unit(d)
		if out, err := analyze(t, unit, "verify", "--man=no"); err != nil || strings.Contains(out, "as2drop.service") {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, unit)
		}
		// A low port and folders below /home cost half a point.
		if out, err := analyze(t, unit, "security", "--offline=true", "--threshold=22", "--no-pager"); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	// The judge notices what it must.
	wrong := strings.Replace(Unit(plain), "Restart=on-failure", "Restart=on-fail", 1)
	if out, err := analyze(t, wrong, "verify", "--man=no"); err == nil && !strings.Contains(out, "on-fail") {
		t.Error("systemd-analyze finds nothing wrong with Restart=on-fail")
	}
	bare := strings.Replace(Unit(plain), "ProtectSystem=strict\n", "", 1)
	bare = strings.Replace(bare, "SystemCallFilter=@system-service\n", "", 1)
	if out, err := analyze(t, bare, "security", "--offline=true", "--threshold=22", "--no-pager"); err == nil {
		t.Errorf("without its filter the unit is as safe:\n%s", out)
	}
}
