// Package service makes the program a service of the system: of the service manager on
// Windows, of systemd elsewhere.
//
// A Definition says what is installed: the program with the absolute path of its config,
// the account, and what that account must be able to read and write. Install, Uninstall,
// Start, Stop and Query do what their names say with the system's own means; Unit is the
// text of a systemd unit, which an administrator may also install himself.
//
// A running agent tells its state through a Notifier to systemd, and through Run to the
// service manager. Events is a log for the event log of Windows. The package never decides
// whether the agent is well: it passes on what it is told.
package service

import (
	"errors"
	"time"
)

// Description is what the service is called where there is room for more than its name.
const Description = "as2drop, an AS2 agent that watches folders"

// Arguments are those of the program as a service. Without a level the config says what is
// logged.
func Arguments(config, logLevel string) []string {
	args := []string{"run", "--config", config}
	if logLevel != "" {
		args = append(args, "--log-level", logLevel)
	}
	return args
}

// Definition is a service that can be installed.
type Definition struct {
	Name        string   // of the service: letters, digits, - and _
	Description string   // one line
	Program     string   // absolute
	Args        []string // with absolute paths
	// Account is the user that it runs as. Empty means an account of the service's own on
	// Windows, and the user of the service's name elsewhere.
	Account  string
	Password string // of an account on Windows that has one

	Config   string   // absolute; its folder is read
	DataDir  string   // absolute; written, and private
	Writable []string // folders elsewhere that are written: those of partners, that of the log
	Secrets  []string // files that nobody else may read
	Readable []string // other files that are read
	Programs []string // of others, that the agent starts
	LowPorts bool     // it listens on a port below 1024
	SetGID   bool     // it makes folders whose files belong to the group of the folder

	Grace time.Duration // how long the program may take to stop
}

// Status is what the system says of a service.
type Status struct {
	State   string `json:"state"` // running, stopped, starting, stopping, failed, ...
	Text    string `json:"text,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Account string `json:"account,omitempty"`
	Command string `json:"command,omitempty"`
	Start   string `json:"start,omitempty"` // automatic, disabled, ...
}

// ErrNotInstalled means that the system has no service of the name.
var ErrNotInstalled = errors.New("there is no such service")

// ErrUnsupported means that this system has no service manager that we know.
var ErrUnsupported = errors.New("services are known on Windows and with systemd; start as2drop run with what this system has")
