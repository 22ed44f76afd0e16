package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// unitDir is where an administrator's units are.
const unitDir = "/etc/systemd/system"

// madeBy begins every unit of ours.
const madeBy = "# Made by as2drop"

func unitFile(root, name string) string { return filepath.Join(root, unitDir, name+".service") }

// Install writes the unit, or brings it up to date, and has it started with the machine.
// It returns what an administrator should know.
func Install(d Definition) (notes []string, err error) { return install("/", d) }

func install(root string, d Definition) (notes []string, err error) {
	file := unitFile(root, d.Name)
	former, err := os.ReadFile(file)
	if err == nil && !bytes.HasPrefix(former, []byte(madeBy)) {
		return nil, fmt.Errorf("%s was not made by as2drop and is left as it is; give the service another name with --name, or see what it would be with: as2drop service unit", file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	account := cmp.Or(d.Account, d.Name)
	u, err := user.Lookup(account)
	if err != nil {
		return nil, fmt.Errorf("there is no user %s to run as; make it with: useradd --system --home-dir %s --shell /usr/sbin/nologin %s", account, d.DataDir, account)
	}
	if err := os.WriteFile(file, []byte(Unit(d)), 0o644); err != nil {
		return nil, explained(err)
	}
	if err := systemctl(context.Background(), "daemon-reload"); err != nil {
		return nil, err
	}
	if err := systemctl(context.Background(), "enable", d.Name); err != nil {
		return nil, err
	}
	return append([]string{"it runs as " + account + ", by " + file}, doubts(d, u)...), nil
}

// doubts are what the account could not do, as far as modes tell.
func doubts(d Definition, u *user.User) (notes []string) {
	id := identity(u)
	for _, path := range append(append([]string{d.Config}, d.Secrets...), d.Readable...) {
		if !id.may(path, 0o4) {
			notes = append(notes, fmt.Sprintf("%s cannot read %s: chown %s it, or give its group the right", u.Username, path, u.Username))
		}
	}
	for _, path := range append([]string{d.DataDir}, d.Writable...) {
		if !id.may(path, 0o3) {
			notes = append(notes, fmt.Sprintf("%s cannot write %s: chown -R %s it", u.Username, path, u.Username))
		}
	}
	return notes
}

// who is a user with its groups.
type who struct {
	uid    uint32
	groups map[uint32]bool
}

func identity(u *user.User) who {
	w := who{groups: map[uint32]bool{}}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) // Linux has numbers
	w.uid = uint32(uid)
	ids, err := u.GroupIds()
	if err != nil {
		ids = []string{u.Gid}
	}
	for _, id := range ids {
		gid, _ := strconv.ParseUint(id, 10, 32) // as above
		w.groups[uint32(gid)] = true
	}
	return w
}

// may reports whether modes allow something, and the way to it. What is not there is for
// the agent to make.
func (w who) may(path string, want uint32) bool {
	for up := path; ; up = filepath.Dir(up) {
		info, err := os.Stat(up)
		if errors.Is(err, fs.ErrNotExist) {
			return true
		}
		if err != nil || !w.allowed(info, want) {
			return false
		}
		if up == filepath.Dir(up) {
			return true
		}
		want = 0o1 // pass through
	}
}

// Uninstall ends the service and removes its unit. Files stay.
func Uninstall(ctx context.Context, name string) error { return uninstall(ctx, "/", name) }

func uninstall(ctx context.Context, root, name string) error {
	file := unitFile(root, name)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("service %s: %w: %s is not there", name, ErrNotInstalled, file)
	}
	if err != nil {
		return explained(err)
	}
	if !bytes.HasPrefix(text, []byte(madeBy)) {
		return fmt.Errorf("%s was not made by as2drop and is left as it is", file)
	}
	if err := systemctl(ctx, "disable", "--now", name); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil {
		return explained(err)
	}
	return systemctl(ctx, "daemon-reload")
}

// Start starts the service; it returns when the agent has said that it works.
func Start(ctx context.Context, name string) error { return systemctl(ctx, "start", name) }

// Stop ends the service and waits until it has finished what was under way.
func Stop(ctx context.Context, name string) error { return systemctl(ctx, "stop", name) }

// Query asks how the service is.
func Query(ctx context.Context, name string) (Status, error) {
	out, err := run(ctx, "show", name, "--property=LoadState,ActiveState,SubState,StatusText,MainPID,User,UnitFileState,ExecMainStatus,Result,FragmentPath")
	if err != nil {
		return Status{}, err
	}
	v := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		v[key] = value
	}
	if v["LoadState"] == "not-found" {
		return Status{}, fmt.Errorf("service %s: %w; as2drop service install makes it", name, ErrNotInstalled)
	}
	st := Status{Text: v["StatusText"], Account: v["User"], Command: v["FragmentPath"], Start: v["UnitFileState"]}
	st.PID, _ = strconv.Atoi(v["MainPID"]) // 0 = none
	switch v["ActiveState"] {
	case "active":
		st.State = "running"
	case "activating":
		st.State = "starting"
	case "deactivating":
		st.State = "stopping"
	case "reloading":
		st.State = "running"
	case "failed":
		st.State = "failed"
		st.Text = fmt.Sprintf("%s, exit code %s; journalctl -u %s tells why", v["Result"], v["ExecMainStatus"], name)
	default:
		st.State = "stopped"
	}
	return st, nil
}

func systemctl(ctx context.Context, args ...string) error {
	_, err := run(ctx, args...)
	return err
}

func run(ctx context.Context, args ...string) (string, error) {
	var out, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", ErrUnsupported
	case err != nil:
		return "", fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}

func explained(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; use sudo", err)
	}
	return err
}
