package config

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/as2drop/as2drop/as2"
)

// Hooks are programs and services that are run around a partner's transfers.
type Hooks struct {
	BeforeSend, AfterSent, AfterFailed, AfterReceived []Hook
	Parallel                                          int // of those that run afterwards
}

// Hook is one of them.
type Hook struct {
	Name           string
	Command        []string // the program, once read by its absolute path, and its arguments
	URL            string
	AllowHTTP      bool
	Headers        []as2.Field
	BearerFile     string
	Bearer         string
	AuthorityFiles []string
	Authorities    []*x509.Certificate // that vouch for the service; nil = those of the system
	Timeout        time.Duration
	OnError        string // of before_send: hold, refuse, ignore
	Attempts       int    // of the others
}

// Programs are those that are started, by their whole paths.
func (h Hooks) Programs() (programs []string) {
	for _, hook := range slices.Concat(h.BeforeSend, h.AfterSent, h.AfterFailed, h.AfterReceived) {
		if len(hook.Command) > 0 {
			programs = append(programs, hook.Command[0])
		}
	}
	return programs
}

func hooksKeys() []key[Hooks] {
	return []key[Hooks]{
		{"before_send", "list of hooks", "none", "Asked one after the other when a batch is about to be sealed: each may let it be sent, refuse it, or change and add files. May be asked about one transfer more than once.", setHooks(func(h *Hooks) *[]Hook { return &h.BeforeSend }, beforeSendKeys)},
		{"after_sent", "list of hooks", "none", "Told when a transfer is filed in sent, at least once.", setHooks(func(h *Hooks) *[]Hook { return &h.AfterSent }, afterKeys)},
		{"after_failed", "list of hooks", "none", "Told when a transfer is filed in failed, at least once.", setHooks(func(h *Hooks) *[]Hook { return &h.AfterFailed }, afterKeys)},
		{"after_received", "list of hooks", "none", "Told when the files of a message are in the inbox, at least once.", setHooks(func(h *Hooks) *[]Hook { return &h.AfterReceived }, afterKeys)},
		{"parallel", "1 to 64", "2", "How many hooks of this partner that run afterwards are run at the same time.", setInt(1, 64, func(h *Hooks) *int { return &h.Parallel })},
	}
}

// setHooks reads a list of hooks.
func setHooks(field func(*Hooks) *[]Hook, table func() []key[Hook]) func(*decoder, *Hooks, *yaml.Node, string) {
	return func(d *decoder, v *Hooks, n *yaml.Node, path string) {
		*field(v) = nil
		list(d, n, path, func(item *yaml.Node, at string) {
			h := Hook{Timeout: 30 * time.Second, OnError: "hold", Attempts: 12}
			mapping(d, &h, item, at, table())
			*field(v) = append(*field(v), h)
		})
	}
}

func hookKeys() []key[Hook] {
	return []key[Hook]{
		{"name", "name", "the file name of the program, or the host of the URL", "What it is called where it is told of. What is owed to a hook goes on with the one of this name when the rest changes.", setString(func(h *Hook) *string { return &h.Name })},
		{"command", "list", "required without url", "The program by its whole path, or one relative to the folder of the file, and its arguments. It is started as it is, without a shell, and nothing is put into the arguments.", setStrings(func(h *Hook) *[]string { return &h.Command })},
		{"url", "URL", "required without command", "The web service that gets the same as a POST. https, or http on this machine.", setString(func(h *Hook) *string { return &h.URL })},
		{"allow_http", "true or false", "false", "http:// to another machine too.", setBool(func(h *Hook) *bool { return &h.AllowHTTP })},
		{"headers", "mapping", "none", "Further header fields of the request. Secrets do not belong here.", setHookHeaders},
		{"bearer_file", "file", "none", "The file with the token of bearer authentication at the service.", setPath(func(h *Hook) *string { return &h.BearerFile })},
		{"authorities", "list of files", "authorities of the system", "Certificates that vouch for the service, in place of those of the system.", setPaths(func(h *Hook) *[]string { return &h.AuthorityFiles })},
		{"timeout", "duration", "30s", "After this time it is killed with everything that it started, and has failed.", setDuration(10*time.Millisecond, func(h *Hook) *time.Duration { return &h.Timeout })},
	}
}

func beforeSendKeys() []key[Hook] {
	return append(hookKeys(), key[Hook]{"on_error", "hold, refuse or ignore", "hold", "What happens to the batch if the hook itself fails: it waits for an operator, goes to failed, or is sent without it.", setChoice(func(h *Hook) *string { return &h.OnError }, "hold", "refuse", "ignore")})
}

func afterKeys() []key[Hook] {
	return append(hookKeys(), key[Hook]{"attempts", "1 to 1000", "12", "How often it is run in all until it succeeds. The first wait is 10s, each is twice as long as the one before, up to an hour.", setInt(1, 1000, func(h *Hook) *int { return &h.Attempts })})
}

// setHookHeaders reads header fields of a request that is none of AS2.
func setHookHeaders(d *decoder, h *Hook, n *yaml.Node, path string) {
	h.Headers = headerFields(d, n, path, func(name string) (fact, hint string) {
		switch strings.ToLower(name) {
		case "authorization", "proxy-authorization", "cookie":
			return "a secret does not belong into this file, whose text is kept in the ledger", "set bearer_file"
		case "content-type", "content-length", "user-agent", "host", "transfer-encoding", "connection", "expect":
			return "is a header field that the agent or HTTP sets itself", "remove it"
		}
		return "", ""
	})
}

// hooks completes the hooks of a partner and looks whether they can be run.
func (f *finisher) hooks(p *Partner, path string) {
	for _, l := range []struct {
		kind  string
		hooks []Hook
	}{{"before_send", p.Hooks.BeforeSend}, {"after_sent", p.Hooks.AfterSent}, {"after_failed", p.Hooks.AfterFailed}, {"after_received", p.Hooks.AfterReceived}} {
		names := map[string]int{}
		for i := range l.hooks {
			h, at := &l.hooks[i], item(path+"."+l.kind, i)
			f.hook(h, at)
			if first, ok := names[h.Name]; ok && h.Name != "" {
				f.report(at+".name", "give one of them another name", "%q is the name of %s[%d] already", h.Name, l.kind, first)
				continue
			}
			names[h.Name] = i
		}
	}
}

func (f *finisher) hook(h *Hook, at string) {
	switch {
	case len(h.Command) > 0 && h.URL != "":
		f.report(at+".url", "keep one of the two", "there is a command already")
		return
	case h.URL != "":
		f.service(h, at)
	case len(h.Command) > 0:
		f.program(h, at)
		for _, l := range []struct {
			key string
			set bool
		}{{"headers", len(h.Headers) > 0}, {"bearer_file", h.BearerFile != ""}, {"authorities", len(h.AuthorityFiles) > 0}, {"allow_http", h.AllowHTTP}} {
			if l.set {
				f.report(at+"."+l.key, "remove it", "is of no use for a program")
			}
		}
	default:
		f.report(at+".command", "write command: [/path/to/program, argument], or a url", "is missing")
		return
	}
	if h.Name != "" && !validName(h.Name) {
		f.report(at+".name", "", "a name has letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	}
}

// program looks whether a program can be started.
func (f *finisher) program(h *Hook, at string) {
	at += ".command"
	for i, arg := range h.Command {
		if strings.ContainsRune(arg, 0) {
			f.report(item(at, i), "", "no program can be given a zero byte")
			return
		}
	}
	said := h.Command[0]
	program := f.resolve(said)
	var err error
	if h.Command[0], err = filepath.Abs(program); err != nil { // it is not started in the folder that we are in
		f.report(at, "", "%v", err)
	}
	if h.Name == "" {
		h.Name = strings.Map(func(r rune) rune {
			if validName("a" + string(r) + "a") {
				return r
			}
			return '_'
		}, filepath.Base(program))
	}
	info, err := os.Stat(program)
	switch {
	case err != nil && !strings.ContainsAny(said, `/\`):
		f.report(at, "name it with its whole path, such as "+filepath.Join("/usr/bin", filepath.Base(said))+"; it is not looked for in PATH", "the program %s does not exist", program)
	case err != nil:
		f.fileError(at, program, err)
	case !info.Mode().IsRegular():
		f.report(at, "", "%s is no program", program)
	case !executable(program, info):
		f.report(at, "make it executable (chmod +x), or put the program that runs it before it", "%s cannot be executed", program)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0:
		f.warn(at, "chmod o-w "+program, "every user of this machine can change %s, and run what he likes as the agent with it", program)
	}
}

// executable reports whether the system takes a file for a program.
func executable(file string, info os.FileInfo) bool {
	if runtime.GOOS != "windows" {
		return info.Mode().Perm()&0o111 != 0
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".exe", ".com", ".bat", ".cmd":
		return true
	}
	return false
}

// service looks whether a service may be called.
func (f *finisher) service(h *Hook, at string) {
	u := f.httpURL(at+".url", h.URL, "https://erp.example.com/as2drop")
	if u == nil {
		return
	}
	if h.Name == "" {
		h.Name = strings.Map(func(r rune) rune {
			if r == ':' {
				return '-'
			}
			return r
		}, strings.Trim(u.Hostname(), ":"))
	}
	if u.Scheme == "http" && !h.AllowHTTP && !Loopback(u.Hostname()) {
		f.report(at+".url", "use https, or set allow_http: true for this hook", "plain HTTP shows what is told, and what is answered, to everybody on the way")
	}
	h.Bearer = f.secret(at+".bearer_file", h.BearerFile)
	if h.Bearer != "" && u.Scheme == "http" && !Loopback(u.Hostname()) {
		f.warn(at+".url", "use https", "the token goes over plain HTTP, readable by everybody on the way")
	}
	h.Authorities = f.certificateList(at+".authorities", h.AuthorityFiles)
}
