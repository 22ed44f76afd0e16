//go:build !windows

package hooks

import (
	"os/exec"
	"syscall"
)

// inheritedNames are the variables that programs get from the agent's environment.
var inheritedNames = []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"}

// tree is a program with everything that it starts: a process group.
type tree int

// start starts a program as the head of a process group of its own.
func start(cmd *exec.Cmd) (tree, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return tree(cmd.Process.Pid), nil
}

func (t tree) kill() {
	_ = syscall.Kill(-int(t), syscall.SIGKILL) // there is nobody left, or nothing that can be done
}

func (t tree) end() { t.kill() }
