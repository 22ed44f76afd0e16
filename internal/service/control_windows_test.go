package service

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/eventlog"
)

// What is installed is what was meant, twice in a row, and nothing is left of it.
func TestInstallAndUninstall(t *testing.T) {
	const name = "as2drop-test"
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d := Definition{Name: name, Description: "a test", Program: program, Args: []string{"run", "--config", filepath.Join(dir, "a b", "config.yaml")},
		Config: filepath.Join(dir, "a b", "config.yaml"), DataDir: filepath.Join(dir, "data"), Writable: []string{filepath.Join(dir, "later"), dir}}
	if err := os.MkdirAll(filepath.Dir(d.Config), 0o700); err != nil {
		t.Fatal(err)
	}
	source := `SYSTEM\CurrentControlSet\Services\EventLog\Application\` + name
	for range 2 {
		notes, err := Install(d)
		if err != nil {
			t.Fatal(err)
		}
		if notes[0] != `it runs as NT SERVICE\`+name {
			t.Errorf("%q", notes)
		}
		st, err := Query(t.Context(), name)
		if err != nil || st.State != "stopped" || st.Start != "automatic" || !strings.HasSuffix(st.Command, ` run --config "`+d.Config+`"`) {
			t.Errorf("%+v, %v", st, err)
		}
		m, s, err := open(name)
		if err != nil {
			t.Fatal(err)
		}
		// Wine takes the actions and does not give them back.
		actions, err := s.RecoveryActions()
		if !errors.Is(err, windows.ERROR_INVALID_LEVEL) && (err != nil || !slices.Equal(actions, recovery)) {
			t.Errorf("recovery: %v, %v", actions, err)
		}
		s.Close() // only read from, as the next
		m.Disconnect()
		settings, err := registry.OpenKey(registry.LOCAL_MACHINE, `SYSTEM\CurrentControlSet\Services\`+name, registry.QUERY_VALUE)
		if err != nil {
			t.Fatal(err)
		}
		if on, _, err := settings.GetStringsValue("DependOnService"); err != nil || !slices.Equal(on, []string{"Tcpip"}) {
			t.Errorf("depends on %q, %v", on, err)
		}
		if text, _, err := settings.GetStringValue("Description"); err != nil || text != d.Description {
			t.Errorf("description %q, %v", text, err)
		}
		settings.Close() // only read from
		k, err := registry.OpenKey(registry.LOCAL_MACHINE, source, registry.QUERY_VALUE)
		if err != nil {
			t.Fatalf("no source of events: %v", err)
		}
		types, _, err := k.GetIntegerValue("TypesSupported")
		if err != nil || types != eventlog.Error|eventlog.Warning|eventlog.Info {
			t.Errorf("types of events: %d, %v", types, err)
		}
		k.Close() // only read from
	}
	if _, err := os.Stat(d.DataDir); err != nil {
		t.Errorf("data_dir: %v", err)
	}
	if err := Uninstall(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := Query(t.Context(), name); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("after uninstall: %v", err)
	}
	if k, err := registry.OpenKey(registry.LOCAL_MACHINE, source, registry.QUERY_VALUE); err == nil {
		k.Close() // only read from
		t.Error("the source of events is left")
	}
	for what, err := range map[string]error{"start": Start(t.Context(), name), "stop": Stop(t.Context(), name), "uninstall": Uninstall(t.Context(), name)} {
		if !errors.Is(err, ErrNotInstalled) {
			t.Errorf("%s of nothing: %v", what, err)
		}
	}
}

// What the service manager refuses is told with what to do.
func TestExplained(t *testing.T) {
	err := explained("service as2drop", windows.ERROR_ACCESS_DENIED)
	if !errors.Is(err, windows.ERROR_ACCESS_DENIED) || !strings.Contains(err.Error(), "Run as administrator") {
		t.Error(err)
	}
}
