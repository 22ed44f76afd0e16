package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"github.com/as2drop/as2drop/internal/access"
)

// recovery is what the service manager does when the agent ends by itself: the last one
// again and again. A day without failure begins from the first.
var recovery = []mgr.RecoveryAction{
	{Type: mgr.ServiceRestart, Delay: 5 * time.Second},
	{Type: mgr.ServiceRestart, Delay: 30 * time.Second},
	{Type: mgr.ServiceRestart, Delay: 5 * time.Minute},
}

const recoveryReset = 24 * 60 * 60 // seconds

// virtualAccount is the account that Windows makes for a service by itself. It has no
// password and no rights but those it is given.
func virtualAccount(name string) string { return `NT SERVICE\` + name }

// Install makes the service, or brings one that is there up to date, and gives its account
// what it needs. It returns what an administrator should know.
func Install(d Definition) (notes []string, err error) {
	m, err := connect()
	if err != nil {
		return nil, err
	}
	defer m.Disconnect() // nothing hangs on it
	account := cmp.Or(d.Account, virtualAccount(d.Name))
	c := mgr.Config{
		ServiceType: windows.SERVICE_WIN32_OWN_PROCESS, StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal,
		DisplayName: d.Name + " (AS2 agent)", Dependencies: []string{"Tcpip"}, ServiceStartName: account, Password: d.Password,
	}
	s, err := m.OpenService(d.Name)
	made := errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST)
	switch {
	case made:
		s, err = m.CreateService(d.Name, d.Program, c, d.Args...)
	case err == nil:
		err = changeConfig(s, c, windows.ComposeCommandLine(append([]string{d.Program}, d.Args...)))
	}
	if err != nil {
		return nil, explained("service "+d.Name, err)
	}
	defer s.Close() // nothing hangs on it
	notes, err = furnish(d, s)
	if err == nil {
		err = giveAccess(d)
	}
	if err != nil && made { // half a service is of no use
		err = errors.Join(err, s.Delete())
	}
	if err != nil {
		return nil, err
	}
	return append([]string{"it runs as " + account}, notes...), nil
}

// furnish sets what a service can do without. What this Windows does not know is noted.
func furnish(d Definition, s *mgr.Service) (notes []string, err error) {
	for _, o := range []struct {
		what string
		set  func() error
	}{
		{"recovery: it is not started again when it fails", func() error { return s.SetRecoveryActions(recovery, recoveryReset) }},
		{"recovery after an error: it is started again after a crash only", func() error { return s.SetRecoveryActionsOnNonCrashFailures(true) }},
		{"description", func() error { return setDescription(s, d.Description) }},
		{"delayed start: it is started with the others", func() error { return setDelayed(s) }},
		{"time to end in when the machine shuts down: it has 10 seconds", func() error { return setPreshutdown(s, d.Grace+stopMargin) }},
		{"identifier of the service in its token: give its account access by name", func() error { return setSID(s) }},
	} {
		err := o.set()
		if errors.Is(err, windows.ERROR_INVALID_LEVEL) || errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED) {
			notes = append(notes, "this Windows has no "+o.what)
		} else if err != nil {
			return nil, explained("service "+d.Name+": "+o.what, err)
		}
	}
	_ = eventlog.Remove(d.Name) // what an earlier install left
	if err := eventlog.InstallAsEventCreate(d.Name, eventlog.Info|eventlog.Warning|eventlog.Error); err != nil {
		return nil, explained("event log: source "+d.Name, err)
	}
	return notes, nil
}

func setDescription(s *mgr.Service, text string) error {
	p, err := windows.UTF16PtrFromString(text)
	if err != nil {
		return err
	}
	return changeConfig2(s, windows.SERVICE_CONFIG_DESCRIPTION, &windows.SERVICE_DESCRIPTION{Description: p})
}

func setDelayed(s *mgr.Service) error {
	return changeConfig2(s, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1})
}

// setPreshutdown sets how long Windows waits for the end of the service before it ends the
// others.
func setPreshutdown(s *mgr.Service, limit time.Duration) error {
	ms := uint32(limit.Milliseconds())
	return changeConfig2(s, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, &ms)
}

// setSID puts the identifier of the service into its token, so that rights that were given
// to it count whatever account it runs as.
func setSID(s *mgr.Service) error {
	sidType := uint32(windows.SERVICE_SID_TYPE_UNRESTRICTED)
	return changeConfig2(s, windows.SERVICE_CONFIG_SERVICE_SID_INFO, &sidType)
}

// giveAccess gives the service what it needs of files and folders: data_dir and secrets
// are its own, the folders of partners it may change, the config it reads.
func giveAccess(d Definition) error {
	sid := SID(d.Name)
	if err := access.MkdirAll(d.DataDir); err != nil {
		return err
	}
	var errs []error
	for _, path := range append([]string{d.DataDir}, d.Secrets...) {
		errs = append(errs, access.Private(path, sid))
	}
	for _, path := range d.Writable {
		errs = append(errs, ifThere(access.Grant(path, sid, access.Change)))
	}
	for _, path := range append([]string{filepath.Dir(d.Config), d.Program}, d.Readable...) {
		errs = append(errs, ifThere(access.Grant(path, sid, access.Read)))
	}
	return errors.Join(errs...)
}

// ifThere forgives what is not there: a share may come later.
func ifThere(err error) error {
	if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) || errors.Is(err, windows.ERROR_BAD_NETPATH) || errors.Is(err, windows.ERROR_BAD_NET_NAME) {
		return nil
	}
	return err
}

// Uninstall ends the service and removes it. Files and rights stay.
func Uninstall(ctx context.Context, name string) error {
	m, s, err := open(name)
	if err != nil {
		return err
	}
	defer m.Disconnect() // nothing hangs on either
	defer s.Close()
	if err := stop(ctx, s); err != nil {
		return err
	}
	if err := s.Delete(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
		return explained("service "+name, err)
	}
	_ = eventlog.Remove(name) // who has removed it by hand has done our work
	return nil
}

// Start starts the service and waits until it runs.
func Start(ctx context.Context, name string) error {
	m, s, err := open(name)
	if err != nil {
		return err
	}
	defer m.Disconnect() // nothing hangs on either
	defer s.Close()
	if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
		return explained("service "+name, err)
	}
	return await(ctx, s, svc.Running)
}

// Stop ends the service and waits until it has finished what was under way.
func Stop(ctx context.Context, name string) error {
	m, s, err := open(name)
	if err != nil {
		return err
	}
	defer m.Disconnect() // nothing hangs on either
	defer s.Close()
	return stop(ctx, s)
}

func stop(ctx context.Context, s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	// Refused while it starts: that ends, and then it can be asked.
	if errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
		if err = await(ctx, s, svc.Running); err == nil {
			_, err = s.Control(svc.Stop)
		}
	}
	if err != nil {
		return explained("service "+s.Name, err)
	}
	return await(ctx, s, svc.Stopped)
}

// await waits until the service is in a state, or is not going to be.
func await(ctx context.Context, s *mgr.Service, want svc.State) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		now, err := s.Query()
		switch {
		case err != nil:
			return explained("service "+s.Name, err)
		case now.State == want:
			return nil
		case now.State == svc.Stopped:
			code := now.Win32ExitCode
			if code == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
				code = now.ServiceSpecificExitCode
			}
			return fmt.Errorf("service %s: it ended with code %d; its log file and the event log (source %s) say why", s.Name, code, s.Name)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("service %s: it is still %s", s.Name, stateText(now.State))
		case <-tick.C:
		}
	}
}

// Query asks how the service is.
func Query(_ context.Context, name string) (Status, error) {
	m, s, err := open(name)
	if err != nil {
		return Status{}, err
	}
	defer m.Disconnect() // nothing hangs on either
	defer s.Close()
	now, err := s.Query()
	if err != nil {
		return Status{}, explained("service "+name, err)
	}
	c, err := queryConfig(s)
	if err != nil {
		return Status{}, explained("service "+name, err)
	}
	st := Status{State: stateText(now.State), PID: int(now.ProcessId), Account: windows.UTF16PtrToString(c.ServiceStartName), Command: windows.UTF16PtrToString(c.BinaryPathName)}
	switch c.StartType {
	case mgr.StartAutomatic:
		st.Start = "automatic"
	case mgr.StartDisabled:
		st.Start = "disabled"
	default:
		st.Start = "by hand"
	}
	if now.State == svc.Stopped && now.Win32ExitCode != 0 && now.Win32ExitCode != uint32(windows.ERROR_SERVICE_NEVER_STARTED) {
		st.State, st.Text = "failed", fmt.Sprintf("it ended with code %d", cmp.Or(now.ServiceSpecificExitCode, now.Win32ExitCode))
	}
	return st, nil
}

func stateText(s svc.State) string {
	switch s {
	case svc.Stopped:
		return "stopped"
	case svc.StartPending:
		return "starting"
	case svc.StopPending:
		return "stopping"
	case svc.Running:
		return "running"
	}
	return "paused"
}

func connect() (*mgr.Mgr, error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, explained("service manager", err)
	}
	return m, nil
}

func open(name string) (*mgr.Mgr, *mgr.Service, error) {
	m, err := connect()
	if err != nil {
		return nil, nil, err
	}
	s, err := m.OpenService(name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		err = fmt.Errorf("service %s: %w; as2drop service install makes it", name, ErrNotInstalled)
	} else if err != nil {
		err = explained("service "+name, err)
	}
	if err != nil {
		m.Disconnect() // nothing was done with it
		return nil, nil, err
	}
	return m, s, nil
}

// explained adds to an error of the service manager what to do about it.
func explained(what string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		hint = "; open the command window with: Run as administrator"
	case errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE):
		hint = "; close services.msc and every other window that shows it, then try again"
	case errors.Is(err, windows.ERROR_SERVICE_LOGON_FAILED):
		hint = "; its account has no right to log on as a service, or its password has changed: set it anew in services.msc"
	case errors.Is(err, windows.ERROR_INVALID_SERVICE_ACCOUNT):
		hint = "; write DOMAIN\\user, or .\\user for one of this machine"
	}
	return fmt.Errorf("%s: %w%s", strings.TrimSpace(what), err, hint)
}
