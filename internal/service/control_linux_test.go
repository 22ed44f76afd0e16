package service

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// fakeSystemctl puts a program of the name first in PATH that notes how it was called and
// answers with a text. There is no systemd where tests run.
func fakeSystemctl(t *testing.T, answer string, exit int) (calls func() string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$@\" >>" + log + "\ncat <<'END'\n" + answer + "\nEND\nexit " + string(rune('0'+exit)) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		b, _ := os.ReadFile(log) // not there = never called
		return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "; ")
	}
}

func me(t *testing.T) *user.User {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestInstallAndUninstall(t *testing.T) {
	calls := fakeSystemctl(t, "", 0)
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, unitDir), 0o755); err != nil {
		t.Fatal(err)
	}
	d := definition()
	if _, err := install(root, d); err == nil || !strings.Contains(err.Error(), "useradd --system") {
		t.Errorf("without its user: %v", err)
	}
	if calls() != "" {
		t.Errorf("called %s", calls())
	}
	d.Account = me(t).Username
	notes, err := install(root, d)
	if err != nil {
		t.Fatal(err)
	}
	file := unitFile(root, "as2drop")
	if !strings.Contains(notes[0], "it runs as "+d.Account) || calls() != "daemon-reload; enable as2drop" {
		t.Errorf("%q, called %s", notes, calls())
	}
	if b, err := os.ReadFile(file); string(b) != Unit(d) {
		t.Errorf("%v\n%s", err, b)
	}
	d.LowPorts = true // again, with another config
	if _, err := install(root, d); err != nil {
		t.Errorf("again: %v", err)
	}
	if b, _ := os.ReadFile(file); !strings.Contains(string(b), "CAP_NET_BIND_SERVICE") {
		t.Error("it was not brought up to date")
	}
	if err := uninstall(context.Background(), root, "as2drop"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil || !strings.HasSuffix(calls(), "disable --now as2drop; daemon-reload") {
		t.Errorf("the unit is still there, or %s", calls())
	}
	if err := uninstall(context.Background(), root, "as2drop"); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("twice: %v", err)
	}
	// What somebody else wrote is left alone.
	if err := os.WriteFile(file, []byte("[Unit]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"install": func() error { _, err := install(root, d); return err }(), "uninstall": uninstall(context.Background(), root, "as2drop")} {
		if err == nil || !strings.Contains(err.Error(), "was not made by as2drop") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestQuery(t *testing.T) {
	for answer, want := range map[string]Status{
		"LoadState=loaded\nActiveState=active\nStatusText=as2drop runs; 3 partners\nMainPID=42\nUser=edi\nUnitFileState=enabled\nFragmentPath=/x": {State: "running", Text: "as2drop runs; 3 partners", PID: 42, Account: "edi", Start: "enabled", Command: "/x"},
		"LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=2\nMainPID=0":                                                     {State: "failed", Text: "exit-code, exit code 2; journalctl -u as2drop tells why"},
		"LoadState=loaded\nActiveState=inactive":     {State: "stopped"},
		"LoadState=loaded\nActiveState=deactivating": {State: "stopping"},
	} {
		fakeSystemctl(t, answer, 0)
		if got, err := Query(context.Background(), "as2drop"); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	fakeSystemctl(t, "LoadState=not-found\nActiveState=inactive", 0)
	if _, err := Query(context.Background(), "as2drop"); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
	fakeSystemctl(t, "", 1)
	if err := Start(context.Background(), "as2drop"); err == nil || !strings.Contains(err.Error(), "systemctl start as2drop") {
		t.Errorf("refused: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := Stop(context.Background(), "as2drop"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("no systemd: %v", err)
	}
}

// An account that cannot read a key or write a folder is told so before its first start.
func TestDoubts(t *testing.T) {
	dir := t.TempDir()
	d := definition()
	d.Config, d.DataDir = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "data")
	d.Secrets, d.Writable = []string{filepath.Join(dir, "key")}, []string{filepath.Join(dir, "later")}
	for _, file := range []string{d.Config, d.Secrets[0]} {
		if err := os.WriteFile(file, nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(d.DataDir, 0o750); err != nil {
		t.Fatal(err)
	}
	for up := dir; up != "/"; up = filepath.Dir(up) {
		if strings.HasPrefix(up, os.TempDir()+"/") {
			if err := os.Chmod(up, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	stranger := &user.User{Uid: "4294967000", Gid: "4294967000", Username: "edi"}
	notes := strings.Join(doubts(d, stranger), "\n")
	for _, want := range []string{"edi cannot read " + d.Config, "edi cannot read " + d.Secrets[0], "edi cannot write " + d.DataDir} {
		if !strings.Contains(notes, want) {
			t.Errorf("no word of: %s\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "later") {
		t.Errorf("what is not there yet is no doubt: %s", notes)
	}
	if notes := doubts(d, me(t)); len(notes) > 0 {
		t.Errorf("the owner: %q", notes)
	}
	id := who{uid: 4294967000, groups: map[uint32]bool{uint32(os.Getgid()): true}}
	if !id.may(d.Config, 0o4) || id.may(d.Config, 0o2) {
		t.Error("the group may read and not write")
	}
}
