//go:build judges

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/as2drop/as2drop/internal/manual"
)

// shellIn runs a line of a shell in a folder with a config that has two partners, where as2drop is
// the program of this test.
func shellIn(t *testing.T, dir string, shell ...string) string {
	t.Helper()
	cmd := exec.Command(shell[0], shell[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Minute
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=dumb", "AS2DROP_CONFIG=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell[0], err, out)
	}
	return string(out)
}

func folderWithPartners(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("partners:\n  acme: {}\n  beta: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestJudgeBash(t *testing.T) {
	got := shellIn(t, folderWithPartners(t), "bash", "--norc", "-c", `source <(as2drop completion bash)
tab() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _as2drop; echo "${COMPREPLY[*]}"; }
tab as2drop sta
tab as2drop status ''
tab as2drop cert export --to = p1
tab as2drop check -c con
tab as2drop completion fi
complete -p as2drop`)
	const want = "status\nacme beta\np12\nconfig.yaml\nfish\ncomplete -F _as2drop as2drop\n"
	if got != want {
		t.Errorf("bash offers:\n%swant:\n%s", got, want)
	}
}

func TestJudgeFish(t *testing.T) {
	got := shellIn(t, folderWithPartners(t), "fish", "--no-config", "-c", `as2drop completion fish | source
complete -C 'as2drop status '
complete -C 'as2drop cert export --to=p1'
complete -C 'as2drop check -c con'`)
	const want = "acme\tpartner\nbeta\tpartner\n--to=p12\nconfig.yaml\n"
	if got != want {
		t.Errorf("fish offers:\n%swant:\n%s", got, want)
	}
}

// zsh completes only for somebody who types: zpty is a terminal.
func TestJudgeZsh(t *testing.T) {
	const line = `zmodload zsh/zpty
zpty typist zsh -f -i
zpty -w typist 'PS1="> "; autoload -Uz compinit; compinit -D -u; source <(as2drop completion zsh); echo REA""DY'
zpty -r -m typist out '*READY*'
zpty -w -n typist $'as2drop status be\t'
zpty -r -m typist out '*beta*'
echo found
zpty -d typist`
	if got := shellIn(t, folderWithPartners(t), "timeout", "120", "zsh", "-f", "-c", line); !strings.Contains(got, "found") {
		t.Errorf("zsh:\n%s", got)
	}
}

// mandoc finds nothing to warn of in any page.
func TestJudgeMandoc(t *testing.T) {
	dir := t.TempDir()
	pages := manPages(newParser(&cli{}, &globals{out: io.Discard, err: io.Discard}, "config.yaml", func(int) {}).Model, manual.Edition{Date: "2026-11-26", Version: version})
	if len(pages) < 30 {
		t.Errorf("%d pages", len(pages))
	}
	for name, text := range pages {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mandoc", "-Tlint", "-Wwarning", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
