package service

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Notifier tells systemd how the program is. The zero value tells nobody.
type Notifier struct {
	conn     *net.UnixConn
	Watchdog time.Duration // how often Alive must be told at the latest; 0 = never
}

// FromSystemd is a notifier for the systemd that started this program, by its environment.
// Without one it tells nobody.
func FromSystemd(getenv func(string) string) (Notifier, error) {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return Notifier{}, nil
	}
	// A name that begins with @ is no file; package net knows.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return Notifier{}, fmt.Errorf("NOTIFY_SOCKET %s: %w", socket, err)
	}
	n := Notifier{conn: conn}
	// The watchdog is meant for one process; a child of it is not the one.
	if pid := getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			n.Watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return n, nil
}

// Ready tells that the program works, with a line for systemctl status.
func (n Notifier) Ready(text string) error { return n.send("READY=1\nSTATUS=" + oneLine(text)) }

// Status tells a line for systemctl status.
func (n Notifier) Status(text string) error { return n.send("STATUS=" + oneLine(text)) }

// Reloading tells that the config is being read anew; Ready follows.
func (n Notifier) Reloading() error {
	usec, err := monotonic()
	if err != nil {
		return err
	}
	return n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", usec))
}

// Stopping tells that the program ends.
func (n Notifier) Stopping() error {
	return n.send("STOPPING=1\nSTATUS=finishing what is under way")
}

// Alive feeds the watchdog.
func (n Notifier) Alive() error { return n.send("WATCHDOG=1") }

func (n Notifier) send(state string) error {
	if n.conn == nil {
		return nil
	}
	_, err := n.conn.Write([]byte(state))
	return err
}

// Close forgets systemd.
func (n Notifier) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

// oneLine keeps a text from becoming an assignment of its own.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
