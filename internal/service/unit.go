package service

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// stateDir is where systemd makes the data folder of a service by itself.
	stateDir = "/var/lib/"
	// watchdogEvery is how long the agent may be silent before systemd starts it anew.
	watchdogEvery = time.Minute
	// startLimit is how long a start may take: a long queue is looked through first.
	startLimit = 10 * time.Minute
	// stopMargin is added to what the agent needs to finish what is under way.
	stopMargin = 25 * time.Second
)

// Unit is the text of a systemd unit. It lets the agent write its data folder and the
// folders of partners, read the rest, and use the network, and nothing else.
func Unit(d Definition) string {
	var b strings.Builder
	section := func(name string, lines ...string) {
		fmt.Fprintf(&b, "[%s]\n", name)
		for _, l := range lines {
			if l != "" {
				b.WriteString(l + "\n")
			}
		}
	}
	account := cmp.Or(d.Account, d.Name)
	fmt.Fprintf(&b, "# Made by as2drop service for %s.\n# Make it anew when data_dir, a partner's folder or a port changes: as2drop service install\n", d.Config)
	section("Unit", "Description="+escape(d.Description), "After=network-online.target", "Wants=network-online.target",
		"RequiresMountsFor="+quote(d.DataDir), "")
	b.WriteString("\n")
	section("Service", "Type=notify", "ExecStart="+command(d.Program, d.Args...), "ExecReload=/bin/kill -HUP $MAINPID",
		"User="+account,
		fmt.Sprintf("WatchdogSec=%d", int(watchdogEvery.Seconds())),
		fmt.Sprintf("TimeoutStartSec=%d", int(startLimit.Seconds())),
		fmt.Sprintf("TimeoutStopSec=%d", int((d.Grace+stopMargin).Seconds())),
		"# A config that is wrong (exit code 2) does not get better by itself.",
		"Restart=on-failure", "RestartSec=5", "RestartPreventExitStatus=2",
		"LimitNOFILE=65536", "")
	b.WriteString("\n# What it may write; all else can only be read.\n")
	b.WriteString("UMask=0027\nProtectSystem=strict\n")
	for _, line := range writable(d) {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n# What it never needs.\n")
	for _, line := range hardening(d) {
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	section("Install", "WantedBy=multi-user.target")
	return b.String()
}

// writable are the lines of what the agent writes. A folder that is not there when the
// agent starts is no reason not to start: it may be a share that comes later.
func writable(d Definition) (lines []string) {
	if name, ok := strings.CutPrefix(d.DataDir, stateDir); ok && !strings.Contains(name, "/") && name != "" {
		lines = append(lines, "StateDirectory="+quote(name), "StateDirectoryMode=0700")
	} else {
		lines = append(lines, "ReadWritePaths="+quote(d.DataDir))
	}
	for _, folder := range slices.Compact(slices.Sorted(slices.Values(d.Writable))) {
		if folder != d.DataDir && !strings.HasPrefix(folder, d.DataDir+"/") {
			lines = append(lines, "ReadWritePaths="+quote("-"+folder))
		}
	}
	return lines
}

func hardening(d Definition) []string {
	capabilities := ""
	if d.LowPorts {
		capabilities = "CAP_NET_BIND_SERVICE"
	}
	lines := []string{"NoNewPrivileges=yes", "CapabilityBoundingSet=" + capabilities}
	if d.LowPorts {
		lines = append(lines, "AmbientCapabilities="+capabilities)
	}
	setGID := "yes"
	if d.SetGID {
		setGID = "no"
	}
	home, tmp := "yes", "yes"
	for _, p := range append(append([]string{d.DataDir, d.Config, d.Program}, d.Writable...), slices.Concat(d.Secrets, d.Readable, d.Programs)...) {
		p = path.Clean(p)
		for _, top := range []string{"/home", "/root", "/run/user"} {
			if within(p, top) {
				home = "read-only" // what is written there is named above
			}
		}
		if within(p, "/tmp") || within(p, "/var/tmp") {
			tmp = "no"
		}
	}
	execute := "yes"
	if len(d.Programs) > 0 {
		execute = "no" // Java, .NET, Node and PHP make programs in memory, and are started by the agent
	}
	return append(lines,
		"ProtectHome="+home, "PrivateTmp="+tmp, "PrivateDevices=yes",
		"ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectProc=invisible",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID="+setGID,
		"MemoryDenyWriteExecute="+execute, "LockPersonality=yes", "RemoveIPC=yes", "KeyringMode=private",
		"SystemCallArchitectures=native", "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM")
}

func within(p, top string) bool { return p == top || strings.HasPrefix(p, top+"/") }

// command is a command line as systemd reads it, in which $ would be a variable.
func command(program string, args ...string) string {
	words := []string{quote(program)}
	for _, a := range args {
		words = append(words, strings.ReplaceAll(quote(a), "$", "$$"))
	}
	return strings.Join(words, " ")
}

// quote is one word as systemd reads it.
func quote(s string) string {
	s = escape(s)
	if !strings.ContainsAny(s, " \t\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// escape keeps % from being a specifier and a new line from beginning a setting.
func escape(s string) string { return strings.ReplaceAll(oneLine(s), "%", "%%") }
